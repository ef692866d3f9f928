"""How logged numbers had been averaged: recognised from the numbers themselves, and undone.

Keras hands out running means in several guises, and nothing in a log says which. But a running
mean moves less and less, by about 1/n at its n-th value, and a batch's own number does not.
That decides: each hypothesis implies what the batches' numbers must have been, and the one under
which they look least surprising wins (a likelihood with the change of variables accounted for).
"""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from itertools import pairwise
from statistics import median

from keras_collapse.core.readings.reading import Reading


class Averaging(StrEnum):
    """What one logged number is the mean of."""

    BATCH = "batch"  # its own batch
    EPOCH = "epoch"  # all batches since the epoch began
    RUN = "run"  # all batches since the run began
    LAST = "last"  # the epoch's last batch, one number per epoch


@dataclass(frozen=True, slots=True)
class Row:
    """One line of a log: signals as they were handed in.

    Args:
        step: the training step, 0-based, strictly growing.
        values: signal to number.
        rounding: signal to the largest error of the number as printed or computed.
        epoch: the epoch the step belongs to, where known.
    """

    step: int
    values: Mapping[str, float]
    rounding: Mapping[str, float] = field(default_factory=dict)
    epoch: int | None = None


DECIDE_AFTER = 48
"""Rows to look at before deciding: on the two published logs the right hypothesis leads by more
than a hundred nats by then, and a training does nothing yet that a verdict could rest on."""
DECIDE_AT_LAST = 256
"""Rows after which a log that never moved is taken at its word."""
BOUNDARY_ROWS = 8
"""Rows of a new epoch to look at before saying whether the mean was reset."""
LEAD = 6.0
"""Nats by which a hypothesis must lead: odds of 400 to 1."""
PRIOR = 10.0
"""Nats in favour of what the caller knows (a metric of the model, the Keras version)."""
IMPOSSIBLE = 25.0
"""Nats against a hypothesis for each accuracy it implies outside [0, 1]."""
RESOLUTION = 0.005
"""Uncertainty of a reading that is worth having: a third of the guide's D loss band."""


class Unaverager:
    """Rows in, readings out, with the averaging undone.

    Args:
        averaging: how the rows had been averaged, if known; recognised otherwise.
        hint: what the caller expects; the numbers may overrule it.
        origin: the step at which a running mean began; None: from the first rows.

    >>> undo = Unaverager("run")
    >>> rows = [Row(0, {"g_acc": 1.0}), Row(1, {"g_acc": 0.5}), Row(2, {"g_acc": 2 / 3})]
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
        self.held: list[Row] = []
        self._origin = origin
        self._resets_known = averaging is not None
        self._previous: Row | None = None  # the last row whose total was used
        self._skipped: Row | None = None  # a later row, too uncertain to use alone
        self._recent: deque[Row] = deque(maxlen=DECIDE_AFTER)

    def push(self, row: Row) -> list[Reading]:
        """Take one row; give the readings that are now certain enough."""
        self.held.append(row)
        return self._advance(closing=False)

    def close(self) -> list[Reading]:
        """Give what is left at the end of a log."""
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
        """Batch or running mean? False while it is too early to say."""
        rows = self.held
        finite = all(math.isfinite(v) for row in rows for v in row.values.values())
        if finite and len(rows) < DECIDE_AFTER and not closing:
            return False
        rows = rows if finite else rows[:-1]
        # A log that begins in mid-run can hold means since its own beginning or since step 0.
        known = [self._origin] if self._origin is not None else []
        origins = known or ([_origin_of(rows), rows[0].step] if rows else [0])
        options: list[tuple[float, Averaging, int]] = []
        for origin in dict.fromkeys(origins):
            options += [
                (surprise(rows, [None] * len(rows)), Averaging.BATCH, origin),
                (surprise(rows, _epoch_starts(rows, origin)), Averaging.EPOCH, origin),
                (surprise(rows, [origin] * len(rows)), Averaging.RUN, origin),
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

    def _at_unknown_boundary(self, row: Row) -> bool:
        """Does ``row`` open a new epoch while nobody knows yet whether that resets the mean?"""
        return not self._resets_known and bool(self._recent) and row.epoch != self._recent[-1].epoch

    def _decide_reset(self, closing: bool) -> bool:
        """Did the new epoch begin a new mean? Judged beside the last rows of the old one."""
        epoch = self.held[0].epoch
        opening = [row for row in self.held if row.epoch == epoch]
        if len(opening) < BOUNDARY_ROWS and len(opening) == len(self.held) and not closing:
            return False
        assert self._origin is not None
        rows = [*self._recent, *opening]
        kept = surprise(rows, [self._origin] * len(rows))
        reset = surprise(rows, _epoch_starts(rows, self._origin))
        self.averaging = min(
            (reset - PRIOR * (self.hint is Averaging.EPOCH), Averaging.EPOCH),
            (kept - PRIOR * (self.hint is Averaging.RUN), Averaging.RUN),
        )[1]
        self._resets_known = True
        return True

    # -- undoing -------------------------------------------------------------------------

    def _undo(self, row: Row) -> list[Reading]:
        previous = self._skipped or self._previous
        if self.averaging in (Averaging.BATCH, Averaging.LAST):
            steps = row.step - previous.step if previous else 1
            self._previous = row
            return [Reading(row.step, steps, row.values, row.rounding, before=0, after=steps)]
        if self._origin is None:
            self._origin = _origin_of([row])
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

    def _difference(self, start: Row, end: Row) -> Reading:
        """The mean over (start, end]: m = (b M_b - a M_a) / (b - a) for means of a and b counts."""
        assert self._origin is not None
        a, b = start.step - self._origin + 1, end.step - self._origin + 1
        values = {
            signal: (b * mean - a * start.values[signal]) / (b - a)
            for signal, mean in end.values.items()
            if signal in start.values
        }
        return Reading(end.step, b - a, values, end.rounding, before=a, after=b)


def surprise(rows: Sequence[Row], began: Sequence[int | None]) -> float:
    """How unlikely rows are, in nats up to a constant, given where their means began.

    The batches' numbers x that the rows imply are taken as a random walk whose steps are
    Cauchy, so that the wild start every GAN has weighs little;
    with x = (b M_b - a M_a) / (b - a) the density of M_b carries the factor b / (b - a).

    Args:
        rows: consecutive rows.
        began: for each row the step its running mean began at; None: its own batch's number.
    """
    total = 0.0
    for signal in rows[0].values if rows else ():
        known = [(r, start) for r, start in zip(rows, began, strict=True) if signal in r.values]
        numbers = [row.values[signal] for row, _ in known]
        if len(numbers) < 3 or max(numbers) - min(numbers) < 1e-12:
            continue
        implied, stretch, floor = numbers[:1], [1.0], [0.0]
        for (last, since), (row, start) in pairwise(known):
            b = 1 if start is None else row.step - start + 1
            a = last.step - start + 1 if start is not None and start == since else 0
            implied.append((b * row.values[signal] - a * last.values[signal]) / (b - a))
            stretch.append(b / (b - a))
            floor.append(2 * row.rounding.get(signal, 0.0) * stretch[-1])
        jumps = [
            x - sum(implied[max(i - 3, 0) : i]) / min(i, 3) for i, x in enumerate(implied) if i
        ]
        # Rounding alone makes jumps of its own size: no hypothesis gains by undercutting that.
        scale = max(median(map(abs, jumps)), median(floor), 1e-12)
        total += len(jumps) * math.log(scale) - sum(math.log(s) for s in stretch)
        total += sum(math.log1p((x / scale) ** 2) for x in jumps)
        if "acc" in signal:
            total += IMPOSSIBLE * sum(
                not -1e-3 - error <= x <= 1 + 1e-3 + error
                for x, error in zip(implied, floor, strict=True)
            )
    return total


def batch_size_of(accuracies: Iterable[float], largest: int = 4096) -> int | None:
    """The smallest batch that all accuracies are whole shares of; None if there is none.

    A batch of m can only score k/m, a mean over many batches nearly anything: that tells an
    epoch's last batch from an epoch's mean. At least five different values are asked for.

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


def _epoch_starts(rows: Sequence[Row], origin: int) -> list[int]:
    """For each row the step its epoch began at."""
    starts = [origin]
    for last, row in pairwise(rows):
        starts.append(starts[-1] if row.epoch == last.epoch else last.step + 1)
    return starts


def _origin_of(rows: Sequence[Row]) -> int:
    """Step 0, or 1 where the log counts from 1, or a stride before the first row."""
    first = rows[0].step if rows else 0
    if len(rows) > 1:
        stride = rows[1].step - first
        if stride > 1 and first in (stride, stride - 1):
            return first - stride + 1
    return min(first, 1)
