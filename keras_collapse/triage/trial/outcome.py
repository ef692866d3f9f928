"""How a trial came out at the end of its budget, where the verdict leaves it open."""

from __future__ import annotations

from collections.abc import Sequence

from keras_collapse.core.detectors.sample_quality import bad
from keras_collapse.core.findings import ROOTS, Finding, Severity, Status
from keras_collapse.core.samples.probe import Probe

LAST = 4
"""Looks at the end that decide."""
MOST = 3
"""Of these: bad ones from which a trial has not ended well."""


def ended_well(status: str, looks: Sequence[Probe]) -> bool | None:
    """Whether a trial gave a working GAN within its budget; None where that cannot be told.

    A live verdict must not call a training failed that may still recover. A trial is over: where
    the verdict is ``unknown`` or ``warning`` its last looks at the samples decide, by the same
    rule by which the detectors call a look bad.

    Args:
        status: the verdict in a word.
        looks: at the samples, oldest first.
    """
    if status in (Status.HEALTHY, Status.FAILED):
        return status == Status.HEALTHY
    votes = [bad(look) for look in looks[-LAST:]]
    if len(votes) < LAST or None in votes:
        return None
    if sum(map(bool, votes)) >= MOST:
        return False
    return True if not any(votes) else None


SURE_STEPS = 600
"""Steps for which a failure must have stood before its trial is stopped."""
LASTING = frozenset({*ROOTS, "divergence"})
"""Faults of the wiring and numbers that are not finite do not go away."""


def sure(findings: Sequence[Finding], step: int) -> Finding | None:
    """The finding by which a trial has surely failed at this step, if there is one.

    What is called failed has to stand for `SURE_STEPS`, unless it is `LASTING`. On the zoo that
    stops 15 of 421 trainings that would have recovered and 96 % of the failed ones, and saves 56 %
    of their steps; longer waiting hardly changes the first (``python tests/zoo/early.py``).
    """
    for finding in findings:
        standing = finding.severity is Severity.FAILED and not finding.resolved
        stood = step - finding.first_step
        if standing and (finding.kind in LASTING or stood >= SURE_STEPS):
            return finding
    return None
