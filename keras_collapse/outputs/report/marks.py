"""Where findings stand over the steps of a chart."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from keras_collapse.core.findings import Finding, Severity
from keras_collapse.outputs.report.curves import WIDTH, Frame

APART = 0.12
"""Of the width, that two findings must begin apart to have a label each."""


@dataclass(frozen=True, slots=True)
class Mark:
    """Where a finding began, as a share of the width.

    Args:
        left: the share.
        severity: of the finding.
        label: its number; of several that began close together theirs, at the first of them, and
            nothing at the others.
        number: the finding that the label leads to.
    """

    left: float
    severity: str
    label: str
    number: int


@dataclass(frozen=True, slots=True)
class Span:
    """The stretch of a finding, in the drawing's units."""

    severity: str
    left: float
    width: float


def spans_of(findings: Sequence[Finding], frame: Frame) -> Iterator[Span]:
    """A finding that has not ended lasts to the end."""
    for finding in findings:
        left = frame.across(finding.first_step)
        right = frame.across(finding.last_step) if finding.resolved else 1.0
        if finding.severity is not Severity.INFO:
            yield Span(str(finding.severity), left * WIDTH, (right - left) * WIDTH)


def marks_of(findings: Sequence[Finding], frame: Frame) -> Iterator[Mark]:
    """A mark where each finding began."""
    placed = sorted((frame.across(f.first_step), n, f) for n, f in enumerate(findings, 1))
    groups: list[list[tuple[float, int, Finding]]] = []
    for one in placed:
        if groups and one[0] - groups[-1][0][0] < APART:
            groups[-1].append(one)
        else:
            groups.append([one])
    for group in groups:
        numbers = sorted(number for _, number, _ in group)
        for place, (left, _, finding) in enumerate(group):
            label = "" if place else _short(numbers)
            yield Mark(left, str(finding.severity), label, numbers[0])


def _short(numbers: Sequence[int]) -> str:
    """Growing numbers in few characters.

    >>> _short([1]), _short([4, 5]), _short([1, 2, 5])
    ('1', '4, 5', '1…5')
    """
    few = ", ".join(map(str, numbers))
    return few if len(numbers) < 3 else f"{numbers[0]}…{numbers[-1]}"
