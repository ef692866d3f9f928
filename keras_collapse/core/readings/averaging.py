"""Undoes the averaging of logged numbers, where it is known or can be inferred."""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass

from keras_collapse.core.errors import InputError
from keras_collapse.core.readings.inference import (
    DECIDE_AFTER,
    Averaging,
    epoch_starts,
    infer,
    origin_of,
)
from keras_collapse.core.readings.likelihood import negative_log_likelihood, walk
from keras_collapse.core.readings.reading import Reading, SignalRow
from keras_collapse.core.readings.update_counts import UpdateCounts

BOUNDARY_ROWS = 8
"""Rows of a new epoch before deciding whether the mean was reset."""
ROWS_KEPT = 48
"""Rows before a new epoch that are compared with those."""
NO_COUNTS: Mapping[str, int] = {}
RESOLUTION = 0.005
"""Largest uncertainty of a reading: a sixth of the width of the triage guide's D loss band."""


@dataclass(slots=True)
class _Total:
    """A logged row, and how many numbers the means of each network are over."""

    row: SignalRow
    counts: Mapping[str, int]


class Unaverager:
    """Turns logged rows into readings, with the averaging undone.

    The mean m over steps a+1 … b of a running mean M is m = (b M_b - a M_a) / (b - a).

    An averaging that is given is never questioned. One that the numbers do not show is not undone:
    the readings are then the numbers as logged.

    Args:
        averaging: how the rows were averaged, an `Averaging` value; None to infer it.
        origin: the step at which the running mean began; None to infer it from the first rows.

    Raises:
        InputError: there is no such averaging.

    Attributes:
        averaging: the averaging given or inferred; None while, or where, it is unknown.
        held: rows not yet turned into readings.

    >>> undo = Unaverager("run")
    >>> rows = [SignalRow(step, {"g_acc": mean}) for step, mean in enumerate((1.0, 0.5, 2 / 3))]
    >>> [round(r.values["g_acc"], 6) for row in rows for r in undo.push(row)]
    [1.0, 0.0, 1.0]
    """

    def __init__(self, averaging: str | None = None, origin: int | None = None) -> None:
        known = [str(one) for one in Averaging]
        if averaging and averaging not in known:
            raise InputError(f"averaging: use {', '.join(known)}. Received: {averaging!r:.80}.")
        self.averaging = Averaging(averaging) if averaging else None
        self.held: list[SignalRow] = []
        self._origin = origin
        self._epoch_steps: int | None = None
        self._first: tuple[int, int] | None = None  # an epoch and the step it began with
        self._decided = self._resets_known = averaging is not None
        self._counts = UpdateCounts()
        self._latest: dict[str, float] = {}  # each signal's latest un-averaged number
        self._previous: _Total | None = None  # the last total that was used
        self._skipped: _Total | None = None  # a later one, too uncertain to use alone
        self._recent: deque[SignalRow] = deque(maxlen=ROWS_KEPT)

    def push(self, row: SignalRow) -> list[Reading]:
        """Take a row; return the readings whose uncertainty is now at most `RESOLUTION`."""
        if self._resets_known and not self.held:
            return self._undo(row)
        self.held.append(row)
        return self._advance(closing=False)

    def pass_over(self, first_step: int, last_step: int) -> bool:
        """Take rows without a gap that are their own readings; return False if they are not.

        So it is where nothing is averaged, or where that cannot be seen.
        """
        if (
            not self._decided
            or self.held
            or self.averaging in (Averaging.EPOCH, Averaging.RUN)
            or self._previous is None
            or self._previous.row.step + 1 != first_step
        ):
            return False
        self._previous = _Total(SignalRow(last_step, {}), NO_COUNTS)
        return True

    def close(self) -> list[Reading]:
        """Return the readings still held back at the end of a log."""
        readings = self._advance(closing=True)
        if self._skipped is not None and self._previous is not None:
            readings.append(self._difference(self._previous, self._skipped))
            self._previous, self._skipped = self._skipped, None
        return readings

    # -- deciding ------------------------------------------------------------------------

    def _advance(self, closing: bool) -> list[Reading]:
        if not self._decided and not self._decide(closing):
            return []
        readings: list[Reading] = []
        while self.held:
            if self._at_unknown_boundary(self.held[0]) and not self._decide_reset(closing):
                break
            row = self.held.pop(0)
            readings.extend(self._undo(row))
            self._recent.append(row)
        return readings

    def _decide(self, closing: bool) -> bool:
        """Infer the averaging from the first rows; return False if more are to come."""
        finite = all(math.isfinite(v) for v in self.held[-1].values.values()) if self.held else True
        if finite and len(self.held) < DECIDE_AFTER and not closing:
            return False
        found = infer(self.held if finite else self.held[:-1], self._origin)
        self.averaging, self._origin = found.averaging, found.origin
        self._epoch_steps = found.epoch_steps
        self._decided, self._resets_known = True, found.resets_known
        if self.held and self.held[0].epoch is not None:
            self._first = self.held[0].epoch, found.origin
        return True

    def _at_unknown_boundary(self, row: SignalRow) -> bool:
        """Whether ``row`` begins an epoch and it is unknown whether that resets the mean."""
        return not self._resets_known and bool(self._recent) and row.epoch != self._recent[-1].epoch

    def _decide_reset(self, closing: bool) -> bool:
        """Decide from rows on both sides whether an epoch reset the mean; False if undecided."""
        epoch = self.held[0].epoch
        opening = [row for row in self.held if row.epoch == epoch]
        if len(opening) < BOUNDARY_ROWS and len(opening) == len(self.held) and not closing:
            return False
        assert self._origin is not None
        rows = [*self._recent, *opening]
        kept = negative_log_likelihood(rows, [self._origin] * len(rows), walk)
        reset = negative_log_likelihood(rows, epoch_starts(rows, self._origin), walk)
        self.averaging = Averaging.EPOCH if reset < kept else Averaging.RUN
        self._resets_known = True
        return True

    # -- undoing -------------------------------------------------------------------------

    def _undo(self, row: SignalRow) -> list[Reading]:
        last = self._skipped or self._previous
        if self.averaging not in (Averaging.EPOCH, Averaging.RUN):
            steps = row.step - last.row.step if last else 1
            self._previous = _Total(row, NO_COUNTS)
            return [Reading(row.step, steps, row.values, row.rounding, before=0, after=steps)]
        if self._origin is None:
            self._origin = origin_of([row])
        readings = []
        if self.averaging is Averaging.EPOCH and last is not None and row.epoch != last.row.epoch:
            if self._skipped is not None and self._previous is not None:
                readings.append(self._difference(self._previous, self._skipped))
            self._origin = self._start_of_epoch(row, last.row)
            self._previous = self._skipped = None
            self._counts.reset()
        count = row.step - self._origin + 1
        total = _Total(row, self._counts.add(row, count))
        if self._previous is None:
            values = {s: v for s, v in row.values.items() if total.counts[s[0]] > 0}
            self._latest = dict(values)
            readings.append(Reading(row.step, count, values, row.rounding, before=0, after=count))
            self._previous = total
            return readings
        reading = self._difference(self._previous, total)
        if all(reading.uncertainty(signal) <= RESOLUTION for signal in reading.values):
            self._previous, self._skipped = total, None
            self._latest |= reading.values
            readings.append(reading)
        else:
            self._skipped = total
        return readings

    def _start_of_epoch(self, row: SignalRow, last: SignalRow) -> int:
        """The first step of the epoch that ``row`` is the first logged row of."""
        if self._epoch_steps is None or self._first is None or row.epoch is None:
            return last.step + 1
        epoch, began = self._first
        start = began + (row.epoch - epoch) * self._epoch_steps
        return min(max(start, last.step + 1), row.step)

    def _difference(self, start: _Total, end: _Total) -> Reading:
        """The mean over (start, end]: m = (b M_b - a M_a) / (b - a) for means of a and b numbers.

        A signal without a new number keeps its latest one.
        """
        assert self._origin is not None
        values: dict[str, float] = {}
        for signal, mean in end.row.values.items():
            a, b = start.counts.get(signal[0], 0), end.counts[signal[0]]
            if b > a and (a == 0 or signal in start.row.values):
                values[signal] = (b * mean - a * start.row.values.get(signal, 0.0)) / (b - a)
            elif b == a and signal in self._latest:
                values[signal] = self._latest[signal]
        a, b = start.row.step - self._origin + 1, end.row.step - self._origin + 1
        return Reading(end.row.step, b - a, values, end.row.rounding, before=a, after=b)
