"""When a trial has failed so surely that the rest of it need not be run."""

from __future__ import annotations

from collections.abc import Sequence

from keras_collapse.core.findings import ROOTS, Finding, Severity

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
        standing = finding.severity is Severity.FAILED and not finding.healed
        stood = step - finding.first_step
        if standing and (finding.kind in LASTING or stood >= SURE_STEPS):
            return finding
    return None
