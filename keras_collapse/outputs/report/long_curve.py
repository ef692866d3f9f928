"""A curve of any length in bounded memory: thinned while it is read."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, fields

import numpy as np
from numpy.typing import ArrayLike

from keras_collapse.core.readings.columns import Columns
from keras_collapse.core.readings.objective import START_STEPS
from keras_collapse.core.readings.reading import Reading
from keras_collapse.core.readings.signals import SIGNALS
from keras_collapse.outputs.report.curves import POINTS, ThinnedCurve

MOST = 8 * POINTS
"""Stretches of steps that are kept; with more, neighbours are merged."""
BUFFER = 4096
"""Values of a signal that are taken in at once."""


@dataclass(frozen=True, slots=True)
class Stretches:
    """Consecutive stretches of a curve, as arrays (n,).

    Args:
        first, last: the first and the last step of each.
        mean, low, high: mean, minimum and maximum of its finite values; 0, infinity and minus
            infinity if there are none.
        finite: the number of those.
        count: the number of all values.
    """

    first: np.ndarray
    last: np.ndarray
    mean: np.ndarray
    low: np.ndarray
    high: np.ndarray
    finite: np.ndarray
    count: np.ndarray

    @classmethod
    def of(cls, steps: ArrayLike, values: ArrayLike) -> Stretches:
        """One stretch for each value."""
        numbers, places = np.asarray(values, float), np.asarray(steps, float)
        known = np.isfinite(numbers)
        return cls(
            places,
            places,
            np.where(known, numbers, 0.0),
            np.where(known, numbers, np.inf),
            np.where(known, numbers, -np.inf),
            known.astype(int),
            np.ones(len(numbers), int),
        )

    def then(self, others: Stretches) -> Stretches:
        """These, and others after them."""
        names = [one.name for one in fields(self)]
        return Stretches(*(np.append(getattr(self, n), getattr(others, n)) for n in names))

    def merged(self, starts: np.ndarray) -> Stretches:
        """Merge neighbours into stretches that begin at these places, of which the first is 0."""
        ends = np.append(starts[1:], len(self.first)) - 1
        finite = np.add.reduceat(self.finite, starts)
        whole = np.repeat(np.maximum(finite, 1), ends - starts + 1)
        # Divided before the sum, so that the largest floats do not add up to infinity.
        share = np.where(self.finite > 0, self.mean / (whole / np.maximum(self.finite, 1)), 0.0)
        return Stretches(
            self.first[starts],
            self.last[ends],
            np.add.reduceat(share, starts),
            np.minimum.reduceat(self.low, starts),
            np.maximum.reduceat(self.high, starts),
            finite,
            np.add.reduceat(self.count, starts),
        )


class LongCurve:
    """A curve that is read value by value; memory does not grow with its length.

    Attributes:
        first_step, last_step: the steps of its ends.
        first_value, last_value: the values there.
        highest, lowest: its extremes among finite values, each with its step; None without any.
        non_finite: how many values are NaN or infinite.
        first_non_finite: the step of the first of them.

    >>> curve = LongCurve([0, 1, 2], [3.0, float("nan"), 4.0])
    >>> curve.highest, curve.non_finite, curve.first_non_finite
    ((4.0, 2), 1, 1)
    """

    def __init__(self, steps: Sequence[int] = (), values: Sequence[float] = ()) -> None:
        self.first_step = self.last_step = 0
        self.first_value = self.last_value = math.nan
        self.highest: tuple[float, int] | None = None
        self.lowest: tuple[float, int] | None = None
        self.non_finite, self.first_non_finite = 0, 0
        self._stretches = Stretches.of([], [])
        self._length = 1  # values of a stretch
        self.extend(steps, values)

    @property
    def is_empty(self) -> bool:
        """Whether it has no value yet."""
        return not len(self._stretches.first)

    def extend(self, steps: Sequence[int], values: Sequence[float]) -> None:
        """Append values, one for each step; thousands at once cost the least.

        Args:
            steps: (n,), increasing, after those so far.
            values: (n,), NaN and infinity included.
        """
        numbers = np.asarray(values, float)
        if not len(numbers):
            return
        if self.is_empty:
            self.first_step, self.first_value = steps[0], float(numbers[0])
        self.last_step, self.last_value = steps[-1], float(numbers[-1])
        self._note_extremes(steps, numbers)
        new = Stretches.of(steps, numbers).merged(np.arange(0, len(numbers), self._length))
        self._stretches = self._stretches.then(new)
        if len(self._stretches.first) > MOST:
            self._stretches = self._stretches.merged(np.arange(0, len(self._stretches.first), 2))
            self._length *= 2

    def thinned(self) -> ThinnedCurve:
        """Return the curve, which must have a value, in at most `POINTS` stretches."""
        count = len(self._stretches.first)
        bounds = np.linspace(0, count, min(count, POINTS) + 1).astype(int)
        found = self._stretches.merged(bounds[:-1])
        none = np.where(found.finite == 0, np.nan, 0.0)
        return ThinnedCurve(
            at=(found.first + found.last) / 2,
            mean=found.mean + none,
            low=found.low + none,
            high=found.high + none,
            non_finite=found.finite < found.count,
        )

    def _note_extremes(self, steps: Sequence[int], values: np.ndarray) -> None:
        finite = np.isfinite(values)
        odd = np.flatnonzero(~finite)
        if len(odd):
            self.first_non_finite = self.first_non_finite if self.non_finite else steps[odd[0]]
            self.non_finite += len(odd)
        if len(odd) == len(values):
            return
        top = int(np.argmax(np.where(finite, values, -np.inf)))
        bottom = int(np.argmin(np.where(finite, values, np.inf)))
        if self.highest is None or values[top] > self.highest[0]:
            self.highest = float(values[top]), steps[top]
        if self.lowest is None or values[bottom] < self.lowest[0]:
            self.lowest = float(values[bottom]), steps[bottom]


class ReadingCurves:
    """The curves of a run's signals, from its readings.

    Attributes:
        first: the first `START_STEPS` readings.
    """

    def __init__(self) -> None:
        self.first: list[Reading] = []
        self._curves = {signal: LongCurve() for signal in SIGNALS}
        self._waiting: dict[str, tuple[list[int], list[float]]] = {s: ([], []) for s in SIGNALS}

    def take(self, readings: Sequence[Reading]) -> None:
        """Take the next readings."""
        if len(self.first) < START_STEPS:
            self.first += readings[: START_STEPS - len(self.first)]
        if isinstance(readings, Columns):
            steps = range(readings.first_step, readings.first_step + len(readings))
            for signal, numbers in readings.values.items():
                self._add(signal, steps, numbers)
            return
        for reading in readings:
            for signal, value in reading.values.items():
                self._add(signal, (reading.step,), (value,))

    def curves(self) -> dict[str, LongCurve]:
        """Return the curve of each signal that has a value."""
        for signal in SIGNALS:
            self._take_in(signal)
        return {s: curve for s, curve in self._curves.items() if not curve.is_empty}

    def _add(self, signal: str, steps: Sequence[int], values: Sequence[float]) -> None:
        waiting = self._waiting[signal]
        waiting[0].extend(steps)
        waiting[1].extend(values)
        if len(waiting[0]) >= BUFFER:
            self._take_in(signal)

    def _take_in(self, signal: str) -> None:
        self._curves[signal].extend(*self._waiting[signal])
        self._waiting[signal] = ([], [])
