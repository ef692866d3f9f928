"""The charts of a run's report: readings and sample checks, suspicious ranges and findings."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import ArrayLike

from keras_collapse.core.detectors.discriminator_pinned import D_ACC_BAND, D_LOSS_BAND
from keras_collapse.core.detectors.sample_quality import far_limit, missing_limit
from keras_collapse.core.findings import Finding
from keras_collapse.core.readings.objective import CrossEntropy
from keras_collapse.core.samples.probe import Probe
from keras_collapse.outputs.report.chart import Band, Chart, line_of, notes_of
from keras_collapse.outputs.report.curves import (
    HEIGHT,
    Frame,
    ThinnedCurve,
    log_ticks,
    scale,
    ticks,
)
from keras_collapse.outputs.report.long_curve import LongCurve, ReadingCurves
from keras_collapse.outputs.report.marks import Mark, marks_of, spans_of


@dataclass(frozen=True, slots=True)
class Part:
    """The curves of one chart.

    Args:
        name: the title of the chart.
        curves: name of a signal or of a sample check's number, to its label.
        include: values that are always on the scale.
        fallback_for: name of a curve that is drawn only if another one is missing, to the other.
        logarithmic: whether the scale is logarithmic.
    """

    name: str
    curves: Mapping[str, str]
    include: tuple[float, ...] = ()
    fallback_for: Mapping[str, str] = field(default_factory=dict)
    logarithmic: bool = False


READING_CHARTS = (
    Part("Losses", {"d_loss": "D", "d_loss_real": "D on real", "d_loss_fake": "D on fake",
                    "g_loss": "G"}),
    Part("D's accuracy", {"d_acc": "D", "d_acc_real": "on real", "d_acc_fake": "on fake",
                          "g_acc": "fakes called real"}, (0.0, 1.0), {"g_acc": "d_acc_fake"}),
)  # fmt: skip
SAMPLE_CHARTS = (
    Part("Missing data and repeated samples", {"missing_share": "share of data missed",
                                               "duplicate_share": "share of samples repeated"},
         (0.0, 1.0)),
    Part("Coverage and fidelity", {"coverage": "coverage", "precision": "precision",
                                   "density": "density"}, (0.0, 1.0)),
    Part("Modes of the data", {"modes_covered": "covered", "modes_real": "in the data"}, (0.0,)),
    Part("Distance to the data", {"sliced_wasserstein": "G's samples",
                                  "sliced_wasserstein_baseline": "perfect samples"},
         logarithmic=True),
    Part("D's ranking accuracy", {"separation": "AUC (0.5: chance)"}, (0.5, 1.0)),
)  # fmt: skip
SMALLEST = 1e-6
"""Smallest value on a logarithmic scale."""
Series = dict[str, LongCurve]
"""The curves of signals and of sample checks' numbers, by name."""


def run_charts(
    readings: ReadingCurves,
    probes: Sequence[Probe],
    findings: Sequence[Finding],
    row_steps: int = 1,
) -> list[Chart]:
    """Return the charts of a run over the same steps; charts without values are left out.

    Args:
        readings: the curves of the run's readings.
        probes: its sample checks.
        findings: its findings, in the order in which the report numbers them.
        row_steps: the least number of training steps that one step of the readings stands for.
    """
    series = _series(readings, probes)
    if not series:
        return []
    first = min(curve.first_step for curve in series.values())
    last = max([c.last_step for c in series.values()] + [f.last_step for f in findings])
    first = 0 if first < last / 10 else first  # a resumed run begins late
    bands = _bands(readings, probes, series, row_steps)
    marks = list(marks_of(findings, Frame(first, last, 0, 1)))
    drawn = (
        _chart(part, series, bands, findings, marks, (first, last))
        for part in (*READING_CHARTS, *SAMPLE_CHARTS)
    )
    return [chart for chart in drawn if chart is not None]


def _series(readings: ReadingCurves, probes: Sequence[Probe]) -> Series:
    """The curve of every signal and of every number of the sample checks."""
    found = readings.curves()
    for name in (name for part in SAMPLE_CHARTS for name in part.curves):
        pairs = [(one.step, v) for one in probes if (v := one.values.get(name)) is not None]
        if pairs:
            found[name] = LongCurve(*zip(*pairs, strict=True))
    modes = found["modes_real"].highest if "modes_real" in found else None
    if modes is None or modes[0] <= 1:
        found.pop("modes_covered", None)
        found.pop("modes_real", None)
    return found


def _bands(
    readings: ReadingCurves, probes: Sequence[Probe], series: Series, row_steps: int
) -> dict[str, tuple[float, float, str]]:
    """By curve: the lower and upper end of its suspicious range, and a label."""
    found = {"d_acc": (*D_ACC_BAND, "suspicious range of D's accuracy, 50 %")}
    compared = next((probe for probe in probes if "dimension" in probe.values), Probe(0, {}))
    missing = missing_limit(compared)
    found["missing_share"] = (missing, np.inf, f"collapsed, from {missing:g} missed")
    form = CrossEntropy(row_steps)
    for reading in readings.first:
        form.update(reading)
    if not form.is_other_objective:  # the range holds for a mean cross-entropy
        low, high = (bound / (form.scale or 1.0) for bound in D_LOSS_BAND)
        found["d_loss"] = (low, high, f"suspicious range of D's loss, {low:g} to {high:g}")
    near = series.get("sliced_wasserstein_baseline")
    if near is not None and near.last_value > 0:
        far = far_limit(compared) * near.last_value
        found["sliced_wasserstein"] = (far, np.inf, f"far from the data, from {far:.2g}")
    return {name: band for name, band in found.items() if name in series}


def _chart(
    part: Part,
    series: Series,
    bands: Mapping[str, tuple[float, float, str]],
    findings: Sequence[Finding],
    marks: Sequence[Mark],
    ends: tuple[int, int],
) -> Chart | None:
    names = [n for n in part.curves if n in series and part.fallback_for.get(n) not in series]
    if not names:
        return None
    curves = {name: series[name].thinned() for name in names}
    if part.logarithmic:
        curves = {name: _logarithmic(curve) for name, curve in curves.items()}
    suspicious = [bands[name] for name in names if name in bands]
    if part.logarithmic:
        suspicious = [(*_log10([low, high]), label) for low, high, label in suspicious]
    edges = [edge for low, high, _ in suspicious for edge in (low, high) if np.isfinite(edge)]
    low, high = scale(list(curves.values()), [*part.include, *edges])
    frame = Frame(*ends, low, high)
    limits = (10**low, 10**high) if part.logarithmic else (low, high)
    return Chart(
        name=part.name,
        wide=part in READING_CHARTS,
        lines=[
            line_of(f"c{place}", label, curves[name], frame)
            for place, (name, label) in enumerate(part.curves.items())
            if name in curves
        ],
        keys=[
            (f"c{place}", label)
            for place, (name, label) in enumerate(part.curves.items())
            if name in curves
        ],
        bands=[
            Band(label, frame.y(top) * HEIGHT, (frame.y(bottom) - frame.y(top)) * HEIGHT)
            for bottom, top, label in suspicious
        ],
        spans=list(spans_of(findings, frame)),
        marks=marks,
        x_ticks=ticks(*ends, whole=True) if ends[0] < ends[1] else [(0.0, f"{ends[0]:,}")],
        y_ticks=[
            (1 - place, label)
            for place, label in (log_ticks if part.logarithmic else ticks)(low, high)
        ],
        description=_description(part, {name: series[name] for name in names}),
        notes=[
            note for name in names for note in notes_of(part.curves[name], series[name], limits)
        ],
    )


def _log10(values: ArrayLike) -> np.ndarray:
    return np.log10(np.maximum(values, SMALLEST))


def _logarithmic(curve: ThinnedCurve) -> ThinnedCurve:
    mean, low, high = map(_log10, (curve.mean, curve.low, curve.high))
    return replace(curve, mean=mean, low=low, high=high)


def _description(part: Part, series: Series) -> str:
    """The chart in words, for screen readers."""
    changes = (
        f"{part.curves[name]} from {curve.first_value:.3g} to {curve.last_value:.3g}"
        for name, curve in series.items()
    )
    return f"{part.name} over the training's steps: {', '.join(changes)}."
