"""The charts of a run's report: which curves stand together, what is dangerous, what was found."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from keras_collapse.core.detectors.discriminator_pinned import D_ACC_BAND, D_LOSS_BAND
from keras_collapse.core.detectors.objective import START_STEPS, CrossEntropy
from keras_collapse.core.detectors.sample_quality import FAR, MISSING
from keras_collapse.core.findings import Finding
from keras_collapse.core.readings.reading import Reading
from keras_collapse.core.samples.probe import Probe
from keras_collapse.outputs.report.curves import (
    HEIGHT,
    Frame,
    Thinned,
    log_ticks,
    scale,
    thinned,
    ticks,
)
from keras_collapse.outputs.report.marks import Mark, Span, marks_of, spans_of

FEW = 40
"""Values up to which each is a point on its curve."""


@dataclass(frozen=True, slots=True)
class Part:
    """Curves that share a chart.

    Args:
        name: of the chart.
        curves: signal or number of a probe, to its name in the chart.
        include: values that are always on the scale.
        beside: a curve that is drawn only where the other one is missing.
        decades: whether the scale is logarithmic.
    """

    name: str
    curves: Mapping[str, str]
    include: tuple[float, ...] = ()
    beside: Mapping[str, str] = field(default_factory=dict)
    decades: bool = False


OF_READINGS = (
    Part("Losses", {"d_loss": "D", "d_loss_real": "D on real", "d_loss_fake": "D on fake",
                    "g_loss": "G"}),
    Part("D's accuracy", {"d_acc": "D", "d_acc_real": "on real", "d_acc_fake": "on fake",
                          "g_acc": "fakes called real"}, (0.0, 1.0), {"g_acc": "d_acc_fake"}),
)  # fmt: skip
OF_PROBES = (
    Part("What G's samples miss or repeat", {"missing_share": "data missed",
                                             "duplicate_share": "samples repeated"}, (0.0, 1.0)),
    Part("What they reach", {"coverage": "coverage", "precision": "precision",
                             "density": "density"}, (0.0, 1.0)),
    Part("Modes of the data", {"modes_covered": "reached", "modes_real": "there"}, (0.0,)),
    Part("Distance to the data", {"sliced_wasserstein": "G's samples",
                                  "sliced_wasserstein_baseline": "perfect samples"},
         decades=True),
    Part("What D tells apart", {"separation": "pairs in one order (0.5: none)"}, (0.5, 1.0)),
)  # fmt: skip
SMALLEST = 1e-6
"""Where a logarithmic scale ends."""
Series = dict[str, tuple[list[int], list[float]]]
"""Name to steps and values."""


@dataclass(frozen=True, slots=True)
class Line:
    """A curve as paths; its place in the chart is its colour's."""

    place: int
    words: str
    line: str
    shade: str
    dots: str
    lost: str


@dataclass(frozen=True, slots=True)
class Band:
    """A dangerous zone of one of the curves, in the drawing's units."""

    words: str
    top: float
    height: float


@dataclass(frozen=True, slots=True)
class Chart:
    """What the page draws."""

    name: str
    wide: bool
    lines: Sequence[Line]
    bands: Sequence[Band]
    spans: Sequence[Span]
    marks: Sequence[Mark]
    across: Sequence[tuple[float, str]]
    down: Sequence[tuple[float, str]]
    words: str
    notes: Sequence[str]


def charts(
    readings: Sequence[Reading],
    probes: Sequence[Probe],
    findings: Sequence[Finding],
    row_steps: int = 1,
) -> list[Chart]:
    """The charts of a run, over the same steps; those without a number are left out.

    Args:
        readings: of the run.
        probes: looks at its samples.
        findings: in the order in which the report numbers them.
        row_steps: training steps that one step of the readings stands for at least.
    """
    series = _series(readings, probes)
    if not series:
        return []
    first = min(steps[0] for steps, _ in series.values())
    last = max([steps[-1] for steps, _ in series.values()] + [f.last_step for f in findings])
    first = 0 if first < last / 10 else first  # a run that was resumed begins late
    bands = _bands(readings, series, row_steps)
    marks = list(marks_of(findings, Frame(first, last, 0, 1)))
    drawn = (
        _chart(part, series, bands, findings, marks, (first, last))
        for part in (*OF_READINGS, *OF_PROBES)
    )
    return [chart for chart in drawn if chart is not None]


def _series(readings: Sequence[Reading], probes: Sequence[Probe]) -> Series:
    """Steps and values of every signal, and of what looks at samples said."""
    found: Series = {}
    for known, parts in ((readings, OF_READINGS), (probes, OF_PROBES)):
        names = [name for part in parts for name in part.curves]
        for name in names:
            pairs = [(one.step, v) for one in known if (v := one.values.get(name)) is not None]
            if pairs:
                found[name] = ([step for step, _ in pairs], [value for _, value in pairs])
    if max(found.get("modes_real", ([], [0.0]))[1]) <= 1:
        found.pop("modes_covered", None)
        found.pop("modes_real", None)
    return found


def _bands(
    readings: Sequence[Reading], series: Series, row_steps: int
) -> dict[str, tuple[float, float, str]]:
    """By curve: where its dangerous zone begins and ends, and what it is."""
    found = {
        "d_acc": (*D_ACC_BAND, "the guide's danger band of D, 50 %"),
        "missing_share": (MISSING, np.inf, f"missed from {MISSING:g}: collapsed"),
    }
    form = CrossEntropy(row_steps)
    for reading in readings[:START_STEPS]:
        form.update(reading)
    if not form.is_other_objective:  # the guide's number is a mean cross-entropy's
        low, high = (bound / (form.scale or 1.0) for bound in D_LOSS_BAND)
        found["d_loss"] = (low, high, f"the guide's danger band of D, {low:g} to {high:g}")
    near = series.get("sliced_wasserstein_baseline", ([], [0.0]))[1][-1]
    if near > 0:
        found["sliced_wasserstein"] = (FAR * near, np.inf, f"from {FAR * near:.2g}: elsewhere")
    return {name: band for name, band in found.items() if name in series}


def _chart(
    part: Part,
    series: Series,
    bands: Mapping[str, tuple[float, float, str]],
    findings: Sequence[Finding],
    marks: Sequence[Mark],
    ends: tuple[int, int],
) -> Chart | None:
    names = [n for n in part.curves if n in series and part.beside.get(n) not in series]
    if not names:
        return None
    known = {name: (steps, _decades(values) if part.decades else np.asarray(values))
             for name, (steps, values) in series.items() if name in names}  # fmt: skip
    curves = {name: thinned(*known[name]) for name in names}
    dangers = [bands[name] for name in names if name in bands]
    if part.decades:
        dangers = [(*_decades([low, high]), words) for low, high, words in dangers]
    edges = [edge for low, high, _ in dangers for edge in (low, high) if np.isfinite(edge)]
    low, high = scale(list(curves.values()), [*part.include, *edges])
    frame = Frame(*ends, low, high)
    limits = (10**low, 10**high) if part.decades else (low, high)
    return Chart(
        name=part.name,
        wide=part in OF_READINGS,
        lines=[
            _line(place, words, curves[name], frame)
            for place, (name, words) in enumerate(part.curves.items())
            if name in curves
        ],
        bands=[
            Band(words, frame.down(above) * HEIGHT, (frame.down(b) - frame.down(above)) * HEIGHT)
            for b, above, words in dangers
        ],
        spans=list(spans_of(findings, frame)),
        marks=marks,
        across=ticks(*ends, whole=True) if ends[0] < ends[1] else [(0.0, f"{ends[0]:,}")],
        down=[
            (1 - place, words) for place, words in (log_ticks if part.decades else ticks)(low, high)
        ],
        words=_in_words(part, {name: series[name] for name in names}),
        notes=[note for name in names for note in _notes(part.curves[name], *series[name], limits)],
    )


def _decades(values: Sequence[float]) -> np.ndarray:
    return np.log10(np.maximum(values, SMALLEST))


def _line(place: int, words: str, curve: Thinned, frame: Frame) -> Line:
    dots = frame.dots(curve) if len(curve.at) <= FEW else ""
    return Line(place, words, frame.line(curve), frame.shade(curve), dots, frame.lost(curve))


def _notes(
    words: str, steps: Sequence[int], values: Sequence[float], limits: tuple[float, float]
) -> Iterator[str]:
    """What the drawing cannot show of a curve."""
    numbers = np.asarray(values)
    lost = np.flatnonzero(~np.isfinite(numbers))
    if len(lost):
        first = steps[lost[0]]
        yield f"{words}: NaN or infinite in {len(lost):,} readings, first at step {first:,}."
    finite = np.where(np.isfinite(numbers), numbers, np.nan)
    if len(lost) == len(numbers):
        return
    top, bottom = int(np.nanargmax(finite)), int(np.nanargmin(finite))
    if finite[top] > limits[1]:
        yield f"{words} goes up to {finite[top]:.3g} (step {steps[top]:,}), above this scale."
    if finite[bottom] < limits[0]:
        yield f"{words} goes down to {finite[bottom]:.3g} (step {steps[bottom]:,}), below it."


def _in_words(part: Part, series: Mapping[str, tuple[Sequence[int], Sequence[float]]]) -> str:
    """The chart for those who do not see it."""
    said = (f"{part.curves[n]} from {v[0]:.3g} to {v[-1]:.3g}" for n, (_, v) in series.items())
    return f"{part.name} over the training's steps: {', '.join(said)}."
