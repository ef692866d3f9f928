"""Before any trial: does the experiment do as it is told, and is the GAN wired as believed?"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

from keras_collapse.core.errors import InputError
from keras_collapse.triage.analysis.diagnosis import Diagnosis, of_wiring, wiring_in
from keras_collapse.triage.analysis.evidence import same_to_the_bit
from keras_collapse.triage.plans import Plan, Trial
from keras_collapse.triage.results import Result

STEPS = 20
"""Training steps of a check: enough for weights to part, over in seconds."""
PATIENCE = 10.0
"""A trial may take this many times what the check lets one expect."""
LEAST_SECONDS = 600.0


def trials(plan: Plan) -> list[Trial]:
    """Three short trainings: the same one twice, and one with another seed."""
    first = plan.trials[0].model_copy(
        update={"batch_size": plan.smallest, "repeat": 0, "changes": {}, "purpose": "check"}
    )
    again = first.model_copy(update={"repeat": 1})
    other = first.model_copy(update={"seed": first.seed + 1 if first.seed < 2**31 else 0})
    return [first, again, other]


def obeyed(found: Sequence[Result], place: str, plan: Plan) -> None:
    """See that the experiment ran, and heeded its callbacks, seed and batch size.

    Args:
        found: the results of `trials`, in that order.

    Raises:
        InputError: it did not, in one line.
    """
    for result in found:
        if result.ended != "done":
            raise InputError(
                f"{place} does not run: it {result.ended.replace('_', ' ')} ({result.reason}). "
                f"Its log: {result.folder}/log.txt"
            )
    first, _, other = found
    if not first.steps:
        raise InputError(
            f"{place} trained without trial.callbacks: no training step was seen. "
            "Hand them on: fit(..., callbacks=trial.callbacks)."
        )
    if first.fingerprints and first.fingerprints == other.fingerprints:
        raise InputError(
            f"{place} does not heed trial.seed: seeds {first.trial.seed} and {other.trial.seed} "
            "gave the same weights to the bit. Seed from trial.seed, or not at all."
        )
    samples = samples_of(first)
    largest = (samples + first.trial.batch_size) if samples else math.inf
    if plan.target >= largest:
        raise InputError(
            f"a batch size of {plan.target} exceeds the data: {place} trains on about {samples} "
            "samples. Give smaller --batch-sizes, or more data."
        )


def samples_of(result: Result) -> int | None:
    """Samples in an epoch, as far as whole batches tell; None where that is not known."""
    steps = result.facts.get("steps")
    return int(steps) * result.trial.batch_size if steps else None


def epochs_for(trial: Trial, steps: int, samples: int | None) -> int:
    """Epochs in which that many steps fit; as many as steps where their size is not known."""
    return math.ceil(steps / max(samples // trial.batch_size, 1)) if samples else steps


def limit_for(trial: Trial, steps: int, check: Result) -> float:
    """Seconds that a trial may take before it is taken to hang."""
    share = check.seconds / max(check.steps, 1) * trial.batch_size / check.trial.batch_size
    return max(LEAST_SECONDS, PATIENCE * (check.seconds + steps * share))


def wiring(found: Sequence[Result]) -> Diagnosis | None:
    """What the first steps and the audit say of the wiring, if it is at fault."""
    for result in found:
        audit: Mapping[str, Any] = result.facts.get("audit", {})
        fault = wiring_in([*result.verdict.get("findings", ()), *audit.get("findings", ())])
        if fault is not None:
            return of_wiring(fault, f"check: {result.trial.name}")
    return None


def report(found: Sequence[Result]) -> dict[str, Any]:
    """As in ``triage.json``."""
    audit: Mapping[str, Any] = found[0].facts.get("audit", {})
    said = [finding["kind"] for finding in audit.get("findings", ())]
    return {
        "reproducible": same_to_the_bit(found[:2]),
        "audit": audit.get("skipped") or (", ".join(said) if said else "no fault found"),
        "steps": found[0].steps,
    }
