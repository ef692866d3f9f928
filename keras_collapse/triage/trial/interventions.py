"""Changes that triage makes to a GAN when its fit begins."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import keras
import numpy as np

from keras_collapse.core.errors import InputError
from keras_collapse.training.networks.discovery import Networks, find_networks, optimizers_of
from keras_collapse.training.networks.keras_internals import has_rate_schedule, sublayers

CHANGES = ("d_rate", "g_rate", "rates_factor", "d_dropout", "beta_1", "init")
"""``d_rate``, ``g_rate``: learning rates; ``rates_factor``: a factor for both; ``d_dropout``: D's
dropout rate; ``beta_1``: Adam's β₁ of both; ``init``: a Keras initializer that redraws all kernels
of G and D."""
_PREFIXES = {"d": ("d_", "disc", "critic", "d."), "g": ("g_", "gen", "g.")}


def optimizers_by_side(model: Any) -> dict[str, Any]:
    """Return D's and G's optimizer as ``{"d": …, "g": …}``, identified by name.

    If one is identified and one other optimizer remains, that is the missing one.
    """
    known = optimizers_of(model)
    found: dict[str, Any] = {}
    for side, starts in _PREFIXES.items():
        for name, optimizer in known.items():
            if name.lower().startswith(starts):
                found.setdefault(side, optimizer)
    rest = [one for one in known.values() if not any(one is used for used in found.values())]
    missing = [side for side in _PREFIXES if side not in found]
    if len(missing) == 1 and len(rest) == 1:
        found[missing[0]] = rest[0]
    return found


def dropouts(network: Any) -> list[Any]:
    """Return the network's dropout layers."""
    return [layer for layer in sublayers(network) if isinstance(layer, keras.layers.Dropout)]


def kernels(network: Any) -> list[Any]:
    """Return the network's trainable weights with two or more dimensions."""
    return [v for v in network.trainable_variables if len(v.shape) > 1] if network else []


def settings_of(model: Any) -> dict[str, float]:
    """Return the settings that triage can change, as far as they are found.

    Returns:
        ``d_rate``, ``g_rate``: constant learning rates; ``d_beta_1``, ``g_beta_1``: Adam's β₁;
        ``d_dropout``: D's largest dropout rate;
        ``g_weights``, ``d_weights``: numbers of trainable weights; ``init_scale``: the kernels'
        standard deviation over that of Glorot and Bengio (2010), median of both networks.
    """
    networks = find_networks(model)
    found: dict[str, float] = {}
    for side, optimizer in optimizers_by_side(model).items():
        if not has_rate_schedule(optimizer):
            found[f"{side}_rate"] = float(keras.ops.convert_to_numpy(optimizer.learning_rate))
        if isinstance(optimizer, keras.optimizers.Adam):
            found[f"{side}_beta_1"] = float(optimizer.beta_1)
    rates = [layer.rate for layer in dropouts(networks.discriminator)]
    if rates:
        found["d_dropout"] = float(max(rates))
    for name, network in (("g_weights", networks.generator), ("d_weights", networks.discriminator)):
        if network is not None:
            found[name] = float(sum(np.prod(v.shape) for v in network.trainable_variables))
    scales = [_scale(v) for v in (*kernels(networks.generator), *kernels(networks.discriminator))]
    if scales:
        found["init_scale"] = float(np.median(scales))
    return found


def _scale(kernel: Any) -> float:
    """Return a kernel's standard deviation over Glorot's for its shape."""
    *window, into, out = kernel.shape
    fans = float(np.prod(window)) * (into + out)
    return float(np.std(keras.ops.convert_to_numpy(kernel.value)) / np.sqrt(2.0 / fans))


class Changes(keras.callbacks.Callback):  # type: ignore[misc]  # Keras has no type hints
    """Applies a trial's changes when its first fit begins.

    Args:
        changes: name to value, see `CHANGES`.
        seed: for weights that are redrawn.

    Raises:
        InputError: when the fit begins, if a change is unknown or does not apply to the GAN.
    """

    async_safe = True

    def __init__(self, changes: Mapping[str, Any], seed: int) -> None:
        super().__init__()
        self.changes = dict(changes)
        self.seed = seed
        self._applied = False

    def on_train_begin(self, logs: Mapping[str, Any] | None = None) -> None:
        if self._applied or not self.changes:
            return
        self._applied = True
        networks, optimizers = find_networks(self.model), optimizers_by_side(self.model)
        for name, value in self.changes.items():
            if name in ("d_rate", "g_rate"):
                _set_rate(optimizers.get(name[0]), name, float(value))
            elif name == "rates_factor":
                for side, one in optimizers.items():
                    _set_rate(one, f"{side}_rate", float(one.learning_rate) * float(value))
            elif name == "d_dropout":
                _set_dropout(networks, float(value))
            elif name == "beta_1":
                _set_beta(optimizers.values(), float(value))
            elif name == "init":
                _redraw(networks, str(value), self.seed)
            else:
                raise InputError(f"changes must be among {CHANGES}. Received: {name!r}.")


def _set_rate(optimizer: Any, name: str, rate: float) -> None:
    if optimizer is None:
        raise InputError(f"cannot change {name}: the model has no such optimizer.")
    optimizer.learning_rate = rate


def _set_beta(optimizers: Iterable[Any], value: float) -> None:
    adams = [one for one in optimizers if isinstance(one, keras.optimizers.Adam)]
    if not adams:
        raise InputError("cannot change beta_1: no optimizer is Adam.")
    for one in adams:
        one.beta_1 = value  # read while the step is traced, which is later


def _set_dropout(networks: Networks, rate: float) -> None:
    layers: Sequence[Any] = dropouts(networks.discriminator)
    if not layers:
        raise InputError("cannot change d_dropout: the discriminator has no dropout layer.")
    for layer in layers:
        layer.rate = rate


def _redraw(networks: Networks, name: str, seed: int) -> None:
    place = 0
    for network in (networks.generator, networks.discriminator):
        for kernel in kernels(network):
            place += 1
            config = {"class_name": name, "config": {"seed": seed + place}}
            initializer = keras.initializers.get(config)
            kernel.assign(initializer(kernel.shape, dtype=kernel.dtype))
