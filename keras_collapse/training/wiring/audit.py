"""The audit: take one real training step, undo it, and check what it changed."""

from __future__ import annotations

import contextlib
import functools
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

import keras
import numpy as np

from keras_collapse.core.errors import InputError
from keras_collapse.core.findings import Finding, Severity
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

_VALUE = re.compile(r", value=[^>]*(?=>)")
# The values of a variable, which Keras' messages may hold.
AUDIT_BATCH = 32
"""Samples in a batch that is cut from a whole data set."""


def audit(gan: Any, batch: Any) -> list[Finding]:
    """Find wiring faults of a GAN by taking one real training step and undoing it.

    The step is the model's own ``train_step``, run by ``fit`` without compiling. Afterwards
    weights, optimizers, metrics and random generators are as before, bit by bit.

    Args:
        gan: a compiled Keras model with a ``train_step`` and a generator and a discriminator.
        batch: what ``fit`` would pass to one step: ``x``, ``(x, y)`` or ``(x, y, sample_weight)``,
            where each is an array or a structure of arrays.

    Returns:
        The faults found, most severe first; empty if there are none.

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
    if isinstance(batch, tuple) and not 1 <= len(batch) <= 3:
        raise InputError(
            f"batch must be x, (x, y) or (x, y, sample_weight). Received: {len(batch)} parts."
        )
    try:
        seen = _take_step(gan, batch, networks.generator, networks.discriminator)
    except InputError as error:
        shared = _shared_optimizer(gan)
        if not shared:
            raise
        # Keras builds an optimizer for the network it is first used with, and refuses the other.
        finding = fault("shared_optimizer", 0, {"attributes": shared, "error": str(error)})
        return [replace(finding, severity=Severity.FAILED)]
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
    """The first batch of what ``fit`` is given: of arrays the first samples, else the first item.

    Args:
        data: an array or tensor, a tuple, list or dictionary of them, or an iterable of batches.

    Raises:
        InputError: it is none of these, or empty.
    """
    parts = keras.tree.flatten(data)
    if parts and all(getattr(part, "shape", ()) or part is None for part in parts):
        return keras.tree.map_structure(lambda p: None if p is None else p[:AUDIT_BATCH], data)
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
            reason = _VALUE.sub("", " ".join(str(error).split()))[:300]
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


def _shared_optimizer(gan: Any) -> list[str]:
    """Names of the model's attributes that hold one and the same optimizer; empty if none do."""
    names: dict[int, list[str]] = {}
    for name, value in vars(gan).items():
        if isinstance(value, keras.optimizers.Optimizer):
            names.setdefault(id(value), []).append(name)
    return next((found for found in names.values() if len(found) > 1), [])


def _controlled_step(gan: Any, batch: Any, seen: StepSeen) -> Mapping[str, float]:
    """The log of the same step with the same random draws, which is undone afterwards."""
    optimizers = list(optimizers_of(gan).values())
    with preserve_state(_all_variables(gan, seen.generator, seen.discriminator, optimizers)):
        return _fit_once(gan, batch)


def _fit_once(gan: Any, batch: Any) -> Mapping[str, float]:
    x, y, weight = (*batch, None, None)[:3] if isinstance(batch, tuple) else (batch, None, None)
    settings = {"batch_size": _length(x), "epochs": 1, "shuffle": False, "verbose": 0}
    with _eagerly(gan), _with_tensors(gan):
        history = gan.fit(x, y, sample_weight=weight, **settings)
    return {name: values[-1] for name, values in history.history.items()}


def _all_variables(gan: Any, *others: Any) -> list[Any]:
    *networks, optimizers = others
    found = {id(v): v for owner in (gan, *networks, *optimizers) for v in owner.variables}
    found |= {id(v): v for v in gan.metrics_variables}
    return list(found.values())


def _length(x: Any) -> int:
    """The number of samples in a batch: the length of its first array."""
    return int(keras.tree.flatten(x)[0].shape[0])


def norm(gradients: Sequence[Any]) -> float:
    """The Euclidean norm of all gradients together."""
    squares = [
        float(np.square(np.asarray(keras.ops.convert_to_numpy(g), "float64")).sum())
        for g in gradients
    ]
    return float(np.sqrt(sum(squares)))


@contextlib.contextmanager
def _eagerly(gan: Any) -> Iterator[None]:
    """Run steps one by one and uncompiled inside of the block, and as before after it."""
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
    """Pass JAX arrays to ``train_step``, as when it is compiled; run eagerly, Keras does not."""
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
    """Record what G draws, what D is shown, and the inputs of losses."""

    def see_loss(original: Callable[..., Any]) -> Callable[..., Any]:
        def loss(self: Any, y_true: Any, y_pred: Any, *args: Any, **kwargs: Any) -> Any:
            _note(y_pred, lambda values: seen.losses.append((self, values)))
            return original(self, y_true, y_pred, *args, **kwargs)

        return loss

    def see_drawn(_: Any, outputs: Any) -> None:
        _note(outputs, seen.drawn.append)

    def see_shown(inputs: Any, _: Any) -> None:
        place = len(seen.shown)
        seen.shown.append(None)
        sample = sample_among(inputs, seen.generator)
        _note(sample, functools.partial(seen.shown.__setitem__, place))

    with (
        spy(seen.generator, "call", see_drawn),
        spy(seen.discriminator, "call", see_shown),
        MethodPatch(keras.losses.Loss, "__call__", see_loss),
    ):
        yield


def _note(tensor: Any, keep: Callable[[np.ndarray], None]) -> None:
    """Keep a tensor's value; within JAX's gradients only a callback has it."""
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
