"""Undoing a training step that was taken to observe it."""

from __future__ import annotations

import contextlib
import functools
import itertools
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import keras
import numpy as np

from keras_collapse.training.hooks.method_patch import MethodPatch
from keras_collapse.training.networks.keras_internals import sublayers
from keras_collapse.training.networks.preserve_state import preserve_state
from keras_collapse.training.wiring.fit_wiring import values_of, weights_of

SEED = 20190528
_DRAWING = ("normal", "uniform", "truncated_normal")
"""Functions of ``tf.random`` whose eager kernels go on where they were, whatever the seed."""


@contextlib.contextmanager
def undone(
    gan: Any, networks: Sequence[Any], optimizers: Sequence[Any], pure: bool
) -> Iterator[None]:
    """Undo everything that a step of a model changes within the block.

    Args:
        gan: the model.
        networks: its G and D.
        optimizers: those that the step may use, also for the first time.
        pure: whether the step changes no variable; their values may be out of reach then.
    """

    def variables() -> list[Any]:
        if pure:
            return []
        found = {id(v): v for owner in (gan, *networks, *optimizers) for v in owner.variables}
        return list((found | {id(v): v for v in gan.metrics_variables}).values())

    with contextlib.ExitStack() as stack:
        stack.enter_context(same_draws())
        made: list[tuple[Any, np.ndarray]] = []
        for optimizer in optimizers:
            make = functools.partial(_built_first, optimizer, made)
            stack.enter_context(MethodPatch(optimizer, "apply", make))
        known = variables()
        layers = [one for part in gan.layers for one in sublayers(part)]
        owners = {id(one): one for one in (gan, *networks, *layers)}
        try:
            with preserve_state(known, *owners.values()), _gradients_kept(networks):
                yield
        finally:
            older = {id(variable) for variable in known}
            for variable, value in made:
                variable.assign(value)
                older.add(id(variable))
            for variable in variables():
                if id(variable) not in older and variable.name != "learning_rate":
                    variable.assign(np.zeros(variable.shape, variable.dtype))  # of a new metric


@contextlib.contextmanager
def _gradients_kept(networks: Sequence[Any]) -> Iterator[None]:
    """Restore what PyTorch keeps with the weights: the gradients of the last step."""
    if keras.backend.backend() != "torch":
        yield
        return
    tensors = [v.value for network in networks for v in weights_of(network)]
    kept = [None if one.grad is None else one.grad.clone() for one in tensors]
    try:
        yield
    finally:
        for tensor, gradient in zip(tensors, kept, strict=True):
            tensor.grad = gradient


@contextlib.contextmanager
def same_draws() -> Iterator[None]:
    """Make ``tf.random`` draw the same numbers in every block; nothing on other backends."""
    with contextlib.ExitStack() as stack:
        for name in _DRAWING if keras.backend.backend() == "tensorflow" else ():
            stack.enter_context(_repeatable(name))
        yield


def _repeatable(name: str) -> MethodPatch:
    import tensorflow as tf

    stateless = getattr(tf.random, f"stateless_{name}")
    count = itertools.count()

    def make(_: Callable[..., Any]) -> Callable[..., Any]:
        def draw(shape: Any, *args: Any, seed: Any = None, **kwargs: Any) -> Any:  # noqa: ARG001
            return stateless(shape, (SEED, next(count)), *args, **kwargs)

        return draw

    return MethodPatch(tf.random, name, make)


def _built_first(
    optimizer: Any, made: list[tuple[Any, np.ndarray]], original: Callable[..., Any]
) -> Callable[..., Any]:
    """Note the values that an optimizer's variables have when its first call builds it."""

    def apply(grads: Any, trainable_variables: Any = None) -> Any:
        if not optimizer.built and trainable_variables is not None:
            trainable_variables = list(trainable_variables)
            with keras.name_scope(optimizer.name, caller=optimizer):
                optimizer.build(trainable_variables)
            optimizer.built = True
            made.extend(zip(optimizer.variables, values_of(optimizer.variables), strict=True))
        return original(grads, trainable_variables)

    return apply
