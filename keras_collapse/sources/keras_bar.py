"""What the numbers in Keras' progress bar are: its logs, or, before Keras 3.15, means of them.

Before 3.15 the bar averages what it is given over the epoch, also numbers that are running means
already; what it prints at an epoch's end is the log itself. Which of the two a text holds shows in
its numbers: where the end of each epoch fits what was printed before it, the bar printed logs.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import groupby, pairwise

from keras_collapse.core.averaging import LEAD, Averaging, Row, surprise
from keras_collapse.sources.past_run import LogRow

STRIDE = 1.25
"""Ratio of the steps of neighbouring rows that are un-averaged twice: printed with 4 decimals, a
batch's number is then known to 0.004, and nothing moves much within a stride."""


@dataclass(frozen=True, slots=True)
class Update:
    """One state of the bar: its row, the epoch's first step, and whether it is the epoch's end."""

    row: LogRow
    began: int
    ends: bool

    @property
    def count(self) -> int:
        """Steps of the epoch so far."""
        return self.row.step - self.began + 1


def as_logged(updates: Sequence[Update]) -> tuple[list[LogRow], str | None]:
    """The rows as they were logged, and how they are averaged; None where that is to be seen."""
    printed = [update.row for update in updates]
    sound = [u for u in updates if all(map(math.isfinite, u.row.logs.values()))]
    begins = [update.began for update in sound]
    logs = [_row(row) for row in _means_undone(sound)]
    # The density of what was printed, given that of the logs behind it.
    stretch = sum(math.log(u.count / (u.count - before)) for u, before in _spans(sound))
    plain = [_row(update.row) for update in sound]
    costs = {
        "printed": min(surprise(plain, [None] * len(plain)), surprise(plain, begins)),
        "of batches": surprise(logs, [None] * len(logs)) - stretch,
        "of means": surprise(logs, begins) - stretch,
    }
    best = min(costs, key=lambda name: costs[name])
    if costs["printed"] - costs[best] < LEAD:
        return printed, None
    if best == "of batches":  # the end of an epoch is its last batch only
        return [update.row for update in updates if not update.ends], Averaging.EPOCH
    return _means_undone(_thinned(updates), centred=True), Averaging.EPOCH


def _row(row: LogRow) -> Row:
    return Row(row.step, row.logs, row.rounding or {}, row.epoch)


def _spans(updates: Sequence[Update]) -> list[tuple[Update, int]]:
    """Each update with the count its difference begins at: 0 for an epoch's first."""
    spans = [(update, 0) for update in updates[:1]]
    for last, update in pairwise(updates):
        new = update.began != last.began
        # The end of an epoch is no mean of the bar's: nothing was taken away from it.
        spans.append((update, 0 if new or update.ends else last.count))
    return spans


def _means_undone(updates: Sequence[Update], centred: bool = False) -> list[LogRow]:
    """The logs that the bar's means were taken of.

    Args:
        updates: states of the bar.
        centred: each row at the middle of its stretch, which is where a running mean that is
            averaged over the stretch belongs, rather than at its end.
    """
    rows: list[LogRow] = []
    before: dict[str, float] = {}
    for update, a in _spans(updates):
        row, b = update.row, update.count
        errors = row.rounding or {}
        logs = {
            name: (b * number - a * before.get(name, math.nan)) / (b - a) if a else number
            for name, number in row.logs.items()
        }
        # The same for all: errors of rows that are taken from each other must be comparable.
        wide = (STRIDE + 1) / (STRIDE - 1) if centred else (b + a) / (b - a)
        middle = update.began + (a + b) // 2 if centred and a else row.step
        step = row.step if update.ends else middle
        rows.append(
            LogRow(step, row.epoch, logs, {name: error * wide for name, error in errors.items()})
        )
        before = dict(row.logs)
    return rows


def _thinned(updates: Sequence[Update]) -> list[Update]:
    """Each epoch's end, and before it rows a stride apart."""
    kept: list[Update] = []
    for _, epoch in groupby(updates, key=lambda update: update.began):
        last = 0
        for update in epoch:
            if update.ends or update.count >= last * STRIDE:
                kept.append(update)
                last = update.count
    return kept
