"""A reading: the canonical numbers of one stretch of training, with what rounding left of them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from itertools import pairwise


@dataclass(frozen=True, slots=True)
class Reading:
    """The mean of each signal over ``steps`` training steps that end with ``step``.

    Usually one step. Where the numbers handed in were running means with few printed decimals,
    a single step cannot be recovered but a longer stretch can, and the reading covers that.

    Every reading is a difference of two totals of some accumulator, one of ``before`` counts
    and one of ``after``; each was printed (or computed) with an error of at most ``rounding``
    times its count. Hence the uncertainty of the mean::

        rounding * (before + inner + after) / steps

    and, when neighbours are merged, the error of the total they share cancels.

    Args:
        step: the last training step covered, 0-based.
        steps: how many steps it covers, at least 1.
        values: signal to mean; only finite numbers are averages, NaN and infinity are kept.
        rounding: signal to the largest error of one printed number; 0 where missing.
        before: the count of the total taken away; 0 where the accumulator had just been reset.
        after: the count of the total it was taken from.
        inner: counts of totals between the ends whose errors do not cancel.
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
        """The signal's mean, or None where it was not reported."""
        return self.values.get(signal)

    def uncertainty(self, signal: str) -> float:
        """The largest error that rounding can have left in the signal's mean."""
        counts = self.before + self.inner + self.after
        return self.rounding.get(signal, 0.0) * counts / self.steps


def merge(readings: Sequence[Reading]) -> Reading:
    """One reading over consecutive readings: means weighted by steps, errors combined.

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
    values: dict[str, float] = {}
    rounding: dict[str, float] = {}
    for signal in first.values:
        known = [(r.values[signal], r.steps) for r in readings if signal in r.values]
        values[signal] = sum(v * n for v, n in known) / sum(n for _, n in known)
        rounding[signal] = max(r.rounding.get(signal, 0.0) for r in readings)
    steps = sum(r.steps for r in readings)
    return Reading(last.step, steps, values, rounding, first.before, last.after, inner)


class Blocks:
    """Gathers readings into blocks of at least ``steps`` training steps.

    One batch's accuracy is noisy, a block's is not: detectors that judge levels look at blocks.

    >>> blocks = Blocks(steps=2)
    >>> blocks.add(Reading(0, 1, {"d_acc": 1.0})) is None
    True
    >>> blocks.add(Reading(1, 1, {"d_acc": 0.5})).values
    {'d_acc': 0.75}
    """

    def __init__(self, steps: int) -> None:
        self.steps = steps
        self._open: list[Reading] = []
        self._covered = 0

    def add(self, reading: Reading) -> Reading | None:
        """The finished block that this reading completes, or None."""
        self._open.append(reading)
        self._covered += reading.steps
        if self._covered < self.steps:
            return None
        block = merge(self._open)
        self._open, self._covered = [], 0
        return block
