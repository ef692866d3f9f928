"""Findings, verdicts and what a template inserts without control characters; see `printable`."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from keras_collapse.core.findings import Finding, Verdict
from keras_collapse.core.process.printable import printable, printable_lines


def for_template(value: Any) -> Any:
    """As `printable_lines`, of what a template inserts; for Jinja's ``finalize``."""
    return printable_lines(value) if type(value) is str else value


def printable_finding(finding: Finding) -> Finding:
    """The finding with all its text `printable`."""
    return replace(
        finding,
        kind=printable(finding.kind),
        message=printable(finding.message),
        evidence={printable(name): _shown(value) for name, value in finding.evidence.items()},
        advice=[printable(line) for line in finding.advice],
    )


def printable_verdict(verdict: Verdict) -> Verdict:
    """The verdict with all its text `printable`."""
    return replace(
        verdict,
        findings=[printable_finding(finding) for finding in verdict.findings],
        reason=printable(verdict.reason),
        averaging=printable(verdict.averaging) if verdict.averaging else verdict.averaging,
    )


def _shown(value: Any) -> Any:
    if isinstance(value, Sequence) and not isinstance(value, str | bytes):
        return [_shown(one) for one in value]
    return value if isinstance(value, int | float) else printable(str(value))
