"""Standing in for a method: what it is handed and returns is seen, and nothing changed."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Self

import keras


class StandIn:
    """Replaces one object's method, and puts it back whatever others have done meanwhile.

    Put back by `remove`, or at the end of a ``with`` block.

    Args:
        owner: the object.
        name: of its method.
        make: gives the replacement for the original.
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
        """Put the original back; where another stands before us, ours stays, and must be inert."""
        if vars(self._owner).get(self._name) is not self._ours:
            return
        if self._before is None:
            delattr(self._owner, self._name)
        else:
            setattr(self._owner, self._name, self._before)


def hearing(owner: Any, name: str, hear: Callable[[Any, Any], None]) -> StandIn:
    """Hear the first argument and the result of each call of a method, traced ones too.

    Args:
        owner: the object.
        name: of its method.
        hear: called with both; it must raise nothing.
    """
    if keras.backend.backend() == "tensorflow":
        import tensorflow as tf

        hear = tf.autograph.experimental.do_not_convert(hear)

    def make(original: Callable[..., Any]) -> Callable[..., Any]:
        def call(inputs: Any, *args: Any, **kwargs: Any) -> Any:
            outputs = original(inputs, *args, **kwargs)
            hear(inputs, outputs)
            return outputs

        return call

    return StandIn(owner, name, make)


def is_traced(tensor: Any) -> bool:
    """Whether a tensor stands for a value in a step that is being compiled, and has none itself."""
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
    """What of D's inputs is the sample: a conditional D is given labels beside it; None if unknown.

    Args:
        inputs: a tensor, or several in a list, tuple or dictionary.
        generator: whose output has a sample's shape.
    """
    if not isinstance(inputs, list | tuple | dict):
        return inputs
    parts = inputs.values() if isinstance(inputs, dict) else inputs
    shape = tuple(getattr(generator, "output_shape", ()))[1:]
    return next((part for part in parts if tuple(part.shape)[1:] == shape), None)
