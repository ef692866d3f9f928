"""What a step's optimizers are handed, seen by standing in for their ``apply``."""

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
"""Optimizer calls to remember: far more than the steps that are watched hold."""


@dataclass(frozen=True, slots=True)
class Update:
    """One call of an optimizer's ``apply``.

    Args:
        optimizer: which one, by its place among those watched.
        networks: the networks (`G`, `D`) among whose weights it was handed gradients.
        norms: the gradient's Euclidean norm in each of them; empty where it was only traced.
    """

    optimizer: int
    networks: frozenset[str]
    norms: Mapping[str, float]


class UpdatesSeen:
    """Notes which networks each optimizer is handed gradients for, while watching is on.

    It stands in for ``apply`` on each optimizer. Where the step is compiled, ``apply`` runs only
    while it is traced: what is seen is then the compiled step itself, at no cost to any step.

    Args:
        optimizers: those to watch.
        generator, discriminator: the networks.
        measure: gives the gradient norm of a list of gradients; without it none are taken.
    """

    def __init__(
        self,
        optimizers: Sequence[Any],
        generator: Any,
        discriminator: Any,
        measure: Callable[[Sequence[Any]], float] | None = None,
    ) -> None:
        self.updates: list[Update] = []
        self._optimizers = optimizers
        self._owner = {id(v): D for v in discriminator.variables}
        self._owner |= {id(v): G for v in generator.variables}
        self._measure = measure
        self._standing: list[MethodPatch] = []

    @property
    def watching(self) -> bool:
        """Whether it stands in just now."""
        return bool(self._standing)

    def start(self) -> None:
        for place, optimizer in enumerate(self._optimizers):
            make = functools.partial(self._standing_in, place, optimizer)
            self._standing.append(MethodPatch(optimizer, "apply", make))

    def stop(self) -> None:
        """Leave every optimizer as it was; stopping twice is once."""
        while self._standing:
            self._standing.pop().remove()

    def _standing_in(
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
        norms = {}
        if self._measure is not None:
            norms = {network: self._measure(found) for network, found in by_network.items()}
        if by_network:
            self.updates.append(Update(place, frozenset(by_network), norms))
