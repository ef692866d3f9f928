"""A trial that shares its GPU is limited to its share, on each backend in that backend's way."""

from __future__ import annotations

import inspect
import types
from typing import Any

import pytest

from keras_collapse.triage.executors.gpus import GPU_MIB, GPU_SHARE
from keras_collapse.triage.trial import gpu_memory


class Calls:
    """Stands for a backend with a GPU; notes what is set."""

    def __init__(self) -> None:
        self.made: list[Any] = []

    def torch(self) -> Any:
        cuda = types.SimpleNamespace(
            is_available=lambda: True,
            set_per_process_memory_fraction=self.made.append,
            max_memory_reserved=lambda: 3 * 2**20,
        )
        return types.SimpleNamespace(cuda=cuda)

    def tensorflow(self) -> Any:
        config = types.SimpleNamespace(
            list_physical_devices=lambda kind: [kind],
            LogicalDeviceConfiguration=lambda memory_limit: memory_limit,
            set_logical_device_configuration=lambda gpu, own: self.made.append((gpu, own)),
            experimental=types.SimpleNamespace(get_memory_info=lambda name: {"peak": 3 * 2**20}),
        )
        return types.SimpleNamespace(config=config)

    def jax(self) -> Any:
        device = types.SimpleNamespace(memory_stats=lambda: {"peak_bytes_in_use": 3 * 2**20})
        return types.SimpleNamespace(local_devices=lambda: [device])


@pytest.mark.parametrize(
    ("backend", "made"),
    [("torch", [0.45]), ("tensorflow", [("GPU", [9000])]), ("jax", [])],
)
def test_a_shared_gpu_is_limited_and_what_was_used_is_known(
    monkeypatch: pytest.MonkeyPatch, backend: str, made: list[Any]
) -> None:
    calls = Calls()
    monkeypatch.setitem(__import__("sys").modules, backend, getattr(calls, backend)())
    monkeypatch.setenv("KERAS_BACKEND", backend)
    monkeypatch.setenv(GPU_MIB, "9000")
    gpu_memory.limit()
    assert not calls.made  # it has the GPU for itself
    monkeypatch.setenv(GPU_SHARE, "0.45")
    gpu_memory.limit()
    assert calls.made == made
    assert gpu_memory.used() == {"gpu_peak_mib": 3.0, "gpu_mib": 9000.0}
    monkeypatch.delenv(GPU_MIB)
    assert gpu_memory.used() == {}


@pytest.mark.backend("tensorflow")
def test_tensorflow_has_that_limit() -> None:
    import tensorflow as tf

    assert tf.config.LogicalDeviceConfiguration(memory_limit=9000).memory_limit == 9000
    assert list(inspect.signature(tf.config.set_logical_device_configuration).parameters) == [
        "device",
        "logical_devices",
    ]
