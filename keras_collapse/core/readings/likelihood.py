"""The likelihood of logged rows under one hypothesis about how they were averaged."""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import pairwise
from statistics import median

from keras_collapse.core.readings.reading import SignalRow

IMPOSSIBLE = 25.0
"""Nats against a hypothesis for each accuracy that it implies outside [0, 1]."""


def negative_log_likelihood(rows: Sequence[SignalRow], began: Sequence[int | None]) -> float:
    """Return the negative log-likelihood of rows, given the steps at which their means began.

    The implied numbers of the batches, x = (b M_b - a M_a) / (b - a), are modelled as a random
    walk with Cauchy-distributed steps, so that the large changes at a GAN's start weigh little.
    The change of variables adds the factor b / (b - a) to the density of M_b.

    Args:
        rows: consecutive rows.
        began: for each row the step at which its running mean began; None if the row holds its
            batch's own number.

    Returns:
        Nats, up to a constant that is the same for all hypotheses.
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
        # Rounding alone causes jumps of this size, so a smaller scale is no evidence.
        scale = max(median(map(abs, jumps)), median(floor), 1e-12)
        total += len(jumps) * math.log(scale) - sum(math.log(s) for s in stretch)
        total += sum(math.log1p((x / scale) ** 2) for x in jumps)
        if "acc" in signal:
            total += IMPOSSIBLE * sum(
                not -1e-3 - error <= x <= 1 + 1e-3 + error
                for x, error in zip(implied, floor, strict=True)
            )
    return total


def epoch_starts(rows: Sequence[SignalRow], origin: int) -> list[int]:
    """For each row the first step of its epoch."""
    starts = [origin]
    for last, row in pairwise(rows):
        starts.append(starts[-1] if row.epoch == last.epoch else last.step + 1)
    return starts


def origin_of(rows: Sequence[SignalRow]) -> int:
    """Step 0; 1 if the log counts from 1; or one stride before the first row of a sparse log."""
    first = rows[0].step if rows else 0
    if len(rows) > 1:
        stride = rows[1].step - first
        if stride > 1 and first in (stride, stride - 1):
            return first - stride + 1
    return min(first, 1)
