"""One chart as the templates draw it, for the reports of runs and of triages."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from keras_collapse.outputs.report.curves import Frame, ThinnedCurve
from keras_collapse.outputs.report.long_curve import LongCurve
from keras_collapse.outputs.report.marks import Mark, Span

FEW = 40
"""Values up to which each is drawn as a point on its curve."""


@dataclass(frozen=True, slots=True)
class Line:
    """A curve as SVG paths.

    Args:
        style: the CSS class of its colour and dashes.
        label: what it shows.
        line: path of its means.
        shade: path from its minima to its maxima.
        dots: path with a point for each value.
        non_finite: path with a dash for each stretch with NaN or infinity.
    """

    style: str
    label: str
    line: str
    shade: str
    dots: str
    non_finite: str


@dataclass(frozen=True, slots=True)
class Band:
    """A suspicious range of a curve, in SVG units."""

    label: str
    top: float
    height: float


@dataclass(frozen=True, slots=True)
class Chart:
    """What the templates draw.

    Args:
        name: the title.
        wide: whether it takes the page's full width.
        lines: the curves.
        keys: the legend: style and label.
        bands: suspicious ranges.
        spans, marks: the steps of findings, and their starts.
        x_ticks, y_ticks: position, as a share of the width from the left or of the height from
            the top, and label.
        description: the chart in words, for screen readers.
        notes: what the drawing cannot show.
    """

    name: str
    wide: bool
    lines: Sequence[Line]
    keys: Sequence[tuple[str, str]]
    bands: Sequence[Band]
    spans: Sequence[Span]
    marks: Sequence[Mark]
    x_ticks: Sequence[tuple[float, str]]
    y_ticks: Sequence[tuple[float, str]]
    description: str
    notes: Sequence[str]


def line_of(style: str, label: str, curve: ThinnedCurve, frame: Frame) -> Line:
    """Return a curve as a line of a chart."""
    dots = frame.dots(curve) if len(curve.at) <= FEW else ""
    return Line(style, label, frame.line(curve), frame.shade(curve), dots, frame.non_finite(curve))


def notes_of(label: str, curve: LongCurve, limits: tuple[float, float]) -> Iterator[str]:
    """Yield remarks on the values of a curve that are not finite or outside the scale.

    Args:
        label: the name of the curve.
        curve: the curve.
        limits: the least and the largest value on the scale.
    """
    if curve.non_finite:
        count, first = curve.non_finite, curve.first_non_finite
        yield f"{label}: NaN or infinite in {count:,} readings, first at step {first:,}."
    if curve.highest is not None and curve.highest[0] > limits[1]:
        value, step = curve.highest
        yield f"{label} rises to {value:.3g} (step {step:,}), above this scale."
    if curve.lowest is not None and curve.lowest[0] < limits[0]:
        value, step = curve.lowest
        yield f"{label} falls to {value:.3g} (step {step:,}), below this scale."
