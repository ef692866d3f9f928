"""Consecutive readings in columns: most of a long log, taken in whole instead of one by one."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import overload

from keras_collapse.core.readings.reading import Reading


@dataclass(frozen=True, slots=True)
class Columns(Sequence[Reading]):
    """Readings of one training step each, without a gap, whose numbers are finite.

    Args:
        first_step: the step of the first one.
        values: signal to its numbers, as many of each, at least one.
        rounding: signal to the largest error of each number; None to use ``relative_rounding``.
        relative_rounding: the largest error of each number, relative to it.

    >>> columns = Columns(10, {"d_loss": [0.5, 0.7]})
    >>> columns[1].step, columns[1].values, columns.mean().values
    (11, {'d_loss': 0.7}, {'d_loss': 0.6})
    """

    first_step: int
    values: Mapping[str, Sequence[float]]
    rounding: Mapping[str, float] | None = None
    relative_rounding: float = 0.0

    def __len__(self) -> int:
        return len(next(iter(self.values.values())))

    @overload
    def __getitem__(self, place: int) -> Reading: ...
    @overload
    def __getitem__(self, place: slice) -> Columns: ...
    def __getitem__(self, place: int | slice) -> Reading | Columns:
        if isinstance(place, slice):
            first = self.first_step + place.indices(len(self))[0]
            part = {signal: numbers[place] for signal, numbers in self.values.items()}
            return Columns(first, part, self.rounding, self.relative_rounding)
        step = range(self.first_step, self.first_step + len(self))[place]
        values = {signal: numbers[place] for signal, numbers in self.values.items()}
        return Reading(step, 1, values, self._rounding_of(values))

    def _rounding_of(self, numbers: Mapping[str, float]) -> Mapping[str, float]:
        if self.rounding is not None:
            return self.rounding
        return {signal: abs(number) * self.relative_rounding for signal, number in numbers.items()}

    def sizes(self) -> dict[str, float]:
        """Return signal to the largest absolute value of its numbers."""
        return {s: max(*numbers, -min(numbers)) for s, numbers in self.values.items()}

    def mean(self) -> Reading:
        """Return what `merge` makes of these readings."""
        count = len(self)
        values = {signal: sum(numbers) / count for signal, numbers in self.values.items()}
        rounding = dict(self._rounding_of(self.sizes() if self.rounding is None else {}))
        step = self.first_step + count - 1
        return Reading(step, count, values, rounding, inner=count - 1)
