"""Curves of a run, drawn for a report."""

from __future__ import annotations

import io
import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from keras_collapse.core.detectors.discriminator_pinned import D_ACC_BAND, D_LOSS_BAND
from keras_collapse.core.findings import Finding, Severity

POINTS = 500
"""Points of a curve that are drawn: more cannot be told apart at this width."""
PARTS: tuple[tuple[str, Mapping[str, str], tuple[float, float] | None], ...] = (
    ("losses", {"d_loss": "D", "d_loss_real": "D on real", "d_loss_fake": "D on fake",
                "g_loss": "G"}, D_LOSS_BAND),
    ("accuracies of D", {"d_acc": "all", "d_acc_real": "on real", "d_acc_fake": "on fake"},
     D_ACC_BAND),
    ("samples", {"missing_share": "data missed", "coverage": "coverage", "density": "density"},
     None),
)  # fmt: skip
"""Each part of the picture: its name, its curves, and the guide's band."""
NEAR = 0.02
"""Share of the steps within which numbers of findings stand together."""
Series = Mapping[str, tuple[Sequence[int], Sequence[float]]]
"""Name to steps and values."""


def thinned(steps: Sequence[int], values: Sequence[float]) -> tuple[np.ndarray, ...]:
    """Steps, means, minima and maxima of at most `POINTS` stretches, so that no spike is lost.

    >>> [part.tolist() for part in thinned([0, 1], [3.0, 4.0])]
    [[0, 1], [3.0, 4.0], [3.0, 4.0], [3.0, 4.0]]
    """
    count = min(len(values), POINTS)
    places = np.array_split(np.asarray(steps), count) if count else []
    parts = np.array_split(np.asarray(values, float), count) if count else []
    means = [part.mean() for part in parts]
    lows, highs = [part.min() for part in parts], [part.max() for part in parts]
    return np.array([p[-1] for p in places]), np.array(means), np.array(lows), np.array(highs)


def curves_svg(series: Series, findings: Sequence[Finding], last: int) -> str:
    """All curves over the same steps, findings numbered and shaded; empty where there is none.

    Args:
        series: of the run.
        findings: in the order in which the report has them.
        last: the run's last step.
    """
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    parts = [part for part in PARTS if any(name in series for name in part[1])]
    if not parts:
        return ""
    with pyplot.rc_context(
        {"svg.fonttype": "none", "font.size": 9, "svg.hashsalt": "keras-collapse"}
    ):
        figure, axes = pyplot.subplots(
            len(parts), 1, figsize=(8, 2.1 * len(parts) + 0.5), sharex=True, squeeze=False
        )
        for axis, (name, curves, band) in zip(axes[:, 0], parts, strict=True):
            _draw(axis, {words: series[k] for k, words in curves.items() if k in series})
            if band is not None:
                axis.axhspan(*band, color="#c62828", alpha=0.15, linewidth=0)
            _mark(axis, findings, last)
            axis.set_ylabel(name)
            axis.grid(alpha=0.25)
            axis.set_xlim(0, max(last, 1))
            axis.legend(fontsize=7, ncols=4, loc="lower left", framealpha=0.6)
        axes[-1, 0].set_xlabel("training step")
        figure.tight_layout(h_pad=0.4)
        picture = io.StringIO()
        figure.savefig(picture, format="svg", metadata={"Date": None, "Creator": None})
        pyplot.close(figure)
    text = picture.getvalue()
    return text[text.index("<svg") :]


def _draw(axis: Any, curves: Series) -> None:
    tops = []
    for name, (steps, values) in curves.items():
        at, means, lows, highs = thinned(steps, values)
        finite = means[np.isfinite(means)]
        if finite.size:
            tops.append(np.quantile(finite, 0.99))
        (line,) = axis.plot(at, means, linewidth=1.2, label=name)
        axis.fill_between(at, lows, highs, color=line.get_color(), alpha=0.2, linewidth=0)
    top = 3 * max(tops, default=1.0)
    if math.isfinite(top) and axis.get_ylim()[1] > top > 0:
        axis.set_ylim(top=top)  # an exploding end would flatten all that came before


def _mark(axis: Any, findings: Sequence[Finding], last: int) -> None:
    """Each finding's number where it began, its stretch shaded."""
    labels: dict[int, tuple[list[str], str]] = {}
    for number, finding in enumerate(findings, 1):
        if finding.severity is Severity.INFO:
            continue
        colour = "#c62828" if finding.severity is Severity.FAILED else "#b26a00"
        end = finding.last_step if finding.healed else last
        axis.axvspan(finding.first_step, end, color=colour, alpha=0.06, linewidth=0)
        axis.axvline(finding.first_step, color=colour, linewidth=1, linestyle="--")
        near = (at for at in labels if abs(at - finding.first_step) < last * NEAR)
        place = next(near, finding.first_step)
        labels.setdefault(place, ([], colour))[0].append(str(number))
    for place, (numbers, colour) in labels.items():
        axis.annotate(
            ", ".join(numbers), (place, 1), xycoords=("data", "axes fraction"), color=colour,
            fontsize=9, fontweight="bold", ha="center", va="bottom",
        )  # fmt: skip
