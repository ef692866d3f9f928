"""The batches of a ``fit``, hashed where Keras hands them over in Python: on JAX and PyTorch."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import keras

from keras_collapse.reproducibility.fingerprints import batch_digest
from keras_collapse.training.hooks.method_patch import StandIn

BACKENDS = ("jax", "torch")
"""Where Keras hands batches over in Python."""


class BatchesSeen:
    """Hashes each batch that a model's training step is given.

    On TensorFlow batches are drawn inside the compiled step: there nothing is seen.

    Args:
        model: in a fit that has begun.
        keep: called with each execution's last batch, counted from 0 since the epoch began, and
            the hash of its batches.
        show: called with each batch.
        guard: runs our part of a step so that its fault never reaches the training.
    """

    def __init__(
        self,
        model: Any,
        keep: Callable[[int, str], None],
        show: Callable[[Any], None],
        guard: Callable[..., None],
    ) -> None:
        self._keep, self._show, self._guard = keep, show, guard
        self._count = 0
        self._on = True
        make = {"jax": self._of_iterator, "torch": self._of_batches}.get(keras.backend.backend())
        self._ours = StandIn(model, "train_function", make) if make else None

    def begin_epoch(self) -> None:
        self._count = 0

    def stop(self) -> None:
        """Leave the model as it was."""
        self._on = False
        if self._ours is not None:
            self._ours.remove()

    def _of_batches(self, original: Callable[..., Any]) -> Callable[..., Any]:
        def train_function(batches: Any) -> Any:
            self._guard(self._take, batches)
            return original(batches)

        return train_function

    def _of_iterator(self, original: Callable[..., Any]) -> Callable[..., Any]:
        def train_function(state: Any, batches: Iterator[Any]) -> Any:
            taken: list[Any] = []
            result = original(state, _heard(batches, taken.append) if self._on else batches)
            self._guard(self._take, taken)
            return result

        return train_function

    def _take(self, batches: list[Any]) -> None:
        if self._on and batches:
            self._count += len(batches)
            for batch in batches:
                self._show(batch)
            digest = batch_digest(batches)
            if digest is not None:
                self._keep(self._count - 1, digest)


def _heard(batches: Iterator[Any], hear: Callable[[Any], None]) -> Iterator[Any]:
    for batch in batches:
        hear(batch)
        yield batch
