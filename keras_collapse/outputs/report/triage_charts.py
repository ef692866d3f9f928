"""The charts of a triage's report: D's and G's loss of every trial, for each batch size."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from keras_collapse import sources
from keras_collapse.core.errors import InputError
from keras_collapse.outputs.report.chart import Chart, line_of, notes_of
from keras_collapse.outputs.report.curves import Frame, scale, ticks
from keras_collapse.outputs.report.long_curve import LongCurve, ReadingCurves

LOSSES = {"d_loss": "D's loss", "g_loss": "G's loss"}
STYLES = ("failed", "healthy")
"""Outcomes with a colour of their own; all others share one."""
OTHER = "other"


@dataclass(frozen=True, slots=True)
class _Curve:
    trial: str
    says: str
    batch_size: int
    of_steps: LongCurve

    @property
    def style(self) -> str:
        return self.says if self.says in STYLES else OTHER


def triage_charts(rows: Sequence[Mapping[str, Any]]) -> list[Chart]:
    """Return the loss curves of all trials: a chart for each loss and batch size.

    The charts of one loss share their scale, so that batch sizes can be compared.

    Args:
        rows: for each trial its ``name``, ``says`` (its outcome), ``batch_size`` and ``folder``.
            Trials without a log are skipped.
    """
    curves = _curves_of(rows)
    every = [c for of_loss in curves.values() for c in of_loss]
    last = max((c.of_steps.last_step for c in every), default=0)
    charts = []
    for size in sorted({c.batch_size for c in every}):
        for signal, name in LOSSES.items():
            alike = [c for c in curves[signal] if c.batch_size == size]
            if alike:
                limits = scale([c.of_steps.thinned() for c in curves[signal]])
                charts.append(_chart(f"{name}, batch size {size}", alike, last, limits))
    return charts


def _curves_of(rows: Sequence[Mapping[str, Any]]) -> dict[str, list[_Curve]]:
    """The curves of each loss, in the order of the trials."""
    curves: dict[str, list[_Curve]] = {signal: [] for signal in LOSSES}
    for row in rows:
        readings = ReadingCurves()
        try:
            run = sources.read(Path(row["folder"]) / "run")
            sources.examine(run, keep_readings=False, on_readings=readings.take)
        except InputError:  # the trial ended before its first step
            continue
        for signal, curve in readings.curves().items():
            if signal in LOSSES:
                known = _Curve(row["name"], row["says"], row["batch_size"], curve)
                curves[signal].append(known)
    return curves


def _chart(name: str, curves: Sequence[_Curve], last: int, limits: tuple[float, float]) -> Chart:
    low, high = limits
    frame = Frame(0, last, low, high)
    outcomes: dict[str, dict[str, None]] = {style: {} for style in (*STYLES, OTHER)}
    for curve in curves:
        outcomes[curve.style][curve.says.replace("_", " ")] = None
    changes = (
        f"{c.trial} ({c.says}) from {c.of_steps.first_value:.3g} to {c.of_steps.last_value:.3g}"
        for c in curves
    )
    return Chart(
        name=name,
        wide=False,
        lines=[
            line_of(c.style, f"{c.trial}: {c.says.replace('_', ' ')}", c.of_steps.thinned(), frame)
            for c in curves
        ],
        keys=[(style, ", ".join(says)) for style, says in outcomes.items() if says],
        bands=[],
        spans=[],
        marks=[],
        x_ticks=ticks(0, last, whole=True) if last else [(0.0, "0")],
        y_ticks=[(1 - place, label) for place, label in ticks(low, high)],
        description=f"{name} over the training steps: {', '.join(changes)}.",
        notes=[note for c in curves for note in notes_of(c.trial, c.of_steps, limits)],
    )
