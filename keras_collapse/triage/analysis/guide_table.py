"""The three rows of the guide's table: batch size, random initialization, or both.

The table is step 3 ("Interpret Results") of the GAN Training Triage Guide.
"""

from __future__ import annotations

from keras_collapse.triage.analysis.case import NAMED, Case, cap, tie_breakers
from keras_collapse.triage.analysis.diagnosis import Diagnosis
from keras_collapse.triage.analysis.evidence import agreement, fisher_confidence


def batch_size(case: Case) -> Diagnosis | None:
    """Row 2: the small batch size always works, the target fails across seeds."""
    large, small = case.large.rate, case.small.rate
    if case.target == case.smallest or not large.all or not small.none:
        return None
    return _if_confident(
        case,
        Diagnosis(
            "batch_size",
            fisher_confidence(large, small),
            f"row 2 of the guide's table: batch size {case.smallest} always works, {case.target} "
            "fails across seeds",
            f"Seeds that failed: {large} at batch size {case.target}, {small} at {case.smallest}.",
            case.evidence(
                case.small, case.large, test="Fisher's exact test, target against smallest"
            ),
            (
                f"Train with a batch size of at most {cap(case.baseline, case.plan)}.",
                "Or scale the learning rates with the batch size.",
            ),
        ),
    )


def initialization(case: Case) -> Diagnosis | None:
    """Row 1: the same seeds fail at the smallest and at the target batch size.

    Where all seeds but one fail, that one may be luck, and the cause a setting: the row is not
    named then, and ``full`` tests changes.
    """
    large, small = case.large, case.small
    if case.target == case.smallest or large.rate.all or large.rate.none:
        return None
    common = large.by_seed.keys() & small.by_seed.keys()
    if len(common) < 2 or any(large.by_seed[s] != small.by_seed[s] for s in common):
        return None
    if len({large.by_seed[s] for s in common}) < 2:
        return None
    working = [seed for seed, failed in large.by_seed.items() if not failed]
    found = Diagnosis(
        "initialization",
        agreement(large.by_seed, small.by_seed),
        "row 1 of the guide's table: the seed decides, at every batch size",
        f"The same seeds fail at batch sizes {case.smallest} and {case.target}.",
        case.evidence(small, large, test="agreement of seeds between batch sizes, exact"),
        (
            "Improve the initialization of the weights.",
            f"Or use a seed that worked: {', '.join(map(str, working))}.",
        ),
    )
    if len(working) == 1 and large.rate.of > 2:
        return _points_to(case, found, f"only seed {working[0]} works, which may be luck")
    return _if_confident(case, found)


def both(case: Case) -> Diagnosis | None:
    """Row 3: smaller batch sizes fail with fewer seeds."""
    large, small = case.large.rate, case.small.rate
    more_at_target = large.failed * small.of > small.failed * large.of
    if case.target == case.smallest or not small.of or not more_at_target:
        return None
    return _if_confident(
        case,
        Diagnosis(
            "batch_size_and_initialization",
            fisher_confidence(large, small),
            "row 3 of the guide's table: smaller batch sizes are more robust across seeds",
            f"Seeds that failed: {large} at batch size {case.target}, {small} at {case.smallest}. "
            "A large batch amplifies a poor initialization.",
            case.evidence(
                case.small, case.large, test="Fisher's exact test, target against smallest"
            ),
            (
                f"Use a batch size of at most {cap(case.baseline, case.plan)}, or a better "
                "initialization.",
                "Or use a seed that worked.",
            ),
        ),
    )


def _if_confident(case: Case, found: Diagnosis) -> Diagnosis:
    """Return the diagnosis, or an inconclusive one that points to it."""
    confidence = found.confidence or 0.0
    if confidence >= NAMED:
        return found
    weak = f"the evidence is too weak (confidence {confidence:.2f}, below {NAMED:.2f})"
    return _points_to(case, found, weak)


def _points_to(case: Case, found: Diagnosis, but: str) -> Diagnosis:
    """Return an inconclusive diagnosis that points to this one, and says why it is not named."""
    return Diagnosis(
        "inconclusive",
        found.confidence,
        found.rule,
        f"{found.statement} This points to {found.root_cause.replace('_', ' ')}, but {but}."
        f"{case.shown()}{case.confounded()}",
        {**found.evidence, "points_to": found.root_cause},
        (
            "More seeds would be needed than triage adds: give --other-seeds."
            if case.full
            else "Run the tie-breaker trials; keras-collapse triage full adds them.",
            *case.working_seed(),
            *case.finding_advice(),
        ),
        tie_breakers=tie_breakers(case.baseline, case.plan),
    )
