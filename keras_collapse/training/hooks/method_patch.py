"""Patched methods: their arguments and results are observed, and nothing is changed."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Self

import keras


class MethodPatch:
    """Replaces one object's method, and restores it whatever others have patched meanwhile.

    It is restored by `remove`, or at the end of a ``with`` block.

    Args:
        owner: the object.
        name: the name of its method.
        make: takes the original and returns the replacement.
    """

    def __init__(
        self, owner: Any, name: str, make: Callable[[Callable[..., Any]], Callable[..., Any]]
    ) -> None:
        self._owner, self._name = owner, name
        self._before = vars(owner).get(name)
        self._ours = make(getattr(owner, name))
        setattr(owner, name, self._ours)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.remove()

    def remove(self) -> None:
        """Restore the original. If another patch was applied since, ours stays, without effect."""
        if vars(self._owner).get(self._name) is not self._ours:
            return
        if self._before is None:
            delattr(self._owner, self._name)
        else:
            setattr(self._owner, self._name, self._before)


def spy(owner: Any, name: str, see: Callable[[Any, Any], None]) -> MethodPatch:
    """Observe the first argument and the result of each call of a method, traced calls too.

    Args:
        owner: the object.
        name: the name of its method.
        see: called with both; it must not raise.
    """
    if keras.backend.backend() == "tensorflow":
        import tensorflow as tf

        see = tf.autograph.experimental.do_not_convert(see)

    def make(original: Callable[..., Any]) -> Callable[..., Any]:
        def call(inputs: Any, *args: Any, **kwargs: Any) -> Any:
            outputs = original(inputs, *args, **kwargs)
            see(inputs, outputs)
            return outputs

        return call

    return MethodPatch(owner, name, make)


def is_traced(tensor: Any) -> bool:
    """Whether a tensor is symbolic: part of a step that is being compiled, without a value."""
    if isinstance(tensor, keras.KerasTensor):
        return True
    backend = keras.backend.backend()
    if backend == "jax":
        import jax

        return isinstance(tensor, jax.core.Tracer)
    if backend == "tensorflow":
        import tensorflow as tf

        return bool(tf.is_symbolic_tensor(tensor))
    return str(getattr(tensor, "device", "")) == "meta"  # PyTorch's, where Keras builds a model


def sample_among(inputs: Any, generator: Any) -> Any:
    """The sample among D's inputs, which hold labels too if D is conditional; None if unknown.

    Args:
        inputs: a tensor, or several in a list, tuple or dictionary.
        generator: its output has a sample's shape.
    """
    if not isinstance(inputs, list | tuple | dict):
        return inputs
    parts = inputs.values() if isinstance(inputs, dict) else inputs
    shape = tuple(getattr(generator, "output_shape", ()))[1:]
    return next((part for part in parts if tuple(part.shape)[1:] == shape), None)
