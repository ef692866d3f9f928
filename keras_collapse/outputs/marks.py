"""Where findings stand over the steps of a chart."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from keras_collapse.core.findings import Finding, Severity
from keras_collapse.outputs.curves import WIDTH, Frame

APART = 0.04
"""Of the width, that two findings must begin apart to have a number each."""


@dataclass(frozen=True, slots=True)
class Mark:
    """A finding, or several that began close together, as shares of the width."""

    numbers: str
    first: int
    severity: str
    left: float


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
        right = frame.across(finding.last_step) if finding.healed else 1.0
        if finding.severity is not Severity.INFO:
            yield Span(str(finding.severity), left * WIDTH, (right - left) * WIDTH)


def marks_of(findings: Sequence[Finding], frame: Frame) -> Iterator[Mark]:
    """A mark where each finding began; those too close together share one."""
    placed = sorted((frame.across(f.first_step), n, f) for n, f in enumerate(findings, 1))
    groups: list[list[tuple[float, int, Finding]]] = []
    for one in placed:
        if groups and one[0] - groups[-1][0][0] < APART:
            groups[-1].append(one)
        else:
            groups.append([one])
    for group in groups:
        numbers = sorted(number for _, number, _ in group)
        gravest = max((f.severity for _, _, f in group), key=lambda severity: severity.rank)
        yield Mark(_ranges(numbers), numbers[0], str(gravest), group[0][0])


def _ranges(numbers: Sequence[int]) -> str:
    """Growing numbers in few characters.

    >>> _ranges([1, 2, 3, 5]), _ranges([4, 5])
    ('1–3, 5', '4, 5')
    """
    parts: list[list[int]] = []
    for number in numbers:
        if parts and number == parts[-1][-1] + 1:
            parts[-1].append(number)
        else:
            parts.append([number])
    return ", ".join(
        f"{part[0]}–{part[-1]}" if len(part) > 2 else ", ".join(map(str, part)) for part in parts
    )
