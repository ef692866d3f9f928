"""Samples are compared with the data whatever ``fit`` is given, and no pipeline is drawn twice."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest
from tiny import GAN, ring, tiny_gan, weights

import keras_collapse as kc
from keras_collapse.core.journal import read_journal
from keras_collapse.core.records import SamplesChecked
from keras_collapse.training.probe import prober

pytestmark = pytest.mark.backend()

DATA = ring(512)


@pytest.fixture(autouse=True)
def every_check(monkeypatch: pytest.MonkeyPatch) -> None:
    """These fits are shorter than the steps between two comparisons."""
    monkeypatch.setattr(prober, "APART", 1)


class OfAnyBatch(GAN):
    """Whose batches are ``x``, ``(x,)``, ``(x, labels)`` or ``{"image": x, ...}``."""

    def _one_step(self, data: Any) -> Any:
        while isinstance(data, tuple | list | dict):
            data = data["image"] if isinstance(data, dict) else data[0]
        return super()._one_step(data)


class Batches(keras.utils.PyDataset):
    """Batches that only Python can make."""

    def __len__(self) -> int:
        return 16

    def __getitem__(self, index: int) -> tuple[np.ndarray, np.ndarray]:
        return DATA[32 * index : 32 * index + 32], np.arange(32)


def endless() -> Iterator[tuple[np.ndarray]]:
    while True:
        yield from ((batch,) for batch in np.split(DATA, 16))


def slices() -> Any:
    import tensorflow as tf

    return tf.data.Dataset.from_tensor_slices(DATA)


def jitter(batch: Any) -> Any:
    import tensorflow as tf

    return batch + 0.01 * tf.random.normal(tf.shape(batch))


def from_generator() -> Any:
    import tensorflow as tf

    spec = tf.TensorSpec((None, 2), tf.float32)
    return tf.data.Dataset.from_generator(lambda: iter(np.split(DATA, 16)), output_signature=spec)


def interleaved() -> Any:
    import tensorflow as tf

    return tf.data.Dataset.range(4).interleave(lambda _: slices(), cycle_length=2).batch(64)


def loader() -> Any:
    import torch
    from torch.utils.data import DataLoader, TensorDataset

    return DataLoader(TensorDataset(torch.from_numpy(DATA)), batch_size=32, shuffle=True)


def grains() -> Any:
    grain = pytest.importorskip("grain.python", reason="grain is not installed")
    return grain.MapDataset.source(list(DATA)).shuffle(seed=1).batch(32)


PIPELINES: dict[str, tuple[Callable[[], Any], dict[str, int]]] = {
    "array": (lambda: DATA, {"batch_size": 32}),
    "arrays and labels": (lambda: {"x": DATA, "y": np.arange(512)}, {"batch_size": 32}),
    "PyDataset": (Batches, {}),
    "PyDataset with workers": (lambda: Batches(workers=2), {}),
    "generator": (endless, {"steps_per_epoch": 16}),
    "map": (lambda: slices().shuffle(512).map(lambda x: 1.0 * x).batch(48), {}),
    "batch then map": (lambda: slices().shuffle(64).batch(32).map(jitter).prefetch(2), {}),
    "to a dictionary": (lambda: slices().batch(32).map(lambda x: {"image": x, "name": x}), {}),
    "take and skip": (lambda: slices().shuffle(512).skip(32).take(400).batch(32), {}),
    "repeat": (lambda: slices().shuffle(512).repeat().batch(32), {"steps_per_epoch": 12}),
    "interleave": (interleaved, {}),
    "from_generator": (from_generator, {}),
    "cache": (lambda: slices().map(lambda x: 1.0 * x).cache().shuffle(512).batch(32), {}),
    "DataLoader": (loader, {}),
    "grain": (grains, {}),
}
FAST = ("PyDataset with workers", "generator", "batch then map", "repeat")
if (
    keras.backend.backend() != "tensorflow"
):  # Keras hands batches over in Python: one stands for all
    FAST = FAST[:1]
ONLY = {"DataLoader": "torch"}


def cases() -> list[Any]:
    found = []
    for name in PIPELINES:
        # Keras' PyTorch trainer takes one step per execution only.
        for per_execution in (1,) if keras.backend.backend() == "torch" else (1, 3):
            fast = name in FAST and (per_execution == 1 or name == "repeat")
            marks = [] if fast else [pytest.mark.slow()]
            given = pytest.param(name, per_execution, marks=marks, id=f"{name}-{per_execution}")
            found.append(given)
    return found


@pytest.mark.first_step
@pytest.mark.parametrize(("name", "per_execution"), cases())
@pytest.mark.usefixtures("as_users_compile")
def test_a_pipeline_is_compared_with_and_the_training_is_the_same_to_the_bit(
    name: str, per_execution: int, tmp_path: Path
) -> None:
    make, arguments = PIPELINES[name]
    if keras.backend.backend() != ONLY.get(name, keras.backend.backend()):
        pytest.skip(f"Keras takes a {name} with PyTorch")

    def train(callbacks: list[Any]) -> list[np.ndarray]:
        kc.seed_everything(3)
        gan, data = tiny_gan(kind=OfAnyBatch, steps_per_execution=per_execution), make()
        given = data if isinstance(data, dict) and "x" in data else {"x": data}
        gan.fit(**given, **arguments, epochs=2, verbose=0, callbacks=callbacks)
        return weights(gan)

    monitor = kc.CollapseMonitor(run_dir=tmp_path / "run", verbose=0)
    bare, watched = train([]), train([monitor])
    assert all(np.array_equal(a, b) for a, b in zip(bare, watched, strict=True))
    records = [r for r in read_journal(tmp_path / "run") if isinstance(r, SamplesChecked)]
    assert records[-1].values["modes_real"] == 8
    assert records[-1].values["real"] >= 256
