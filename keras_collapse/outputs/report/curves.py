"""Curves for a page: thinned without losing a spike, scaled, and written as paths of an SVG."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from matplotlib.ticker import MaxNLocator
from numpy.typing import ArrayLike

POINTS = 600
"""Points of a curve that are drawn: more cannot be told apart at a page's width."""
WIDTH, HEIGHT = 2000, 600
"""The drawing's own units; the page stretches it to the room there is."""
USUAL = 0.98
"""Share of the stretches, least and largest each, that set the scale where the rest is far off."""
FAR_OFF = 4.0
"""Times the usual span from which the whole span would flatten all else."""
MARGIN = 0.04
"""Of the span, above and below."""


@dataclass(frozen=True, slots=True)
class Thinned:
    """A curve in at most `POINTS` stretches, arrays (n,); NaN where a stretch has no finite value.

    Args:
        at: the middle step of each stretch.
        mean, low, high: of its finite values.
        lost: whether it holds values that are not finite.
    """

    at: np.ndarray
    mean: np.ndarray
    low: np.ndarray
    high: np.ndarray
    lost: np.ndarray


def thinned(steps: ArrayLike, values: ArrayLike) -> Thinned:
    """Means, minima and maxima of at most `POINTS` stretches.

    >>> curve = thinned([0, 1, 2], [3.0, float("nan"), 4.0])
    >>> curve.at.tolist(), curve.mean.tolist(), curve.lost.tolist()
    ([0.0, 1.0, 2.0], [3.0, nan, 4.0], [False, True, False])
    """
    numbers, places = np.asarray(values, float), np.asarray(steps, float)
    bounds = np.linspace(0, len(numbers), min(len(numbers), POINTS) + 1).astype(int)
    starts, ends = bounds[:-1], bounds[1:] - 1
    finite = np.isfinite(numbers)
    known = np.add.reduceat(finite.astype(int), starts)
    none = np.where(known == 0, np.nan, 0.0)
    # Divided before they are added, lest the largest floats add up to infinity.
    share = np.where(finite, numbers, 0.0) / np.repeat(np.maximum(known, 1), ends - starts + 1)
    return Thinned(
        at=(places[starts] + places[ends]) / 2,
        mean=np.add.reduceat(share, starts) + none,
        low=np.minimum.reduceat(np.where(finite, numbers, np.inf), starts) + none,
        high=np.maximum.reduceat(np.where(finite, numbers, -np.inf), starts) + none,
        lost=known < ends - starts + 1,
    )


def scale(curves: Sequence[Thinned], include: Sequence[float] = ()) -> tuple[float, float]:
    """The least and largest value that are drawn; an exploding end does not flatten the rest.

    Args:
        curves: that share the scale.
        include: values that must be on it.

    >>> scale([thinned([0, 1], [0.0, 1.0])])
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
    largest = np.finfo(float).max / 4  # whose span is still a number
    return float(max(least - margin, -largest)), float(min(most + margin, largest))


def ticks(low: float, high: float, whole: bool = False) -> list[tuple[float, str]]:
    """Round values within the limits: where each stands, in [0, 1], and its words.

    >>> ticks(0, 100_000, whole=True)[-1]
    (1.0, '100,000')
    """
    places = MaxNLocator(5, steps=[1, 2, 2.5, 5, 10], integer=whole).tick_values(low, high)
    within = [float(place) for place in places if low <= place <= high]
    return [((place - low) / (high - low), f"{place:,.6g}") for place in within]


def log_ticks(low: float, high: float) -> list[tuple[float, str]]:
    """Round values within the limits of a logarithmic scale, which are powers of ten.

    >>> [words for _, words in log_ticks(-1, 1)]
    ['0.1', '0.2', '0.5', '1', '2', '5', '10']
    """
    steps = (1, 2, 5) if high - low <= 2 else (1,)
    values = [m * 10.0**e for e in range(math.floor(low), math.ceil(high) + 1) for m in steps]
    places = [(math.log10(value), value) for value in values]
    return [((p - low) / (high - low), f"{v:,.6g}") for p, v in places if low <= p <= high]


@dataclass(frozen=True, slots=True)
class Frame:
    """Steps and values to the drawing's units.

    Args:
        first, last: the steps at its left and right end.
        low, high: the values at its bottom and top.
    """

    first: float
    last: float
    low: float
    high: float

    def across(self, step: float) -> float:
        """Where a step is, in [0, 1]."""
        return min(max((step - self.first) / max(self.last - self.first, 1), 0.0), 1.0)

    def down(self, value: float) -> float:
        """Where a value is, in [0, 1] from the top; beyond the scale it is at its edge."""
        return float(np.clip((self.high - value) / (self.high - self.low), 0.0, 1.0))

    def line(self, curve: Thinned) -> str:
        """The means, with a gap where there is none."""
        return "".join(
            "M" + "L".join(self._points(curve.at[part], curve.mean[part]))
            for part in _whole_parts(curve.mean)
        )

    def shade(self, curve: Thinned) -> str:
        """From the least to the largest of each stretch; empty where that is the line itself."""
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
            for part in _whole_parts(curve.mean)
        )

    def dots(self, curve: Thinned) -> str:
        """A point for each value."""
        return "".join(
            f"M{point}h0"
            for part in _whole_parts(curve.mean)
            for point in self._points(curve.at[part], curve.mean[part])
        )

    def lost(self, curve: Thinned) -> str:
        """A dash at the top for each stretch with values that are not finite."""
        return "".join(f"M{self.across(step) * WIDTH:.0f} 0h3" for step in curve.at[curve.lost])

    def _points(self, steps: np.ndarray, values: np.ndarray) -> list[str]:
        return [
            f"{self.across(step) * WIDTH:.0f} {self.down(value) * HEIGHT:.0f}"
            for step, value in zip(steps, values, strict=True)
        ]


def _whole_parts(values: np.ndarray) -> Iterator[slice]:
    """Stretches of neighbours that are all numbers."""
    edges = np.flatnonzero(np.diff(np.isnan(values), prepend=True, append=True))
    for start, end in zip(edges[::2], edges[1::2], strict=True):
        yield slice(start, end)
