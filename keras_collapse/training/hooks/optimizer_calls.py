"""The optimizer calls of a training step, observed by patching ``apply``."""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import keras

from keras_collapse.training.hooks.method_patch import MethodPatch
from keras_collapse.training.networks.keras_internals import optimizer_targets

G, D = "generator", "discriminator"
MOST_UPDATES = 200
"""Optimizer calls that are kept: far more than the observed steps hold."""


@dataclass(frozen=True, slots=True)
class Update:
    """One call of an optimizer's ``apply``.

    Args:
        optimizer: the index of the optimizer.
        networks: the networks (`G`, `D`) whose weights it was given gradients for.
        measured: what was measured of the gradients in each network, such as their norm.
    """

    optimizer: int
    networks: frozenset[str]
    measured: Mapping[str, Any]


class UpdatesSeen:
    """Records which networks each optimizer gets gradients for, between `start` and `stop`.

    It patches ``apply`` on each optimizer. In a compiled step, ``apply`` runs only while the step
    is traced: what is recorded then holds for the compiled step, at no cost to any step.

    Args:
        optimizers: the optimizers to observe.
        generator, discriminator: the networks.
        measure: what to record of a network's gradients in each call; None for nothing.

    Attributes:
        updates: the calls so far, in order.
    """

    def __init__(
        self,
        optimizers: Sequence[Any],
        generator: Any,
        discriminator: Any,
        measure: Callable[[Sequence[Any]], Any] = lambda _: None,
    ) -> None:
        self.updates: list[Update] = []
        self._optimizers = optimizers
        self._owner = {id(v): D for v in discriminator.variables}
        self._owner |= {id(v): G for v in generator.variables}
        self._measure = measure
        self._patches: list[MethodPatch] = []

    @property
    def watching(self) -> bool:
        """Whether the optimizers are patched now."""
        return bool(self._patches)

    def start(self) -> None:
        """Patch every optimizer."""
        for place, optimizer in enumerate(self._optimizers):
            make = functools.partial(self._patched, place, optimizer)
            self._patches.append(MethodPatch(optimizer, "apply", make))

    def stop(self) -> None:
        """Restore every optimizer; stopping twice has no effect."""
        while self._patches:
            self._patches.pop().remove()

    def _patched(
        self, place: int, optimizer: Any, original: Callable[..., Any]
    ) -> Callable[..., Any]:
        def apply(grads: Any, trainable_variables: Any = None) -> Any:
            grads = list(grads)
            variables = trainable_variables
            if variables is None:
                variables = optimizer_targets(optimizer)
            else:
                variables = trainable_variables = list(variables)
            if self.watching and len(self.updates) < MOST_UPDATES:
                self._note(place, grads, variables)
            return original(grads, trainable_variables)

        if keras.backend.backend() == "tensorflow":
            import tensorflow as tf

            unconverted: Callable[..., Any] = tf.autograph.experimental.do_not_convert(apply)
            return unconverted
        return apply

    def _note(self, place: int, grads: Sequence[Any], variables: Sequence[Any]) -> None:
        by_network: dict[str, list[Any]] = {}
        for gradient, variable in zip(grads, variables, strict=False):
            owner = self._owner.get(id(variable))
            if gradient is not None and owner is not None:
                by_network.setdefault(owner, []).append(gradient)
        taken = {network: self._measure(found) for network, found in by_network.items()}
        measured = {network: one for network, one in taken.items() if one is not None}
        if by_network:
            self.updates.append(Update(place, frozenset(by_network), measured))
