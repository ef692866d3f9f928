"""A reading: the mean of each signal over a stretch of training, with its rounding uncertainty."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from itertools import chain, pairwise


@dataclass(slots=True)  # not frozen: one is made for each step, and freezing makes that slower
class SignalRow:
    """The signals of one line of a log, as logged, before un-averaging.

    Args:
        step: the training step, 0-based, strictly increasing.
        values: signal to number.
        rounding: signal to the largest error of the number as printed or computed.
        epoch: the epoch of the step; None if unknown.
    """

    step: int
    values: Mapping[str, float]
    rounding: Mapping[str, float] = field(default_factory=dict)
    epoch: int | None = None


@dataclass(slots=True)
class Reading:
    """The mean of each signal over ``steps`` training steps that end with ``step``.

    Usually it covers one step. If running means were printed with few decimals, single steps
    cannot be recovered, and it covers as many steps as are needed for a small uncertainty.

    A reading is the difference of two totals of an accumulator, over ``before`` and ``after``
    counts. Each total was printed (or computed) with an error of at most ``rounding`` times its
    count, so the uncertainty of the mean is::

        rounding * (before + inner + after) / steps

    When neighbouring readings are merged, the error of the total that they share cancels.

    Args:
        step: the last training step covered, 0-based.
        steps: the number of steps covered, at least 1.
        values: signal to mean; NaN and infinity are kept.
        rounding: signal to the largest error of one printed number; 0 if missing.
        before: count of the subtracted total; 0 after a reset of the accumulator.
        after: count of the total from which it was subtracted.
        inner: counts of totals in between whose errors do not cancel.
    """

    step: int
    steps: int
    values: Mapping[str, float]
    rounding: Mapping[str, float] = field(default_factory=dict)
    before: int = 0
    after: int = 1
    inner: int = 0

    @property
    def first_step(self) -> int:
        """The first training step covered."""
        return self.step - self.steps + 1

    def get(self, signal: str) -> float | None:
        """The signal's mean; None if it was not logged."""
        return self.values.get(signal)

    def uncertainty(self, signal: str) -> float:
        """The largest error of the signal's mean that rounding can cause."""
        counts = self.before + self.inner + self.after
        return self.rounding.get(signal, 0.0) * counts / self.steps


def merge(readings: Sequence[Reading]) -> Reading:
    """Merge consecutive readings into one: means weighted by steps, errors combined.

    >>> a = Reading(9, 10, {"d_loss": 0.6}, {"d_loss": 0.0005}, before=0, after=10)
    >>> b = Reading(19, 10, {"d_loss": 0.8}, {"d_loss": 0.0005}, before=10, after=20)
    >>> both = merge([a, b])
    >>> round(both.values["d_loss"], 3), round(both.uncertainty("d_loss"), 6)
    (0.7, 0.0005)
    """
    if len(readings) == 1:
        return readings[0]
    first, last = readings[0], readings[-1]
    inner = first.inner
    for left, right in pairwise(readings):
        shared = left.after == right.before
        inner += right.inner + (0 if shared else left.after + right.before)
    steps = sum([one.steps for one in readings])
    values: dict[str, float] = {}
    for signal in dict.fromkeys(chain.from_iterable([one.values for one in readings])):
        having = [one for one in readings if signal in one.values]
        covered = steps if len(having) == len(readings) else sum([one.steps for one in having])
        values[signal] = sum([one.values[signal] * one.steps for one in having]) / covered
    rounding: dict[str, float] = {}
    for errors in {id(one.rounding): one.rounding for one in readings}.values():
        for signal, error in errors.items():
            if error > rounding.get(signal, -1.0):
                rounding[signal] = error
    return Reading(last.step, steps, values, rounding, first.before, last.after, inner)


class Blocks:
    """Merges readings into blocks of at least ``steps`` training steps.

    A block's accuracy is less noisy than a batch's. Detectors of levels assess blocks.

    Attributes:
        parts: the readings of the latest block.

    >>> blocks = Blocks(steps=2)
    >>> blocks.add(Reading(0, 1, {"d_acc": 1.0})) is None
    True
    >>> blocks.add(Reading(1, 1, {"d_acc": 0.5})).values
    {'d_acc': 0.75}
    """

    def __init__(self, steps: int) -> None:
        self.steps = steps
        self.parts: Sequence[Reading] = ()
        self._open: list[Reading] = []
        self._covered = 0

    @property
    def is_open(self) -> bool:
        """Whether a block has begun and is not complete."""
        return bool(self._open)

    def add(self, reading: Reading) -> Reading | None:
        """Take a reading; return the block that it completes, else None."""
        self._open.append(reading)
        self._covered += reading.steps
        if self._covered < self.steps:
            return None
        self.parts = self._open
        self._open, self._covered = [], 0
        return merge(self.parts)
