"""Whether a trial succeeded, and when a failing trial is stopped early."""

from __future__ import annotations

from collections.abc import Sequence

from keras_collapse.core.detectors.sample_quality import bad
from keras_collapse.core.findings import ROOTS, Finding, Severity, Status
from keras_collapse.core.samples.probe import Probe

LAST_CHECKS = 4
"""Sample checks at the end of a trial that decide."""
BAD_CHECKS = 3
"""Bad ones among them from which the trial has failed."""


def succeeded(status: str, sample_checks: Sequence[Probe]) -> bool | None:
    """Return whether a finished trial produced a working GAN; None if undecided.

    A live verdict must not call a training failed that may still recover. A trial has ended, so
    where its verdict is ``unknown`` or ``warning`` its last sample checks decide, by the rule that
    the detectors use for a single check.

    Args:
        status: the verdict in one word.
        sample_checks: all sample checks, oldest first.
    """
    if status in (Status.HEALTHY, Status.FAILED):
        return status == Status.HEALTHY
    votes = [bad(check) for check in sample_checks[-LAST_CHECKS:]]
    if len(votes) < LAST_CHECKS or None in votes:
        return None
    if sum(map(bool, votes)) >= BAD_CHECKS:
        return False
    return True if not any(votes) else None


STOP_AFTER_STEPS = 600
"""Steps that a failure must have lasted before its trial is stopped."""
PERMANENT = frozenset({*ROOTS, "divergence"})
"""Failures that do not go away: wiring faults and numbers that are not finite."""


def early_stop(findings: Sequence[Finding], step: int) -> Finding | None:
    """Return the failed finding for which a trial is stopped at this step, if any.

    A failure must have lasted `STOP_AFTER_STEPS`, unless it is `PERMANENT`. On the benchmark's
    recorded trainings this stops 20 of 421 that would have recovered and 97 % of the failed ones,
    and saves 59 % of the failed ones' steps; a longer wait hardly lowers the 20.
    """
    for finding in findings:
        lasts = finding.severity is Severity.FAILED and not finding.resolved
        if lasts and (finding.kind in PERMANENT or step - finding.first_step >= STOP_AFTER_STEPS):
            return finding
    return None
