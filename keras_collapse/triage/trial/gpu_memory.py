"""A trial's share of its GPU's memory, and how much of it was used, on each backend."""

from __future__ import annotations

import os
from typing import Any

from keras_collapse.core.guard import guarded
from keras_collapse.triage.executors.gpus import GPU_MIB, GPU_SHARE

MIB = 2**20


def limit() -> None:
    """Limit the backend to the trial's share, before it uses the GPU.

    PyTorch takes it as a part of the GPU's memory, TensorFlow in MiB. JAX has read it from an
    environment variable. A trial that shares its GPU with none is not limited.
    """
    share, mib = os.environ.get(GPU_SHARE), os.environ.get(GPU_MIB)
    backend = os.environ.get("KERAS_BACKEND")
    if share and backend == "torch":
        import torch

        if torch.cuda.is_available():
            torch.cuda.set_per_process_memory_fraction(float(share))
    elif share and mib and backend == "tensorflow":
        import tensorflow as tf

        for gpu in tf.config.list_physical_devices("GPU"):
            own = tf.config.LogicalDeviceConfiguration(memory_limit=int(mib))
            tf.config.set_logical_device_configuration(gpu, [own])


def used() -> dict[str, float]:
    """Return ``gpu_peak_mib``, the most that was used, and ``gpu_mib``, the most that may be.

    Returns:
        Nothing for a trial without a GPU, or where the memory of the GPU is unknown.
    """
    mib = os.environ.get(GPU_MIB)
    peak = guarded("The trial", _peak) if mib else None
    return {"gpu_peak_mib": round(peak / MIB, 1), "gpu_mib": float(mib)} if mib and peak else {}


def _peak() -> int:
    """The most bytes that this process' tensors have taken of the GPU; 0 without one."""
    backend: Any = os.environ.get("KERAS_BACKEND")
    if backend == "jax":
        import jax

        return int((jax.local_devices()[0].memory_stats() or {}).get("peak_bytes_in_use", 0))
    if backend == "torch":
        import torch

        return int(torch.cuda.max_memory_reserved()) if torch.cuda.is_available() else 0
    import tensorflow as tf

    if not tf.config.list_physical_devices("GPU"):
        return 0
    return int(tf.config.experimental.get_memory_info("GPU:0")["peak"])
