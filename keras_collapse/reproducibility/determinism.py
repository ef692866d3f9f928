"""Deterministic operations and the hash seed: what can be enforced, and what only verified."""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping
from pathlib import Path

import keras

_NO_GPU = "no GPU, so neither cuDNN nor cuBLAS"
_CUBLAS = "cuBLAS (set CUBLAS_WORKSPACE_CONFIG=:4096:8 before Python starts)"
_XLA = "GPU operations (set XLA_FLAGS=--xla_gpu_deterministic_ops=true before Python starts)"
_TENSORFLOW = "deterministic operations (TensorFlow; call seed_everything before anything is built)"
# Sources by which two runs on the same machine may differ.
NONDETERMINISTIC = (_CUBLAS, _XLA, _TENSORFLOW)


def make_deterministic(seeded_too_late: bool) -> dict[str, list[str]]:
    """Ask the backend for deterministic operations.

    Args:
        seeded_too_late: whether data pipelines may exist that were built before any seed;
            TensorFlow would then refuse them.

    Returns:
        What that enforced, what was verified, and what stays unknown, by these names.
    """
    backend = keras.backend.backend()
    if backend == "tensorflow":
        import tensorflow as tf

        if seeded_too_late:
            return {"unknown": [_TENSORFLOW]}
        tf.config.experimental.enable_op_determinism()
        gpus = tf.config.list_physical_devices("GPU")
        return {
            "enforced": ["deterministic operations (TensorFlow, cuDNN among them)"],
            "verified": [] if gpus else [_NO_GPU],
            "unknown": _threads(tf.config.threading.get_intra_op_parallelism_threads()),
        }
    if backend == "torch":
        import torch

        torch.use_deterministic_algorithms(True, warn_only=True)
        torch.backends.cudnn.benchmark = False
        done = ["deterministic operations (PyTorch, warning where there are none)"]
        lists = {"enforced": done, "verified": [], "unknown": _threads(torch.get_num_threads())}
        if not torch.cuda.is_available():
            lists["verified"].append(_NO_GPU)
        elif not os.environ.get("CUBLAS_WORKSPACE_CONFIG"):
            lists["unknown"].append(_CUBLAS)
        return lists
    if backend == "jax":
        import jax

        if jax.default_backend() == "cpu":
            done = ["deterministic operations (JAX on CPU)", _NO_GPU]
            return {"verified": done, "unknown": _threads(0)}
        if "deterministic_ops" in os.environ.get("XLA_FLAGS", ""):
            return {"verified": ["deterministic operations (XLA_FLAGS)"]}
        return {"unknown": [_XLA]}
    return {"unknown": [f"operations of the {backend} backend"]}


def _threads(count: int) -> list[str]:
    """A source that is unknown: sums over another number of threads may differ."""
    return [f"thread count on another machine ({count or os.cpu_count()} here)"]


def hash_seed() -> tuple[list[str], list[str]]:
    """The hash seed as verified or unknown: it must be set before Python starts."""
    value = _environment_at_start().get("PYTHONHASHSEED", "")
    if value.isdigit():
        return [f"hash seed (PYTHONHASHSEED={value})"], []
    return [], ["hash seed (set PYTHONHASHSEED before Python starts)"]


def _environment_at_start() -> Mapping[str, str]:
    """The environment Python was started with; the hash seed is read from it only."""
    if sys.platform == "linux":
        raw = Path("/proc/self/environ").read_bytes().decode(errors="replace")
        return dict(pair.split("=", 1) for pair in raw.split("\0") if "=" in pair)
    return os.environ
