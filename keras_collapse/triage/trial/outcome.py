"""Whether a trial succeeded, how long that takes to show, and when a trial is stopped early."""

from __future__ import annotations

from collections.abc import Sequence

from keras_collapse.core.detectors.sample_quality import bad
from keras_collapse.core.findings import ROOTS, Finding, Severity, Status
from keras_collapse.core.samples.probe import Probe

LAST_CHECKS = 4
"""Sample checks at the end of a trial that decide."""
BAD_CHECKS = 3
"""Bad ones among them from which the trial has failed."""
SETTLED = 1100
"""Steps from which bad samples at the end are a failure. GANs that work begin with bad samples: of
158 healthy trainings of the image benchmark, 59 still show them after 320 steps, 42 after 480, 26
after 640, 14 after 960 and 9 after 1280 (``python tests/zoo/images/early.py``). Good samples say
more: 9 of 175 trainings that failed from their start show them after 320 steps. But a failure may
set in later: a GAN that works is only known from as many steps on."""
CONFIRMED = 1440
"""Steps from which a trial is ended for a failure that may still go away. Of those 158 healthy
trainings, nine are called failed for a while, seven until step 1440 at the latest and two until
1520 and 1600, and two still are at their end."""
CONTINUED = 2
"""A trial that is undecided at its last step goes on, up to this many times its steps."""
LEAST_CONTINUED = 1600
"""The same, at least: `SETTLED`, and what the last checks take."""


def longest(steps: int) -> int:
    """Return up to how many steps an undecided trial is continued.

    >>> longest(400), longest(1500)
    (1600, 3000)
    """
    return max(CONTINUED * steps, LEAST_CONTINUED)


def succeeded(status: str, sample_checks: Sequence[Probe], steps: int) -> bool | None:
    """Return whether a trial of that many steps produced a working GAN; None if undecided.

    A live verdict must not call a training failed that may still recover. Where the verdict on a
    trial is ``unknown`` or ``warning``, its last sample checks that compared with the data decide,
    by the rule that the detectors use for a single check: none bad is a success, most bad a failure
    once the trial is so long that a working GAN would have settled.

    Args:
        status: the verdict in one word.
        sample_checks: all sample checks, oldest first.
        steps: training steps of the trial so far.
    """
    if status in (Status.HEALTHY, Status.FAILED):
        return status == Status.HEALTHY
    compared = [check for check in sample_checks if "missing_share" in check.values]
    votes = [bad(check) for check in (compared or sample_checks)[-LAST_CHECKS:]]
    if len(votes) < LAST_CHECKS or None in votes:
        return None
    if sum(map(bool, votes)) >= BAD_CHECKS:
        return False if steps >= SETTLED else None
    return True if not any(votes) else None


def over(status: str, sample_checks: Sequence[Probe], steps: int) -> bool:
    """Return whether a trial needs no more steps: it had the time to fail, or to recover."""
    found = succeeded(status, sample_checks, steps)
    return found is not None and steps >= (SETTLED if found else CONFIRMED)


STOP_AFTER_STEPS = 600
"""Steps that a failure must have lasted before its trial is stopped."""
PERMANENT = frozenset({*ROOTS, "divergence"})
"""Failures that do not go away: wiring faults and numbers that are not finite."""


def early_stop(findings: Sequence[Finding], step: int) -> Finding | None:
    """Return the failed finding for which a trial is stopped at this step, if any.

    A failure must have lasted `STOP_AFTER_STEPS`, and the trial `CONFIRMED` steps, unless it is
    `PERMANENT`. This stops four of the image benchmark's 158 healthy trainings, two of which would
    have recovered. On those of points in the plane it stops 18 of 421 that would have recovered and
    97 % of the failed ones, and saves half of the failed ones' steps
    (``python tests/zoo/early.py``).
    """
    for finding in findings:
        stands = finding.severity is Severity.FAILED and not finding.resolved
        lasts = step >= CONFIRMED and step - finding.first_step >= STOP_AFTER_STEPS
        if stands and (finding.kind in PERMANENT or lasts):
            return finding
    return None
