"""The audit: take one real training step, undo it, and check what it changed."""

from __future__ import annotations

import contextlib
import functools
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from typing import Any

import keras

from keras_collapse.core.errors import InputError
from keras_collapse.core.findings import Finding, Severity
from keras_collapse.training.hooks.method_patch import MethodPatch
from keras_collapse.training.hooks.optimizer_calls import D, G
from keras_collapse.training.networks.discovery import find_networks, optimizers_of
from keras_collapse.training.wiring.first_step import arrays_of_batch, judge_step
from keras_collapse.training.wiring.fit_wiring import fault, frozen, judge_updates, rate_of
from keras_collapse.training.wiring.observed_step import Changed, step_of_model
from keras_collapse.training.wiring.step_checks import check_gradients

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
    take = functools.partial(_fit_once, gan, batch)
    taken = step_of_model(gan, networks.generator, networks.discriminator, take)
    try:
        seen = taken.observe(arrays_of_batch(batch))
    except Exception as error:
        shared, reason = _shared_optimizer(gan), _VALUE.sub("", " ".join(str(error).split()))[:300]
        if not shared:
            raise InputError(
                f"the training step fails on this batch ({type(error).__name__}: {reason}). "
                "Give the audit what fit would hand to one step."
            ) from None
        # Keras builds an optimizer for the network it is first used with, and refuses the other.
        finding = fault("shared_optimizer", 0, {"attributes": shared, "error": reason})
        return [replace(finding, severity=Severity.FAILED)]
    found = judge_updates(seen.updates)
    kinds = {finding.kind for finding in found}
    for name, paths in seen.moved.items():
        if not paths and f"{name}_frozen" not in kinds:
            evidence = {"weights": "bit-identical after the step"}
            rate = rate_of(name, seen.updates, list(optimizers_of(gan).values()))
            found.append(frozen(name, 0, evidence, rate))
    found += [*check_gradients(seen), *judge_step(seen, taken)]
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


def _shared_optimizer(gan: Any) -> list[str]:
    """Names of the model's attributes that hold one and the same optimizer; empty if none do."""
    names: dict[int, list[str]] = {}
    for name, value in vars(gan).items():
        if isinstance(value, keras.optimizers.Optimizer):
            names.setdefault(id(value), []).append(name)
    return next((found for found in names.values() if len(found) > 1), [])


def _fit_once(gan: Any, batch: Any, changed: Changed, numbers: Any) -> Mapping[str, float]:
    x, y, weight = (*batch, None, None)[:3] if isinstance(batch, tuple) else (batch, None, None)
    settings = {"batch_size": _length(x), "epochs": 1, "shuffle": False, "verbose": 0}
    with _eagerly(gan), _with_tensors(gan), changed(numbers):
        history = gan.fit(x, y, sample_weight=weight, **settings)
    return {name: values[-1] for name, values in history.history.items()}


def _length(x: Any) -> int:
    """The number of samples in a batch: the length of its first array."""
    return int(keras.tree.flatten(x)[0].shape[0])


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
