"""Preserving what a training step may change in a model besides its Keras variables."""

from __future__ import annotations

import contextlib
import copy
import functools
from collections.abc import Callable, Iterator
from typing import Any

import keras

_PLAIN = (int, float, complex, str, bytes, tuple, type(None))
_CONTAINERS = (list, dict, set)


@contextlib.contextmanager
def preserve_attributes(owner: Any) -> Iterator[None]:
    """Restore a model's own counters and containers, and state of the backend that it holds.

    Attributes that begin with an underscore are Keras' own. Containers are restored one level deep.

    Args:
        owner: the model.
    """
    before = {name: _copied(value) for name, value in _public(owner).items()}
    undo = [restore for value in _reached(owner) for restore in _restorers(value)]
    try:
        yield
    finally:
        for restore in undo:
            restore()
        for name, value in _public(owner).items():
            if name in before:
                _put_back(owner, name, value, before[name])
            elif isinstance(value, _PLAIN):
                delattr(owner, name)


def _public(owner: Any) -> dict[str, Any]:
    return {name: value for name, value in vars(owner).items() if not name.startswith("_")}


def _copied(value: Any) -> Any:
    return copy.copy(value) if isinstance(value, _CONTAINERS) else value


def _put_back(owner: Any, name: str, now: Any, before: Any) -> None:
    if isinstance(now, _CONTAINERS):
        if isinstance(before, type(now)) and not _same_items(now, before):
            now.clear()
            (now.extend if isinstance(now, list) else now.update)(before)
    elif isinstance(now, _PLAIN) and isinstance(before, _PLAIN) and now is not before:
        setattr(owner, name, before)


def _same_items(now: Any, before: Any) -> bool:
    """Whether two containers hold the very same objects; tensors cannot be compared by value."""
    if isinstance(now, set):
        return bool(now == before)
    if isinstance(now, dict):
        return now.keys() == before.keys() and all(now[key] is before[key] for key in now)
    return len(now) == len(before) and all(a is b for a, b in zip(now, before, strict=True))


def _reached(owner: Any) -> Iterator[Any]:
    """The values of the model's attributes, of containers among them, and of plain objects."""
    for value in _public(owner).values():
        yield value
        if isinstance(value, dict):
            yield from value.values()
        elif isinstance(value, list | tuple | set):
            yield from value
        elif not isinstance(value, keras.layers.Layer | type) and hasattr(value, "__dict__"):
            yield from list(vars(value).values())


def _restorers(value: Any) -> Iterator[Callable[[], Any]]:
    """Functions that restore a variable, generator or optimizer of the backend as it is now."""
    backend = keras.backend.backend()
    if backend == "tensorflow":
        import tensorflow as tf

        if isinstance(value, tf.random.Generator):
            value = value.state
        if isinstance(value, tf.Variable):
            kept = value.numpy()
            yield lambda: value.assign(kept)
    elif backend == "torch":
        import torch

        if isinstance(value, torch.Generator):
            kept = value.get_state()
            yield lambda: value.set_state(kept)
        elif isinstance(value, torch.optim.Optimizer):
            kept = copy.deepcopy(value.state_dict())
            yield lambda: value.load_state_dict(kept)
        elif isinstance(value, torch.nn.Module):
            for parameter in value.parameters():
                gradient = None if parameter.grad is None else parameter.grad.clone()
                yield functools.partial(setattr, parameter, "grad", gradient)
