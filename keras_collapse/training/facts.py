"""What a run was: hyperparameters, versions and machine, by name, for outputs and the journal."""

from __future__ import annotations

import platform
import sys
from collections.abc import Mapping
from typing import Any

import keras

from keras_collapse.training.models import optimizers_of

PACKAGES = ("keras", "tensorflow", "jax", "torch", "numpy", "keras_collapse")


def metric_names(model: keras.Model) -> set[str]:
    """Names of the metrics that Keras resets when an epoch begins."""
    return {metric.name for metric in model.metrics}


def facts_of(model: keras.Model, params: Mapping[str, Any]) -> dict[str, Any]:
    """Facts by name, each a plain value.

    Args:
        model: the GAN.
        params: what Keras tells callbacks of ``fit``: epochs, steps.
    """
    facts: dict[str, Any] = {
        "model": model.name,
        "backend": keras.backend.backend(),
        "python": platform.python_version(),
        "device": _device(),
        "parameters": int(sum(_size(v) for v in model.weights)),
    }
    facts |= {name: params[name] for name in ("epochs", "steps") if params.get(name) is not None}
    facts |= {f"version.{name}": version for name, version in _versions().items()}
    for name, optimizer in optimizers_of(model).items():
        facts[name] = type(optimizer).__name__
        for setting, value in optimizer.get_config().items():
            if setting != "name" and isinstance(value, str | int | float | bool):
                facts[f"{name}.{setting}"] = value
    return facts


def _size(variable: Any) -> int:
    size = 1
    for length in variable.shape:
        size *= length
    return size


def _versions() -> dict[str, str]:
    """Versions of the packages that are loaded; asking must import none."""
    loaded = {name: sys.modules[name] for name in PACKAGES if name in sys.modules}
    return {name: str(getattr(module, "__version__", "?")) for name, module in loaded.items()}


def _device() -> str:
    backend = keras.backend.backend()
    if backend == "tensorflow":
        import tensorflow as tf

        gpus = tf.config.list_physical_devices("GPU")
        return f"{len(gpus)} GPU" if gpus else "CPU"
    if backend == "jax":
        import jax

        device = jax.devices()[0]
        return f"{len(jax.devices())} {device.device_kind}"
    if backend == "torch":
        import torch

        return str(torch.cuda.get_device_name(0)) if torch.cuda.is_available() else "CPU"
    return "unknown"
