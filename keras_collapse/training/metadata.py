"""The facts of a run: hyperparameters, versions, data and machine, by name."""

from __future__ import annotations

import hashlib
import platform
import sys
from collections.abc import Iterator, Mapping
from typing import Any

import keras
import numpy as np

from keras_collapse.core.guard import guarded
from keras_collapse.core.process.redaction import redacted
from keras_collapse.training.networks.discovery import Networks, optimizers_of
from keras_collapse.training.networks.keras_internals import compile_arguments
from keras_collapse.training.probe.real_data import arrays_of, fit_given

PACKAGES = ("keras", "tensorflow", "jax", "torch", "numpy", "keras_collapse")
OWN = ("autocast", "built", "compiled", "name", "stop_training", "supports_jit", "training")
"""Attributes that every Keras model has."""
DIGEST_ROWS = 4096
"""Evenly spaced rows of each array that the data's digest is made of: hashing gigabytes would delay
the training."""


def metric_names(model: keras.Model) -> set[str]:
    """The names of the metrics that Keras resets when an epoch begins.

    Those given to ``compile`` are made in the first step; before it their names are known from
    there.
    """
    names = {metric.name for metric in model.metrics}
    config = compile_arguments(model)
    given = [config.get("metrics"), config.get("weighted_metrics")]
    compiled = {name for one in given for name in _names_in(one)}
    outputs = getattr(model, "output_names", None) or ()
    return names | compiled | {f"{output}_{name}" for output in outputs for name in compiled}


def _names_in(metrics: Any) -> Iterator[str]:
    """The names of the metrics in an argument of ``compile``, serialised or not."""
    if isinstance(metrics, str):
        yield metrics
    elif isinstance(metrics, list | tuple):
        for one in metrics:
            yield from _names_in(one)
    elif isinstance(metrics, dict) and "class_name" in metrics:
        config = metrics.get("config")
        yield from _names_in(config.get("name") if isinstance(config, dict) else config)
    elif isinstance(metrics, dict):  # by output
        yield from _names_in(list(metrics.values()))
    elif metrics is not None:
        yield str(getattr(metrics, "name", None) or getattr(metrics, "__name__", ""))


def facts_of(
    model: keras.Model, params: Mapping[str, Any], networks: Networks | None = None
) -> dict[str, Any]:
    """The facts of a fit by name, each a plain value; ``summary`` holds a text for each network.

    Secrets, such as an attribute ``api_key``, are replaced by ``***``.

    Args:
        model: the GAN.
        params: the parameters that Keras gives to callbacks: epochs, steps.
        networks: its G and D, as far as they are known.
    """
    facts: dict[str, Any] = {
        "model": model.name,
        "backend": keras.backend.backend(),
        "python": platform.python_version(),
        "device": _device(),
    }
    facts |= _parameters("parameters", model)
    facts |= {name: params[name] for name in ("epochs", "steps") if params.get(name) is not None}
    facts |= {f"version.{name}": version for name, version in _versions().items()}
    facts |= _settings(model)
    for name, optimizer in optimizers_of(model).items():
        facts[name] = type(optimizer).__name__
        for setting, value in optimizer.get_config().items():
            if setting != "name" and isinstance(value, str | int | float | bool):
                facts[f"{name}.{setting}"] = value
    facts |= guarded(facts_of, _data_facts, model) or {}
    facts |= guarded(facts_of, _network_facts, networks or Networks()) or {}
    return dict(redacted(facts))


def rates_of(model: keras.Model) -> dict[str, float]:
    """The current learning rate of each optimizer, by name."""
    return {
        f"{name}.learning_rate": float(keras.ops.convert_to_numpy(optimizer.learning_rate))
        for name, optimizer in optimizers_of(model).items()
    }


def _settings(model: keras.Model) -> dict[str, Any]:
    """The model's own attributes that are numbers or strings, such as ``latent_dim``."""
    return {
        f"model.{name}": value
        for name, value in vars(model).items()
        if not name.startswith("_") and name not in OWN and type(value) in (int, float, str, bool)
    }


def _data_facts(model: keras.Model) -> dict[str, Any]:
    """Facts of the arguments of ``fit``: the first epoch, the batch size, and the data."""
    given = fit_given(model)
    if not given:
        return {}
    arrays = arrays_of((given.get("x"), given.get("y")))
    facts: dict[str, Any] = {}
    if given.get("initial_epoch"):
        facts["initial_epoch"] = int(given["initial_epoch"])
    size = given.get("batch_size")
    is_array = isinstance(given.get("x"), np.ndarray) or keras.ops.is_tensor(given.get("x"))
    if size or is_array:
        facts["batch_size"] = size or 32  # Keras' own default
    if arrays:
        facts["data.shape"] = " ".join(str(tuple(map(int, array.shape))) for array in arrays)
        facts["data.dtype"] = " ".join(str(array.dtype).removeprefix("torch.") for array in arrays)
        facts["data.digest"] = _digest(arrays)
    return facts


def _digest(arrays: list[Any]) -> str:
    """A hash of each array's shape and of some of its rows."""
    found = hashlib.blake2b(digest_size=8)
    for array in arrays:
        stride = max(-(-int(array.shape[0]) // DIGEST_ROWS), 1)
        rows = np.ascontiguousarray(keras.ops.convert_to_numpy(array[::stride]))
        found.update(f"{tuple(map(int, array.shape))} {rows.dtype}".encode())
        found.update(rows.tobytes())
    return found.hexdigest()


def _network_facts(networks: Networks) -> dict[str, Any]:
    facts: dict[str, Any] = {}
    summaries: dict[str, str] = {}
    for name, network in (
        ("generator", networks.generator),
        ("discriminator", networks.discriminator),
    ):
        if not isinstance(network, keras.Model):
            continue
        layers = list(_layers(network))
        facts[f"{name}.layers"] = ", ".join(map(_words, layers))
        facts |= _parameters(f"{name}.parameters", network)
        rates = [str(layer.rate) for layer in layers if hasattr(layer, "rate")]
        if rates:
            facts[f"{name}.dropout"] = ", ".join(rates)
        lines: list[str] = []
        network.summary(print_fn=lambda line, **_: lines.append(str(line)))  # noqa: B023
        summaries[name] = "\n".join(lines)
    if networks.latent_shape is not None:
        facts["latent"] = " ".join(map(str, networks.latent_shape))
    return {**facts, **({"summary": summaries} if summaries else {})}


def _layers(network: keras.Model) -> Iterator[Any]:
    for layer in network.layers:
        if isinstance(layer, keras.Model):
            yield from _layers(layer)
        elif not isinstance(layer, keras.layers.InputLayer):
            yield layer


def _words(layer: Any) -> str:
    """A layer's class and width, such as "Conv2D 64"."""
    width = next((w for k in ("units", "filters") if (w := getattr(layer, k, None))), None)
    return f"{type(layer).__name__} {width}" if width else type(layer).__name__


def _parameters(name: str, model: keras.Model) -> dict[str, int]:
    """The number of parameters under this name; nothing if the model is not built by then."""
    try:
        return {name: int(model.count_params())}
    except ValueError:
        return {}


def _versions() -> dict[str, str]:
    """The versions of the packages that are loaded; nothing is imported."""
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
