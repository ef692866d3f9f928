"""The batches of a ``fit``, seen on their way from the pipeline to the training step."""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from itertools import islice
from typing import Any

import keras

from keras_collapse.core.guard import guarded
from keras_collapse.training.hooks.method_patch import MethodPatch
from keras_collapse.training.on_failure import CollapseError


class BatchesSeen:
    """Passes on the batches that a model's training step is given. None is drawn twice.

    On JAX and PyTorch Keras draws batches in Python. On TensorFlow the compiled step draws them
    itself: here they are drawn for it and handed over in a pipeline of their own, until ``take``
    has seen enough. Batches of several replicas are not seen.

    Args:
        model: in a fit that has begun.
        first: called before an execution of the step, with its first batch and on JAX with the
            values of all variables, else None, until it returns True.
        take: called after each execution of the step with its batches; it returns whether it wants
            more. On JAX and PyTorch it is given all in any case. An error in either costs the
            sight of the batches only.
    """

    def __init__(
        self, model: Any, first: Callable[[Any, Any], bool], take: Callable[[Sequence[Any]], bool]
    ) -> None:
        self._first, self._take = first, take
        self._begun = False
        self._on = True
        count = int(getattr(model, "steps_per_execution", 1) or 1)
        backend, draws = (
            keras.backend.backend(),
            {"tensorflow": _from_pipeline, "jax": _from_iterator},
        )
        self._draw = functools.partial(draws[backend], count) if backend in draws else _from_list
        self._asks = backend == "tensorflow"  # where seeing a batch costs the step time
        self._patch = MethodPatch(model, "train_function", self._watched)

    def stop(self) -> None:
        """Restore the model's own step."""
        self._on = False
        self._patch.remove()

    def _try(self, action: Callable[..., bool], *arguments: Any) -> Any:
        return guarded(
            *("The sight of batches", action, *arguments),
            off=lambda _: self.stop(),
            passing=(CollapseError,),
        )

    def _watched(self, original: Callable[..., Any]) -> Callable[..., Any]:
        def train_function(*given: Any) -> Any:
            *state, batches = given  # JAX passes the values of all variables too
            drawn, handed = self._draw(batches) if self._on else ([], batches)
            if drawn and not self._begun:
                begun = self._try(self._first, drawn[0], state[0] if state else None)
                self._begun = bool(begun)
            result = original(*state, handed)
            wanted = self._on and drawn and self._try(self._take, drawn)
            if drawn and not wanted and self._asks and self._begun:
                self.stop()
            return result

        return train_function


def _from_list(batches: Any) -> tuple[Sequence[Any], Any]:
    return batches, batches


def _from_iterator(count: int, batches: Any) -> tuple[Sequence[Any], Any]:
    drawn = list(islice(batches, count))
    return drawn, iter(drawn)


def _from_pipeline(count: int, batches: Any) -> tuple[Sequence[Any], Any]:
    """Draw from a ``tf.data`` iterator, and hand the batches over in another one of its type.

    With the same element spec the compiled step is not traced again.
    """
    import tensorflow as tf

    known = (tf.TensorSpec, tf.RaggedTensorSpec, tf.SparseTensorSpec, tf.OptionalSpec)
    if not isinstance(batches, tf.data.Iterator) or not all(
        isinstance(part, known) for part in tf.nest.flatten(batches.element_spec)
    ):
        return [], batches
    drawn = list(islice(batches, count))
    if not drawn:  # the epoch has ended, which the step finds out itself
        return [], batches
    handed = [
        tf.data.experimental.from_variant(
            tf.data.experimental.to_variant(tf.data.Dataset.from_tensors(batch)),
            batches.element_spec,
        )
        for batch in drawn
    ]
    return drawn, iter(functools.reduce(tf.data.Dataset.concatenate, handed))
