"""The audit's checks in the first step of a ``fit``, on its own first batch."""

from __future__ import annotations

import contextlib
import functools
import itertools
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

import keras
import numpy as np

from keras_collapse.core.advice import BATCH_NORM, LABELS
from keras_collapse.core.findings import Finding, Severity
from keras_collapse.training.hooks.optimizer_calls import D
from keras_collapse.training.networks.discovery import Networks
from keras_collapse.training.networks.keras_internals import sublayers
from keras_collapse.training.wiring.fit_wiring import fault, judge_updates
from keras_collapse.training.wiring.objectives import judge, measure, scale_of
from keras_collapse.training.wiring.observed_step import Changed, ObservedStep, step_of_model
from keras_collapse.training.wiring.replaced_scores import (
    BASES,
    NotMeasured,
    fakes_alone,
    gives_probabilities,
    place_of_score,
)
from keras_collapse.training.wiring.step_checks import STEP_CHECKS, check_label_reaches
from keras_collapse.training.wiring.step_seen import StepSeen, drawn_rows

MOST_ROWS = 32
"""Rows of the first batch that are used: the checks need no more, and batches may be large."""
OPPOSED = -0.5
"""Cosine of two gradients up to which they are opposite; that of D's and of G's loss, in the scores
of fakes alone, is near -1 as long as D has not changed much between the two."""
SMALL = 0.05
"""Share of the largest gradient up to which others are ignored, as those of penalties and of real
samples, of which little is left."""
MOST_SECONDS = 20.0
"""CPU time that the checks may take, whatever else the machine does. The losses' directions need
up to six more steps, on JAX one more compilation; without time for them they are not measured."""


def check_first_step(
    gan: Any, networks: Networks, batch: Any, state: Any = None
) -> tuple[StepSeen | None, list[Finding]]:
    """Take the first step of a fit once more, uncompiled, undo it, and check it as `audit` does.

    Which step updates which network is left to `FitWiring`, which sees all steps of an epoch.

    Args:
        gan: the model, in a fit that has begun.
        networks: the pair, or several of them: then those are checked whose D is shown samples of
            their G, and their findings begin with their names.
        batch: the fit's first batch.
        state: on JAX the values of all variables that the step will be given.

    Returns:
        What was seen, None if the step could not be taken or is one of several pairs, and the
        findings.
    """
    pairs = [(networks.generator, networks.discriminator)] if len(networks.found) == 2 else []
    pairs += [(g, d) for _, g, d in networks.pairs]
    if not pairs or is_distributed(gan):
        return None, []
    if not is_built(gan):  # an uncompiled step would draw its weights
        return None, [not_checked("the training step, since parts of the model are not built")]
    began = time.process_time()
    try:
        if not networks.pairs:
            taken, seen = _observe(gan, *pairs[0], batch, state)
            return seen, judge_step(seen, taken, MOST_SECONDS - (time.process_time() - began))
        found: list[Finding] = []
        for name, g, d in networks.pairs:
            taken, seen = _observe(gan, g, d, batch, state)
            if any(x is not None and drawn_rows(x, seen.drawn).any() for x in seen.shown):
                left = MOST_SECONDS - (time.process_time() - began)
                of_pair = judge_updates(seen.updates) + judge_step(seen, taken, left)
                found += [replace(one, message=f"{name}: {one.message}") for one in of_pair]
        return None, found
    except _Fails as reason:
        return None, [not_checked(f"the training step, which fails uncompiled ({reason})")]


class _Fails(Exception):
    """The training step cannot be taken uncompiled; the message says why."""


def _observe(
    gan: Any, generator: Any, discriminator: Any, batch: Any, state: Any
) -> tuple[ObservedStep, StepSeen]:
    """Take the step once with few rows, or if it needs whole batches with all."""
    why = ""
    for rows in (MOST_ROWS, None):
        part = keras.tree.map_structure(functools.partial(_first_rows, rows), batch)
        take = functools.partial(_take, gan, part) if state is None else _JaxStep(gan, part, state)
        taken = step_of_model(gan, generator, discriminator, take, pure=state is not None)
        try:
            return taken, taken.observe(arrays_of_batch(part))
        except Exception as error:
            why = f"{type(error).__name__}: {' '.join(str(error).split())[:200]}"
    raise _Fails(why)


def is_built(gan: Any) -> bool:
    """Whether every layer of a model has its weights."""
    return all(layer.built for part in gan.layers for layer in sublayers(part))


def judge_step(seen: StepSeen, taken: ObservedStep, seconds: float = float("inf")) -> list[Finding]:
    """The faults that one observed step shows, and what could not be checked.

    Args:
        seen: the step.
        taken: takes it again.
        seconds: the CPU time that this may take.
    """
    began = time.process_time()
    found = [finding for check in STEP_CHECKS for finding in check(seen)]
    if not taken.pure:
        found += check_label_reaches(seen)
    try:
        slopes = measure(taken.logs, seen, seconds)
        found += judge(slopes)
        seen.scale = scale_of(slopes, gives_probabilities(seen))
    except NotMeasured as reason:
        found.append(not_checked(f"the directions of D's and G's losses: {reason}"))
    if time.process_time() - began < seconds / 2:
        found += check_accumulation(seen, taken)
        found += check_opposed(seen, taken)
    return found


def check_opposed(seen: StepSeen, taken: ObservedStep) -> list[Finding]:
    """``discriminator_leak``: one update of D undoes what another does to the scores of fakes.

    So it does if it follows G's loss, whichever optimizer makes it. The step is taken once more,
    with gradients of the scores of fakes alone: those of D's loss and of G's loss are opposite
    then. What fails in this is no finding.
    """
    updates = [update for update in seen.updates if D in update.networks]
    if len(updates) < 2 or any(len(update.networks) > 1 for update in updates):
        return []
    try:
        place = place_of_score(seen)
        base, _ = BASES[gives_probabilities(seen)]
        rows = taken.gradients_of_d(lambda _: fakes_alone(seen, place, base))
    except Exception:
        return []
    least = most_opposed(rows)
    if least > OPPOSED:
        return []
    return [fault("discriminator_leak", 0, {"updates": len(rows), "cosine": round(least, 3)})]


def most_opposed(gradients: Sequence[np.ndarray]) -> float:
    """The least cosine of two gradients, except of those that are far smaller than others; or 1.

    >>> most_opposed([np.array([1.0, 0.0]), np.array([-2.0, 0.0]), np.array([1e-3, 1.0])])
    -1.0
    """
    sizes = [float(np.linalg.norm(one)) for one in gradients]
    units = [
        g / size for g, size in zip(gradients, sizes, strict=True) if size > SMALL * max(sizes)
    ]
    pairs = itertools.combinations([unit for unit in units if len(unit) == len(units[0])], 2)
    return min((float(a @ b) for a, b in pairs), default=1.0)


def check_accumulation(seen: StepSeen, taken: ObservedStep) -> list[Finding]:
    """``accumulated_gradients``: a network is trained with gradients of earlier steps too.

    Only PyTorch keeps gradients from step to step. What `ObservedStep.accumulating` raises means
    that the step does not run with large gradients, and is no finding.
    """
    if keras.backend.backend() != "torch":
        return []
    try:
        names = taken.accumulating(seen)
    except Exception:
        return []
    if not names:
        return []
    finding = fault("accumulated_gradients", 0, {"networks": names})
    if D not in names:
        return [finding]
    leak = "D's hold those of G's loss: it is trained to call fakes real."
    return [replace(finding, message=f"{finding.message} {leak}")]


def parts_checked(seen: StepSeen, found: Sequence[Finding]) -> frozenset[str]:
    """What one observed step has shown of the wiring besides its optimizer calls."""
    measured = not any(finding.kind == "not_checked" for finding in found)
    recognised = any(rows is not None and rows.all() for rows in seen.fake)
    return frozenset({LABELS} if measured else ()) | frozenset({BATCH_NORM} if recognised else ())


def not_checked(what: str) -> Finding:
    """The note that a part of the wiring could not be checked."""
    return Finding("not_checked", Severity.INFO, 0, 0, f"Not checked: {what}.")


def arrays_of_batch(batch: Any) -> list[np.ndarray]:
    """The arrays of a batch, as they are."""
    parts = [part for part in keras.tree.flatten(batch) if len(getattr(part, "shape", ()))]
    return [np.asarray(keras.ops.convert_to_numpy(part)) for part in parts]


def _first_rows(rows: int | None, part: Any) -> Any:
    return part[:rows] if rows and len(getattr(part, "shape", ())) else part


def _take(gan: Any, batch: Any, changed: Changed, numbers: Any) -> Mapping[str, float]:
    """One uncompiled step, outside of ``fit``."""
    with _uncompiled(gan), changed(numbers):
        return _numbers(gan.train_step(batch))


class _JaxStep:
    """A step of JAX with its state given, which changes nothing.

    It is compiled, without optimizing: run operation by operation it would take longer.
    """

    def __init__(self, gan: Any, batch: Any, state: Any) -> None:
        self._gan, self._state = gan, state
        self._batch = keras.tree.map_structure(keras.ops.convert_to_tensor, batch)
        self._compiled: dict[Changed, Callable[..., Any]] = {}

    def __call__(self, changed: Changed, numbers: Any) -> Mapping[str, float]:
        if changed not in self._compiled:
            import jax

            def step(state: Any, batch: Any, numbers: Any) -> Any:
                with changed(numbers):
                    return self._gan.train_step(state, batch)[0]

            options = {"xla_backend_optimization_level": 0}
            self._compiled[changed] = jax.jit(step, compiler_options=options)
        return _numbers(self._compiled[changed](self._state, self._batch, numbers))


def _numbers(logs: Mapping[str, Any]) -> dict[str, float]:
    return {name: float(keras.ops.convert_to_numpy(value)) for name, value in logs.items()}


@contextlib.contextmanager
def _uncompiled(gan: Any) -> Iterator[None]:
    """Run the functions that the user has compiled uncompiled."""
    eager, gan.run_eagerly = gan.run_eagerly, True
    try:
        if keras.backend.backend() != "tensorflow":
            yield
            return
        import tensorflow as tf

        before = tf.config.functions_run_eagerly()
        tf.config.run_functions_eagerly(True)
        try:
            yield
        finally:
            tf.config.run_functions_eagerly(before)
    finally:
        gan.run_eagerly = eager


def is_distributed(gan: Any) -> bool:
    """Whether a step runs on several replicas or devices."""
    strategy = getattr(gan, "distribute_strategy", None)
    replicas = getattr(strategy, "num_replicas_in_sync", 1)
    return replicas > 1 or keras.distribution.distribution() is not None
