"""The likelihood of logged rows under one hypothesis about how they were averaged.

Two models of how the numbers of successive batches follow each other are used, since neither holds
for every training, and what only one of them shows is no evidence:

- `walk`: a random walk with Cauchy-distributed steps, so that the large changes at a GAN's start
  weigh little.
- `level`: a level that changes slowly, or a trend, with Student-distributed noise around it whose
  scale may decay. Batches scatter around their level; a running mean does not.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from keras_collapse.core.readings.reading import SignalRow

Array = np.ndarray
IMPOSSIBLE_ACCURACY = 25.0
"""Nats against a hypothesis for each accuracy that it implies outside [0, 1]."""
IMPOSSIBLE_LOSS = 8.0
"""Nats for each negative loss, if no logged loss is negative. Less, since a critic's may be."""

GAINS = (1.0, 0.5, 0.25, 0.1)
"""Weights of the newest number in the level."""
TRENDS = (0.0, 0.6, 0.95)
"""Shares of the last change that are expected again, without smoothing."""
DECAYS = (0.0, 0.25, 0.5)
"""Exponents with which the noise may decay: faster, and it would look like a running mean's."""
SCALES = np.exp(np.linspace(math.log(1e-6), math.log(30.0), 32))
"""Scales of the noise that are tried."""
FINEST = 1e-7
"""Rounding below which numbers count as equal: that of float32."""


@dataclass(frozen=True, slots=True)
class Implied:
    """The batches' numbers of one signal that a hypothesis implies, x = (b M_b - a M_a) / (b - a).

    Args:
        values: the numbers, (n,).
        stretch: b / (b - a): how much each one moves if its row does.
        error: the largest error that rounding causes in each.
        rounding: the largest rounding error of each row.
    """

    values: Array
    stretch: Array
    error: Array
    rounding: Array


def implied(rows: Sequence[SignalRow], began: Sequence[int | None], signal: str) -> Implied | None:
    """Return the implied numbers of a signal; None if it is constant or in fewer than three rows.

    Args:
        rows: consecutive rows.
        began: for each row the step at which its running mean began; None if the row holds its
            batch's own number.
        signal: the signal.
    """
    known = [(r, start) for r, start in zip(rows, began, strict=True) if signal in r.values]
    means = np.array([row.values[signal] for row, _ in known])
    if len(means) < 3 or np.ptp(means) < 1e-12:
        return None
    rounding = np.array([row.rounding.get(signal, 0.0) for row, _ in known])
    starts = np.array([row.step if start is None else start for row, start in known])
    b = np.array([row.step for row, _ in known]) - starts + 1
    a = np.zeros(len(known))
    a[1:] = np.where(starts[1:] == starts[:-1], b[:-1], 0)
    before = np.concatenate([[0.0], means[:-1]])
    values = (b * means - a * before) / (b - a)
    return Implied(values, b / (b - a), rounding * (a + b) / (b - a), rounding)


def walk(numbers: Implied) -> float:
    """Return the negative log-likelihood of the logged numbers under a Cauchy random walk.

    The change of variables adds the factor b / (b - a) to the density of M_b.
    """
    x = numbers.values
    jumps = np.array([x[i] - x[max(i - 3, 0) : i].mean() for i in range(1, len(x))])
    floor = 2 * numbers.rounding * numbers.stretch
    # Rounding alone causes jumps of this size, so a smaller scale is no evidence.
    floor[0] = 0.0
    scale = max(float(np.median(np.abs(jumps))), float(np.median(floor)), 1e-12)
    cost = len(jumps) * math.log(scale) + np.log1p((jumps / scale) ** 2).sum()
    return float(cost - np.log(numbers.stretch[1:]).sum())


def level(numbers: Implied) -> float:
    """Return the negative log-likelihood of the logged numbers around a level or trend.

    It is the probability of the interval that each number was rounded from, under the best of the
    `GAINS`, `TRENDS`, `DECAYS` and `SCALES`. Student's t with two degrees of freedom has the
    distribution function 1/2 + t / (2 sqrt(2 + t^2)).
    """
    x, stretch, rounding = numbers.values, numbers.stretch[1:], numbers.rounding[1:]
    count = len(x)
    place = (np.arange(1, count) + 5.0) / (count + 5.0)
    half = np.maximum(rounding, FINEST)
    best = math.inf
    for gain, trend in [*((1.0, t) for t in TRENDS), *((g, 0.0) for g in GAINS[1:])]:
        misses = np.abs(_misses(x, gain, trend)) / stretch
        for decay in DECAYS:
            scale = np.maximum(
                SCALES[:, None] * place**-decay / stretch, np.maximum(0.7 * rounding, 10 * FINEST)
            )
            cell, t = half / scale, misses / scale
            mass = np.where(
                cell > 1e-2, _student(t + cell) - _student(t - cell), 2 * cell * (2 + t * t) ** -1.5
            )
            likeliest = np.log(np.maximum(mass, 1e-300)).sum(axis=1).max()
            best = min(best, (decay > 0) + (trend > 0) - float(likeliest))
    return best


def _misses(x: Array, gain: float, trend: float) -> Array:
    """The differences between numbers and what those before them let expect."""
    at, change, misses = float(x[0]), 0.0, np.empty(len(x) - 1)
    for i, value in enumerate(x.tolist()[1:], 1):
        misses[i - 1] = value - at - trend * change
        change = max(gain, 1 / (i + 1)) * (value - at)
        at += change
    return misses


def _student(t: Array) -> Array:
    return np.asarray(0.5 + t / (2 * np.sqrt(2 + t * t)))


def negative_log_likelihood(
    rows: Sequence[SignalRow], began: Sequence[int | None], model: Callable[[Implied], float]
) -> float:
    """Return the negative log-likelihood of rows, given the steps at which their means began.

    Args:
        rows, began: see `implied`.
        model: `walk` or `level`.

    Returns:
        Nats, up to a constant that is the same for all hypotheses.
    """
    total = 0.0
    signals = rows[0].values if rows else ()
    positive = all(v >= 0 for row in rows for v in row.values.values())
    for signal in signals:
        numbers = implied(rows, began, signal)
        if numbers is None:
            continue
        total += model(numbers)
        error = numbers.error + 1e-3
        if "acc" in signal:
            outside = (numbers.values < -error) | (numbers.values > 1 + error)
            total += IMPOSSIBLE_ACCURACY * float(outside.sum())
        elif positive:
            total += IMPOSSIBLE_LOSS * float((numbers.values < -error).sum())
    return total
