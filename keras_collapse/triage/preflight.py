"""Checks before any trial: does the experiment use its trial, and is the GAN wired correctly?"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

from keras_collapse.core.errors import InputError
from keras_collapse.triage.analysis.diagnosis import Diagnosis, wiring_diagnosis, wiring_fault
from keras_collapse.triage.analysis.evidence import bit_identical
from keras_collapse.triage.plans import Plan, TrialConfig
from keras_collapse.triage.results import TrialResult

STEPS = 20
"""Training steps of a check: enough for weights to diverge, done in seconds."""
TIMEOUT_FACTOR = 10.0
"""A trial may take this many times the duration that the check predicts."""
MIN_TIMEOUT = 600.0
"""Seconds that every trial may take."""


def check_trials(plan: Plan) -> list[TrialConfig]:
    """Return short trials: the same configuration twice, another seed, the target batch size."""
    first = plan.trials[0].model_copy(
        update={"batch_size": plan.smallest, "repeat": 0, "changes": {}, "purpose": "check"}
    )
    again = first.model_copy(update={"repeat": 1})
    other = first.model_copy(update={"seed": first.seed + 1 if first.seed < 2**31 else 0})
    if plan.target == plan.smallest:
        return [first, again, other]
    return [first, again, other, first.model_copy(update={"batch_size": plan.target})]


def validate(found: Sequence[TrialResult], experiment: str, plan: Plan) -> None:
    """Require that the experiment used its callbacks, seed and batch size.

    Args:
        found: the results of `check_trials`, in that order, each of which passed `require_done`.
        experiment: ``FILE.py:train``.
        plan: the plan to run afterwards.

    Raises:
        InputError: it did not, in one line.
    """
    first, _, other, *target = found
    if not first.steps:
        raise InputError(
            f"{experiment} does not use trial.callbacks: no training step was seen. "
            "Pass them on: fit(..., callbacks=trial.callbacks)."
        )
    if bit_identical((first, other)):
        raise InputError(
            f"{experiment} ignores trial.seed: seeds {first.trial.seed} and {other.trial.seed} "
            "gave bit-identical weights. Seed with trial.seed, or not at all."
        )
    samples = samples_per_epoch(first)
    if samples and plan.target >= samples + first.trial.batch_size:
        raise InputError(
            f"the batch size {plan.target} exceeds the data: {experiment} trains on about "
            f"{samples} samples. Give smaller --batch-sizes, or more data."
        )
    for result in target:
        if _same_batches(first, result):
            raise InputError(
                f"{experiment} ignores trial.batch_size: an epoch has {first.facts['steps']} steps "
                f"at {first.trial.batch_size} and at {plan.target}. Pass it on: "
                "fit(..., batch_size=trial.batch_size), or batch your data with it."
            )


def same_start(found: Sequence[TrialResult]) -> str:
    """Return a note if two seeds begin with the same weights, else an empty string.

    That is no mistake where weights are read from a file. Elsewhere the program seeds itself, and
    the trials' seeds vary no more than the order of the data and what is drawn in training.

    Args:
        found: the results of `check_trials`, in that order.
    """
    first, _, other, *_ = found
    begin = first.fingerprints.get("begin")
    if begin is None or begin != other.fingerprints.get("begin"):
        return ""
    return (
        f"Seeds {first.trial.seed} and {other.trial.seed} begin with the same weights, so these "
        "trials cannot show what the initial weights do. If the program sets a seed of its own, "
        "remove it, or use trial.seed."
    )


def require_done(result: TrialResult, experiment: str, plan: Plan) -> None:
    """Require that a check ran to its end.

    Raises:
        InputError: it did not, in one line.
    """
    too_large = result.ended == "out_of_memory" and result.trial.batch_size > plan.smallest
    if result.ended != "done" and not too_large:  # a trial of that size will say so
        raise InputError(
            f"{experiment} does not run: it {_ended(result)} ({result.reason.rstrip('.')}). "
            f"Its log: {result.folder}/log.txt"
        )


def _same_batches(first: TrialResult, target: TrialResult) -> bool:
    """Whether an epoch has as many steps at the target batch size as at the smallest."""
    steps = int(first.facts.get("steps") or 0)
    ratio = target.trial.batch_size / first.trial.batch_size
    return steps > ratio and steps == target.facts.get("steps")


def _ended(result: TrialResult) -> str:
    """How a trial that is not done ended, as a verb."""
    ran_out, was_killed = "ran out of memory", "was killed"
    return {"out_of_memory": ran_out, "killed": was_killed}.get(result.ended, result.ended)


def samples_per_epoch(result: TrialResult) -> int | None:
    """Return the samples of one epoch, rounded to whole batches; None if unknown."""
    steps = result.facts.get("steps")
    return int(steps) * result.trial.batch_size if steps else None


def epochs_for(trial: TrialConfig, steps: int, samples: int | None) -> int:
    """Return the epochs that hold that many steps; ``steps`` if their size is unknown."""
    return math.ceil(steps / max(samples // trial.batch_size, 1)) if samples else steps


def timeout_for(trial: TrialConfig, steps: int, check: TrialResult) -> float:
    """Return the seconds after which a trial counts as hung, from the duration of the check."""
    per_step = check.seconds / max(check.steps, 1) * trial.batch_size / check.trial.batch_size
    return max(MIN_TIMEOUT, TIMEOUT_FACTOR * (check.seconds + steps * per_step))


def wiring(found: Sequence[TrialResult]) -> Diagnosis | None:
    """Return the diagnosis of a wiring fault seen in the first steps or by the audit, if any."""
    for result in found:
        audit: Mapping[str, Any] = result.facts.get("audit", {})
        fault = wiring_fault([*result.verdict.get("findings", ()), *audit.get("findings", ())])
        if fault is not None:
            return wiring_diagnosis(fault, f"check: {result.trial.name}")
    return None


def summary(found: Sequence[TrialResult]) -> dict[str, Any]:
    """Return the checks as ``triage.json`` holds them."""
    audit: Mapping[str, Any] = found[0].facts.get("audit", {})
    kinds = [finding["kind"] for finding in audit.get("findings", ())]
    return {
        "reproducible": bit_identical(found[:2]),
        "audit": audit.get("skipped") or (", ".join(kinds) if kinds else "no fault found"),
        "steps": found[0].steps,
    }
