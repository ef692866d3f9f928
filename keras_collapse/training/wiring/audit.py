"""The audit: one real training step is taken and put back, and what it changed is judged."""

from __future__ import annotations

import contextlib
import functools
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import keras
import numpy as np

from keras_collapse.core.errors import InputError
from keras_collapse.core.findings import Finding
from keras_collapse.training.hooks.method_patch import MethodPatch, sample_among, spy
from keras_collapse.training.hooks.optimizer_calls import D, G, UpdatesSeen
from keras_collapse.training.networks.discovery import find_networks, optimizers_of
from keras_collapse.training.networks.preserve_state import preserve_state
from keras_collapse.training.wiring.fit_wiring import (
    fault,
    judge_updates,
    moved,
    values_of,
    weights_of,
)
from keras_collapse.training.wiring.objectives import ask, judge
from keras_collapse.training.wiring.step_checks import CHECKS, StepSeen, drawn_rows

AUDIT_BATCH = 32
"""Samples of a batch that is cut from a whole data set."""


def audit(gan: Any, batch: Any) -> list[Finding]:
    """Say whether a GAN is wired as its author believes, from one real step on one batch.

    The step is the model's own ``train_step``, run by ``fit`` without compiling. Afterwards
    weights, optimizers, metrics and random generators are as they were, to the bit.

    Args:
        gan: a compiled Keras model with a ``train_step`` and a generator and a discriminator.
        batch: what ``fit`` would hand to one step: an array, or a tuple of arrays.

    Returns:
        The faults found, worst first; empty where none was.

    Raises:
        InputError: the model is not compiled or has no recognisable G and D, or the step fails
            on this batch.

    Example::

        kc.audit(gan, images[:32])
    """
    networks = find_networks(gan)
    for name in (G, D):
        if getattr(networks, name) is None:
            raise InputError(
                f"no {name} was found on the model. Received: {type(gan).__name__} with "
                f"{', '.join(sorted(k for k in vars(gan) if not k.startswith('_'))) or 'nothing'}. "
                f"Keep it as an attribute: self.{name} = ..."
            )
    if not getattr(gan, "compiled", False):
        raise InputError("the model is not compiled. Call gan.compile(...) before the audit.")
    seen = _take_step(gan, batch, networks.generator, networks.discriminator)
    found = judge_updates(seen.updates)
    kinds = {finding.kind for finding in found}
    for name, paths in seen.moved.items():
        if not paths and f"{name}_frozen" not in kinds:
            found.append(fault(f"{name}_frozen", 0, {"weights": "bit-identical after the step"}))
    for check in CHECKS:
        found += check(seen)
    fake = [None if x is None else drawn_rows(x, seen.drawn) for x in seen.shown]
    found += judge(ask(lambda: _controlled_step(gan, batch, seen), seen.discriminator, fake))
    return sorted(found, key=lambda finding: -finding.severity.rank)


def one_batch(data: Any) -> Any:
    """The first batch of what a person gives ``fit``: arrays, or anything to iterate over."""
    if isinstance(data, np.ndarray):
        return data[:AUDIT_BATCH]
    if isinstance(data, tuple):
        return tuple(one_batch(part) for part in data)
    try:
        return next(iter(data))
    except (TypeError, StopIteration):
        raise InputError(
            f"build must return a model and its data, as arrays or as an iterable of batches. "
            f"Received: {type(data).__name__} for the data."
        ) from None


def _take_step(gan: Any, batch: Any, generator: Any, discriminator: Any) -> StepSeen:
    seen = StepSeen(generator, discriminator)
    optimizers = list(optimizers_of(gan).values())
    updates = UpdatesSeen(optimizers, generator, discriminator, measure=norm)
    known = _all_variables(gan, generator, discriminator, optimizers)
    before = {
        name: (weights, values_of(weights), states, values_of(states))
        for name, network in ((G, generator), (D, discriminator))
        for weights in [weights_of(network)]
        for states in [[v for v in network.variables if id(v) not in set(map(id, weights))]]
    }
    with preserve_state(known), _listening(seen):
        updates.start()
        try:
            _fit_once(gan, batch)
        except Exception as error:
            reason = " ".join(str(error).split())[:300]
            raise InputError(
                f"the training step fails on this batch ({type(error).__name__}: {reason}). "
                "Give the audit what fit would hand to one step."
            ) from None
        finally:
            updates.stop()
            _settle()
        for name, (weights, values, states, old) in before.items():
            seen.moved[name] = moved(weights, values)
            seen.states_moved[name] = moved(states, old)
    seen.updates = updates.updates
    older = {id(variable) for variable in known}
    for variable in _all_variables(gan, generator, discriminator, optimizers):
        if id(variable) not in older and variable.name != "learning_rate":
            variable.assign(np.zeros(variable.shape, variable.dtype))  # made by this step
    return seen


def _controlled_step(gan: Any, batch: Any, seen: StepSeen) -> Mapping[str, float]:
    """The step once more, with the same random draws, and put back: its log."""
    optimizers = list(optimizers_of(gan).values())
    with preserve_state(_all_variables(gan, seen.generator, seen.discriminator, optimizers)):
        return _fit_once(gan, batch)


def _fit_once(gan: Any, batch: Any) -> Mapping[str, float]:
    x, y = batch if isinstance(batch, tuple) and len(batch) == 2 else (batch, None)
    with _eagerly(gan), _with_tensors(gan):
        history = gan.fit(x, y, batch_size=_length(x), epochs=1, shuffle=False, verbose=0)
    return {name: values[-1] for name, values in history.history.items()}


def _all_variables(gan: Any, *others: Any) -> list[Any]:
    *networks, optimizers = others
    found = {id(v): v for owner in (gan, *networks, *optimizers) for v in owner.variables}
    found |= {id(v): v for v in gan.metrics_variables}
    return list(found.values())


def _length(x: Any) -> int | None:
    return len(x) if hasattr(x, "__len__") else int(x.shape[0])


def norm(gradients: Sequence[Any]) -> float:
    """The Euclidean norm of all gradients together."""
    squares = [
        float(np.square(np.asarray(keras.ops.convert_to_numpy(g), "float64")).sum())
        for g in gradients
    ]
    return float(np.sqrt(sum(squares)))


@contextlib.contextmanager
def _eagerly(gan: Any) -> Iterator[None]:
    """Run steps one by one, not compiled, and leave no trace of that."""
    names = ("train_function", "history", "stop_training", "steps_per_execution")
    kept = {name: getattr(gan, name) for name in names if hasattr(gan, name)}
    eager = gan.run_eagerly
    gan.train_function, gan.run_eagerly, gan.steps_per_execution = None, True, 1
    try:
        yield
    finally:
        gan.run_eagerly = eager
        for name, value in kept.items():
            setattr(gan, name, value)


@contextlib.contextmanager
def _with_tensors(gan: Any) -> Iterator[None]:
    """Hand JAX's ``train_step`` arrays of JAX, as when it is compiled; eagerly Keras does not."""
    if keras.backend.backend() != "jax":
        yield
        return

    def make(original: Callable[..., Any]) -> Callable[..., Any]:
        def train_step(state: Any, data: Any) -> Any:
            return original(state, keras.tree.map_structure(keras.ops.convert_to_tensor, data))

        return train_step

    with MethodPatch(gan, "train_step", make):
        yield


@contextlib.contextmanager
def _listening(seen: StepSeen) -> Iterator[None]:
    """Note what G draws, what D is shown, and what losses are asked."""

    def hear_loss(original: Callable[..., Any]) -> Callable[..., Any]:
        def loss(self: Any, y_true: Any, y_pred: Any, *args: Any, **kwargs: Any) -> Any:
            _note(y_pred, lambda values: seen.losses.append((self, values)))
            return original(self, y_true, y_pred, *args, **kwargs)

        return loss

    def hear_drawn(_: Any, outputs: Any) -> None:
        _note(outputs, seen.drawn.append)

    def hear_shown(inputs: Any, _: Any) -> None:
        place = len(seen.shown)
        seen.shown.append(None)
        sample = sample_among(inputs, seen.generator)
        _note(sample, functools.partial(seen.shown.__setitem__, place))

    with (
        spy(seen.generator, "call", hear_drawn),
        spy(seen.discriminator, "call", hear_shown),
        MethodPatch(keras.losses.Loss, "__call__", hear_loss),
    ):
        yield


def _note(tensor: Any, keep: Callable[[np.ndarray], None]) -> None:
    """Keep a tensor's value; under JAX a gradient's trace has it only by way of a callback."""
    if tensor is None or isinstance(tensor, list | tuple | dict):
        return
    if keras.backend.backend() == "jax":
        import jax

        jax.debug.callback(lambda value: keep(np.array(value)), tensor)
    elif keras.backend.backend() == "torch":
        keep(np.array(keras.ops.convert_to_numpy(tensor.detach())))
    else:
        keep(np.array(keras.ops.convert_to_numpy(tensor)))


def _settle() -> None:
    """Wait until all callbacks of JAX have run."""
    if keras.backend.backend() == "jax":
        import jax

        jax.effects_barrier()
