"""Thinned curves of a chart, scaled and converted to SVG paths.

Matplotlib is used only to find round tick positions, a solved problem that needs no code of ours.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from matplotlib.ticker import MaxNLocator

POINTS = 600
"""Largest number of drawn points of a curve; more are indistinguishable at a page's width."""
WIDTH, HEIGHT = 2000, 600
"""Size of a chart in SVG units; the page scales it to the available width."""
USUAL = 0.98
"""Quantile of the minima and maxima that sets the scale if values beyond it are far off."""
FAR_OFF = 4.0
"""Ratio of the full span to the usual span from which the usual one is drawn."""
MARGIN = 0.04
"""Free space above and below the curves, as a share of the span."""


@dataclass(frozen=True, slots=True)
class ThinnedCurve:
    """A curve in at most `POINTS` stretches of steps, as arrays (n,).

    Args:
        at: the middle step of each stretch.
        mean, low, high: mean, minimum and maximum of its finite values; NaN if there are none.
        non_finite: whether it contains NaN or infinity.
    """

    at: np.ndarray
    mean: np.ndarray
    low: np.ndarray
    high: np.ndarray
    non_finite: np.ndarray


def scale(curves: Sequence[ThinnedCurve], include: Sequence[float] = ()) -> tuple[float, float]:
    """Return the least and largest value of a chart's scale.

    If a few values are far off, as when a loss explodes, the scale leaves them out.

    Args:
        curves: the curves that share the scale.
        include: values that must be on it.

    >>> at, values = np.array([0, 1]), np.array([0.0, 1.0])
    >>> scale([ThinnedCurve(at, values, values, values, np.isnan(values))])
    (-0.04, 1.04)
    """
    lows = np.concatenate([curve.low[np.isfinite(curve.low)] for curve in curves])
    highs = np.concatenate([curve.high[np.isfinite(curve.high)] for curve in curves])
    if not len(lows):
        lows = highs = np.asarray([*include] or [0.0, 1.0])
    least, most = np.quantile(lows, 1 - USUAL), np.quantile(highs, USUAL)
    with np.errstate(over="ignore"):
        if not highs.max() - lows.min() > FAR_OFF * (most - least) > 0:
            least, most = lows.min(), highs.max()
    least, most = min([least, *include]), max([most, *include])
    margin = 2 * MARGIN * (most / 2 - least / 2) or max(abs(most) * MARGIN, MARGIN)
    largest = np.finfo(float).max / 4  # so that the span is finite
    return float(max(least - margin, -largest)), float(min(most + margin, largest))


def ticks(low: float, high: float, whole: bool = False) -> list[tuple[float, str]]:
    """Return round values within the limits: position in [0, 1], and label.

    >>> ticks(0, 100_000, whole=True)[-1]
    (1.0, '100,000')
    """
    places = MaxNLocator(5, steps=[1, 2, 2.5, 5, 10], integer=whole).tick_values(low, high)
    within = [float(place) for place in places if low <= place <= high]
    return [((place - low) / (high - low), f"{place:,.6g}") for place in within]


def log_ticks(low: float, high: float) -> list[tuple[float, str]]:
    """Return round values on a logarithmic scale: position in [0, 1], and label.

    Args:
        low, high: the limits, as decimal logarithms.

    >>> [label for _, label in log_ticks(-1, 1)]
    ['0.1', '0.2', '0.5', '1', '2', '5', '10']
    """
    steps = (1, 2, 5) if high - low <= 2 else (1,)
    values = [m * 10.0**e for e in range(math.floor(low), math.ceil(high) + 1) for m in steps]
    places = [(math.log10(value), value) for value in values]
    return [((p - low) / (high - low), f"{v:,.6g}") for p, v in places if low <= p <= high]


@dataclass(frozen=True, slots=True)
class Frame:
    """Converts steps and values to SVG units.

    Args:
        first, last: the steps at the left and right edge.
        low, high: the values at the bottom and top.
    """

    first: float
    last: float
    low: float
    high: float

    def x(self, step: float) -> float:
        """The position of a step from the left, in [0, 1]."""
        return min(max((step - self.first) / max(self.last - self.first, 1), 0.0), 1.0)

    def y(self, value: float) -> float:
        """The position of a value from the top, clipped to [0, 1]."""
        return float(np.clip((self.high - value) / (self.high - self.low), 0.0, 1.0))

    def line(self, curve: ThinnedCurve) -> str:
        """The path of the means, with gaps where there is no finite value."""
        return "".join(
            "M" + "L".join(self._points(curve.at[part], curve.mean[part]))
            for part in _finite_parts(curve.mean)
        )

    def shade(self, curve: ThinnedCurve) -> str:
        """The path around minima and maxima; empty if they are equal everywhere."""
        if not np.nanmax(curve.high - curve.low, initial=0.0) > 0:
            return ""
        return "".join(
            "M"
            + "L".join(
                [
                    *self._points(curve.at[part], curve.high[part]),
                    *self._points(curve.at[part][::-1], curve.low[part][::-1]),
                ]
            )
            + "Z"
            for part in _finite_parts(curve.mean)
        )

    def dots(self, curve: ThinnedCurve) -> str:
        """The path of a point for each value."""
        return "".join(
            f"M{point}h0"
            for part in _finite_parts(curve.mean)
            for point in self._points(curve.at[part], curve.mean[part])
        )

    def non_finite(self, curve: ThinnedCurve) -> str:
        """The path of a dash at the top for each stretch with NaN or infinity."""
        return "".join(f"M{self.x(step) * WIDTH:.0f} 0h3" for step in curve.at[curve.non_finite])

    def _points(self, steps: np.ndarray, values: np.ndarray) -> list[str]:
        return [
            f"{self.x(step) * WIDTH:.0f} {self.y(value) * HEIGHT:.0f}"
            for step, value in zip(steps, values, strict=True)
        ]


def _finite_parts(values: np.ndarray) -> Iterator[slice]:
    """The slices of consecutive values that are not NaN."""
    edges = np.flatnonzero(np.diff(np.isnan(values), prepend=True, append=True))
    for start, end in zip(edges[::2], edges[1::2], strict=True):
        yield slice(start, end)
