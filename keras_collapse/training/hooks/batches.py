"""The batches of a ``fit``, seen where Keras hands them over in Python: on JAX and PyTorch."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any

import keras

from keras_collapse.training.hooks.method_patch import MethodPatch

BACKENDS = ("jax", "torch")
"""The backends where Keras hands batches over in Python. On TensorFlow they are drawn inside of the
compiled step, and nothing is seen."""


class BatchesSeen:
    """Passes on the batches that a model's training step is given.

    Args:
        model: in a fit that has begun.
        take: called after each execution of the step with its batches; it must not raise.
    """

    def __init__(self, model: Any, take: Callable[[Sequence[Any]], None]) -> None:
        self._take = take
        self._on = True
        make = {"jax": self._of_iterator, "torch": self._of_batches}.get(keras.backend.backend())
        self._patch = MethodPatch(model, "train_function", make) if make else None

    def stop(self) -> None:
        """Restore the model's own step."""
        self._on = False
        if self._patch is not None:
            self._patch.remove()

    def _of_batches(self, original: Callable[..., Any]) -> Callable[..., Any]:
        def train_function(batches: Any) -> Any:
            if self._on:
                self._take(batches)
            return original(batches)

        return train_function

    def _of_iterator(self, original: Callable[..., Any]) -> Callable[..., Any]:
        def train_function(state: Any, batches: Iterator[Any]) -> Any:
            if not self._on:
                return original(state, batches)
            taken: list[Any] = []
            result = original(state, _copied_to(taken, batches))
            self._take(taken)
            return result

        return train_function


def _copied_to(taken: list[Any], batches: Iterator[Any]) -> Iterator[Any]:
    for batch in batches:
        taken.append(batch)
        yield batch
