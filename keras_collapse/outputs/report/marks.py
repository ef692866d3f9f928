"""Marks and shaded spans of findings on a chart."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from keras_collapse.core.findings import Finding, Severity
from keras_collapse.outputs.report.curves import WIDTH, Frame

APART = 0.12
"""Share of the width that separates two findings with labels of their own."""


@dataclass(frozen=True, slots=True)
class Mark:
    """The start of a finding on a chart.

    Args:
        left: its position, as a share of the width.
        severity: the finding's severity.
        label: the finding's number. Findings that begin close together share a label at the first
            of them; the others have none.
        number: the number of the finding that the label links to.
    """

    left: float
    severity: str
    label: str
    number: int


@dataclass(frozen=True, slots=True)
class Span:
    """The steps of a finding on a chart, in SVG units."""

    severity: str
    left: float
    width: float


def spans_of(findings: Sequence[Finding], frame: Frame) -> Iterator[Span]:
    """Yield the span of each finding above ``info``; unresolved ones last to the right edge."""
    for finding in findings:
        left = frame.x(finding.first_step)
        right = frame.x(finding.last_step) if finding.resolved else 1.0
        if finding.severity is not Severity.INFO:
            yield Span(str(finding.severity), left * WIDTH, (right - left) * WIDTH)


def marks_of(findings: Sequence[Finding], frame: Frame) -> Iterator[Mark]:
    """Yield a mark at the start of each finding."""
    placed = sorted((frame.x(f.first_step), n, f) for n, f in enumerate(findings, 1))
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
    """Increasing numbers in few characters.

    >>> _short([1]), _short([4, 5]), _short([1, 2, 5])
    ('1', '4, 5', '1…5')
    """
    few = ", ".join(map(str, numbers))
    return few if len(numbers) < 3 else f"{numbers[0]}…{numbers[-1]}"
