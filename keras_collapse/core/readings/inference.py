"""Infers how logged numbers were averaged, or says that they do not show it."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from enum import StrEnum
from itertools import pairwise

import numpy as np

from keras_collapse.core.readings.likelihood import level, negative_log_likelihood, walk
from keras_collapse.core.readings.reading import SignalRow


class Averaging(StrEnum):
    """What a logged number is the mean of."""

    BATCH = "batch"  # its own batch
    EPOCH = "epoch"  # all batches since the epoch began
    RUN = "run"  # all batches since the run began
    LAST = "last"  # the epoch's last batch, one number per epoch


DECIDE_AFTER = 256
"""Rows from which the averaging is inferred; more add little, since a running mean shows early."""
FEWEST = 12
"""Rows without which nothing is inferred."""
LEAD = 12.0
"""Nats by which a hypothesis must lead under `level`, while `walk` must not contradict it."""
LEAD_OF_MEANS = 16.0
"""Nats by which running means must lead: to undo an averaging that did not happen invents numbers,
and a training's first numbers may decay like 1/n themselves."""
LEAD_OF_NEGATIVE = 100.0
"""The same if a logged loss is negative, and so no implied loss is impossible."""
ROWS_PER_EPOCH = 6
"""Mean number of rows per epoch from which a reset at each epoch can be recognised."""
LENGTHS_TRIED = 7
"""Lengths of an epoch that are tried at most."""
CHANCE = 1e-9
"""Probability up to which accuracies that all are multiples of 1/size are no coincidence."""


@dataclass(frozen=True, slots=True)
class Inferred:
    """What the first rows of a log show.

    Args:
        averaging: the averaging; None if they do not show it.
        origin: the step at which the running mean began.
        epoch_steps: the training steps of an epoch, if the rows skip some; None if unknown.
        resets_known: whether it is known what an epoch's start does to the mean.
    """

    averaging: Averaging | None
    origin: int
    epoch_steps: int | None = None
    resets_known: bool = True


def infer(rows: Sequence[SignalRow], origin: int | None = None) -> Inferred:
    """Infer the averaging of a log's first rows.

    A running mean moves by about 1/n at its n-th value, and a batch's own number does not slow
    down. Each hypothesis implies the batches' numbers, and must be the more likely one by a clear
    lead.

    Args:
        rows: consecutive rows, all numbers finite.
        origin: the step at which the running mean began; None to infer it.
    """
    begin = origin_of(rows) if origin is None else origin
    if rows and all(row.values == rows[0].values for row in rows):
        return Inferred(Averaging.BATCH, begin)  # constant: every averaging is the same
    if len(rows) < FEWEST:
        return Inferred(None, begin)
    if _of_single_batches(rows):
        return Inferred(Averaging.BATCH, begin)
    # The means of a log that begins in mid-run began with the log or at step 0.
    origins = [begin] if origin is not None else [*dict.fromkeys([begin, rows[0].step])]
    several = rows[0].epoch != rows[-1].epoch
    batch = _costs(rows, [None] * len(rows))
    runs = [(_costs(rows, [start] * len(rows)), start) for start in origins]
    (of_run, run_origin), of_epoch = min(runs), batch
    epoch_origin, length = begin, None
    if several:
        of_epoch, epoch_origin, length = min(
            (_costs(rows, epoch_starts(rows, start, steps)), start, steps)
            for start in origins
            for steps in epoch_lengths(rows, start)
        )
    means = [of_run, of_epoch] if several else [of_run]
    if several and _ahead(batch, of_run, LEAD) and abs(of_epoch[0] - batch[0]) < 1e-6:
        return Inferred(Averaging.BATCH, begin)  # a row per epoch: both are the same
    if all(_ahead(batch, mean, LEAD) for mean in means):
        return Inferred(Averaging.BATCH, begin)
    negative = any(v < 0 for row in rows for v in row.values.values())
    lead = LEAD_OF_NEGATIVE if negative else LEAD_OF_MEANS
    if not several:
        found = Averaging.RUN if _ahead(of_run, batch, lead) else None
        return Inferred(found, run_origin, resets_known=found is None)
    per_epoch = len(rows) / len({row.epoch for row in rows})
    if _ahead(of_run, batch, lead) and _ahead(of_run, of_epoch, LEAD):
        return Inferred(Averaging.RUN, run_origin)
    visible = per_epoch >= ROWS_PER_EPOCH
    if visible and _ahead(of_epoch, batch, lead) and _ahead(of_epoch, of_run, LEAD):
        return Inferred(Averaging.EPOCH, epoch_origin, length)
    return Inferred(None, begin)


def _costs(rows: Sequence[SignalRow], began: Sequence[int | None]) -> tuple[float, float]:
    return (
        negative_log_likelihood(rows, began, level),
        negative_log_likelihood(rows, began, walk),
    )


def _ahead(one: tuple[float, float], other: tuple[float, float], lead: float) -> bool:
    """Whether one hypothesis leads, and neither model contradicts it."""
    return other[0] - one[0] >= lead and other[1] >= one[1]


def _of_single_batches(rows: Sequence[SignalRow]) -> bool:
    """Whether an accuracy has multiples of 1/batch size only, which means do not have."""
    return any(
        batch_size_of(
            [row.values[signal] for row in rows if signal in row.values],
            max(row.rounding.get(signal, 0.0) for row in rows),
        )
        for signal in rows[0].values
        if "acc" in signal
    )


def batch_size_of(
    accuracies: Iterable[float], rounding: float = 0.0, largest: int = 4096
) -> int | None:
    """Return the smallest batch size of which all accuracies are multiples of 1/size.

    A batch of m scores k/m; a mean over many batches can have nearly any value. This separates
    single batches from means.

    Args:
        accuracies: numbers in [0, 1].
        rounding: the largest error of each.
        largest: the largest batch size that is tried.

    Returns:
        The size; None if none fits, if fewer than five different values lie in (0, 1), or if
        numbers rounded so coarsely fit it by chance.

    >>> batch_size_of([0.25, 0.5, 0.75, 0.125, 0.875, 1.0])
    8
    """
    values = sorted({a for a in accuracies if 0 < a < 1})
    if len(values) < 5:
        return None
    error = rounding * 1.001 + 1e-6
    for size in range(2, largest + 1):
        by_chance = 2 * error * size
        if by_chance >= 0.5:
            return None
        if len(values) * math.log(by_chance) > math.log(CHANCE):
            continue
        if all(abs(a * size - round(a * size)) <= error * size for a in values):
            return size
    return None


def epoch_lengths(rows: Sequence[SignalRow], origin: int) -> list[int | None]:
    """Return numbers of steps that every epoch can have had, given where rows change epoch.

    Where rows skip steps, many lengths fit, and at most `LENGTHS_TRIED` are returned; None alone if
    no single length fits, or all rows are of one epoch.
    """
    if not rows or any(row.epoch is None for row in rows) or rows[0].epoch == rows[-1].epoch:
        return [None]
    first = rows[0].epoch or 0
    shortest, longest = 1, math.inf
    for row in rows:
        place, steps = (row.epoch or 0) - first, row.step - origin
        if place < 0:  # epochs that go back have no length
            return [None]
        shortest = max(shortest, steps // (place + 1) + 1)
        longest = min(longest, steps // place) if place > 0 else longest
    if not shortest <= longest < math.inf:
        return [None]
    spread = np.linspace(shortest, longest, LENGTHS_TRIED)
    return [*dict.fromkeys(round(float(length)) for length in spread)]


def epoch_starts(rows: Sequence[SignalRow], origin: int, length: int | None = None) -> list[int]:
    """For each row the first step of its epoch, which has ``length`` steps if that is given."""
    starts = [origin] if rows else []
    for last, row in pairwise(rows):
        if row.epoch == last.epoch:
            starts.append(starts[-1])
        elif length is None:
            starts.append(last.step + 1)
        else:
            starts.append(origin + ((row.epoch or 0) - (rows[0].epoch or 0)) * length)
    return starts


def origin_of(rows: Sequence[SignalRow]) -> int:
    """Step 0; 1 if the log counts from 1; or one stride before the first row of a sparse log."""
    first = rows[0].step if rows else 0
    if len(rows) > 1:
        stride = rows[1].step - first
        if stride > 1 and first in (stride, stride - 1):
            return first - stride + 1
    return min(first, 1)
