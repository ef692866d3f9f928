"""Infers how logged numbers were averaged, and undoes the averaging.

Keras logs running means of several kinds, and a log does not state which. A running mean moves by
about 1/n at its n-th value; a batch's own number does not slow down. Each hypothesis implies the
batches' numbers, and the most likely hypothesis is used (see `negative_log_likelihood`).
"""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Iterable
from enum import StrEnum

from keras_collapse.core.readings.likelihood import (
    epoch_starts,
    negative_log_likelihood,
    origin_of,
)
from keras_collapse.core.readings.reading import Reading, SignalRow


class Averaging(StrEnum):
    """What a logged number is the mean of."""

    BATCH = "batch"  # its own batch
    EPOCH = "epoch"  # all batches since the epoch began
    RUN = "run"  # all batches since the run began
    LAST = "last"  # the epoch's last batch, one number per epoch


DECIDE_AFTER = 48
"""Rows before the averaging is decided. On the two published logs of the camel notebook the right
hypothesis leads by more than a hundred nats by then; no verdict rests on so few steps."""
DECIDE_AT_LAST = 256
"""Rows after which the hint, else ``batch``, is used if no hypothesis leads."""
BOUNDARY_ROWS = 8
"""Rows of a new epoch before deciding whether the mean was reset."""
LEAD = 6.0
"""Nats by which a hypothesis must lead: odds of 400 to 1."""
PRIOR = 10.0
"""Nats in favour of the caller's hint (a metric of the model, the Keras version)."""
RESOLUTION = 0.005
"""Largest uncertainty of a reading: a sixth of the width of the triage guide's D loss band."""


class Unaverager:
    """Turns logged rows into readings, with the averaging undone.

    The mean m over steps a+1 … b of a running mean M is m = (b M_b - a M_a) / (b - a).

    Args:
        averaging: how the rows were averaged, an `Averaging` value; None to infer it.
        hint: the expected averaging; the numbers may overrule it.
        origin: the step at which the running mean began; None to infer it from the first rows.

    Attributes:
        averaging: the averaging given or inferred; None while undecided.
        held: rows not yet turned into readings.

    >>> undo = Unaverager("run")
    >>> rows = [SignalRow(step, {"g_acc": mean}) for step, mean in enumerate((1.0, 0.5, 2 / 3))]
    >>> [round(r.values["g_acc"], 6) for row in rows for r in undo.push(row)]
    [1.0, 0.0, 1.0]
    """

    def __init__(
        self,
        averaging: str | None = None,
        hint: str | None = None,
        origin: int | None = None,
    ) -> None:
        self.averaging = Averaging(averaging) if averaging else None
        self.hint = Averaging(hint) if hint else None
        self.held: list[SignalRow] = []
        self._origin = origin
        self._resets_known = averaging is not None
        self._previous: SignalRow | None = None  # the last row whose total was used
        self._skipped: SignalRow | None = None  # a later row, too uncertain to use alone
        self._recent: deque[SignalRow] = deque(maxlen=DECIDE_AFTER)

    def push(self, row: SignalRow) -> list[Reading]:
        """Take a row; return the readings whose uncertainty is now at most `RESOLUTION`."""
        self.held.append(row)
        return self._advance(closing=False)

    def close(self) -> list[Reading]:
        """Return the readings still held back at the end of a log."""
        readings = self._advance(closing=True)
        if self._skipped is not None and self._previous is not None:
            readings.append(self._difference(self._previous, self._skipped))
            self._previous, self._skipped = self._skipped, None
        return readings

    # -- deciding ------------------------------------------------------------------------

    def _advance(self, closing: bool) -> list[Reading]:
        if self.averaging is None and not self._decide(closing):
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
        """Decide between a batch's numbers and running means; return False if undecided."""
        rows = self.held
        finite = all(math.isfinite(v) for row in rows for v in row.values.values())
        if finite and len(rows) < DECIDE_AFTER and not closing:
            return False
        rows = rows if finite else rows[:-1]
        # The means of a log that begins in mid-run began with the log or at step 0.
        known = [self._origin] if self._origin is not None else []
        origins = known or ([origin_of(rows), rows[0].step] if rows else [0])
        options: list[tuple[float, Averaging, int]] = []
        for origin in dict.fromkeys(origins):
            options += [
                (negative_log_likelihood(rows, [None] * len(rows)), Averaging.BATCH, origin),
                (
                    negative_log_likelihood(rows, epoch_starts(rows, origin)),
                    Averaging.EPOCH,
                    origin,
                ),
                (negative_log_likelihood(rows, [origin] * len(rows)), Averaging.RUN, origin),
            ]
        options = [(cost - PRIOR * (kind is self.hint), kind, o) for cost, kind, o in options]
        best, kind, origin = min(options, key=lambda option: option[0])
        several_epochs = bool(rows) and rows[0].epoch != rows[-1].epoch
        rivals = [
            cost
            for cost, other, _ in options
            if other is not kind and (several_epochs or Averaging.BATCH in (kind, other))
        ]
        if min(rivals) - best < LEAD:
            if finite and len(rows) < DECIDE_AT_LAST and not closing:
                return False
            kind = self.hint or Averaging.BATCH
        elif not several_epochs and kind is not Averaging.BATCH:
            kind = Averaging.EPOCH if self.hint is Averaging.EPOCH else Averaging.RUN
        self.averaging, self._origin = kind, origin
        self._resets_known = several_epochs or kind is Averaging.BATCH
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
        kept = negative_log_likelihood(rows, [self._origin] * len(rows))
        reset = negative_log_likelihood(rows, epoch_starts(rows, self._origin))
        self.averaging = min(
            (reset - PRIOR * (self.hint is Averaging.EPOCH), Averaging.EPOCH),
            (kept - PRIOR * (self.hint is Averaging.RUN), Averaging.RUN),
        )[1]
        self._resets_known = True
        return True

    # -- undoing -------------------------------------------------------------------------

    def _undo(self, row: SignalRow) -> list[Reading]:
        previous = self._skipped or self._previous
        if self.averaging in (Averaging.BATCH, Averaging.LAST):
            steps = row.step - previous.step if previous else 1
            self._previous = row
            return [Reading(row.step, steps, row.values, row.rounding, before=0, after=steps)]
        if self._origin is None:
            self._origin = origin_of([row])
        readings = []
        epoch_began = previous is not None and row.epoch != previous.epoch
        if self.averaging is Averaging.EPOCH and epoch_began and previous is not None:
            if self._skipped is not None and self._previous is not None:
                readings.append(self._difference(self._previous, self._skipped))
            self._origin, self._previous, self._skipped = previous.step + 1, None, None
        if self._previous is None:
            count = row.step - self._origin + 1
            readings.append(
                Reading(row.step, count, row.values, row.rounding, before=0, after=count)
            )
            self._previous = row
            return readings
        reading = self._difference(self._previous, row)
        if all(reading.uncertainty(signal) <= RESOLUTION for signal in reading.values):
            self._previous, self._skipped = row, None
            readings.append(reading)
        else:
            self._skipped = row
        return readings

    def _difference(self, start: SignalRow, end: SignalRow) -> Reading:
        """The mean over (start, end]: m = (b M_b - a M_a) / (b - a) for means of a and b steps."""
        assert self._origin is not None
        a, b = start.step - self._origin + 1, end.step - self._origin + 1
        values = {
            signal: (b * mean - a * start.values[signal]) / (b - a)
            for signal, mean in end.values.items()
            if signal in start.values
        }
        return Reading(end.step, b - a, values, end.rounding, before=a, after=b)


def batch_size_of(accuracies: Iterable[float], largest: int = 4096) -> int | None:
    """Return the smallest batch size of which all accuracies are multiples of 1/size.

    A batch of m scores k/m; a mean over many batches can have nearly any value. This separates an
    epoch's last batch from an epoch's mean.

    Args:
        accuracies: numbers in [0, 1].
        largest: the largest batch size that is tried.

    Returns:
        The size; None if none fits, or there are fewer than five different values in (0, 1).

    >>> batch_size_of([0.25, 0.5, 0.75, 0.125, 0.875, 1.0])
    8
    """
    values = sorted({a for a in accuracies if 0 < a < 1})
    if len(values) < 5:
        return None
    for size in range(2, largest + 1):
        if all(abs(a * size - round(a * size)) < 1e-6 * size for a in values):
            return size
    return None
