"""The parts of the data that generated samples miss, by modes and by neighbourhoods.

Everything here uses distances between samples, never coordinates or labels.
"""

from __future__ import annotations

from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from keras_collapse.core.samples.distances import Floats
from keras_collapse.core.samples.modes import Counts

Mask: TypeAlias = NDArray[np.bool_]

FALSE_ALARM_RATE = 1e-3
"""Share of sample checks that may call something missing for a generator as diverse as the data."""
MISSED_BELOW = 0.25
"""Share of its expected fakes below which a mode is missed; a mode at half of them is not."""
ENOUGH_FAKES = 10
"""Fakes nearest to a mode from which on none within its reach proves it missed: at least half of a
mode's own samples are within its reach, and 2**-10 < `FALSE_ALARM_RATE`."""
EMPTY_BELOW = 1 / 3
"""Share of its expected fakes below which a neighbourhood is empty. Larger than `MISSED_BELOW`,
since neighbourhoods extend beyond the edge of a missing part, where fakes still fall."""
SCALES = (24, 48)
"""Expected samples of each kind in a neighbourhood. With 12, even no fake proves little, and noise
empties the middle of small modes; with 96, less of a missing category of drawings is found."""


def missed_modes(real: Counts, fake: Counts, reached: Counts) -> Mask:
    """Find the modes that the fakes provably miss.

    A mode is missed if it has fewer than `MISSED_BELOW` of the fakes expected from its share of
    the real sample, and chance does not explain that. Let p be the probability that a mode gets so
    few (Fisher's exact test). j modes at p or below are too many if a generator that misses none
    has as many with a probability below `FALSE_ALARM_RATE` (Berk & Jones 1979). So ten modes of 25
    are found missing even if each single one could be chance. The number that chance explains
    among the other modes is subtracted. A mode is also missed if `ENOUGH_FAKES` are nearest to it
    and none is within its reach.

    Args:
        real: (modes,), number of real samples in each mode.
        fake: (modes,), number of fakes whose nearest real sample is in the mode.
        reached: (modes,), number of those fakes within the mode's reach.

    Returns:
        bool (modes,), True for missed modes.
    """
    modes, n, m = len(real), int(real.sum()), int(fake.sum())
    p = fisher_p_value(fake, real, m, n)
    p[fake * n >= MISSED_BELOW * real * m] = 1.0
    order = np.argsort(p, kind="stable")
    missed: Mask = np.zeros(modes, np.bool_)
    for j in range(modes, 0, -1):
        worst = float(p[order[j - 1]])
        if worst < 1.0 and _binomial_tail(j, modes, worst) < FALSE_ALARM_RATE:
            by_chance = round((modes - j) * worst)
            missed[order[: j - by_chance]] = True
            break
    missed |= (reached == 0) & (fake >= ENOUGH_FAKES)
    return missed


class Neighbourhoods:
    """Neighbourhoods of real samples, to find those without fakes.

    Richardson & Weiss ("On GANs and GMMs", 2018) count samples in the bins of a k-means partition.
    Here each real sample x has a neighbourhood of its own. Fakes and the other real samples are
    counted in it in two ways: those whose nearest real sample is among the K nearest to x, and
    those that have x among their own K nearest real samples. Only ranks count, not distances, so
    that fakes of poor quality do not count as missing. Noise empties the middle of small modes in
    the first count, and pale or blurred fakes empty the outskirts in the second; a part is missing
    if it is empty in both.

    Args:
        distances: (n, n) between real samples.
    """

    def __init__(self, distances: Floats) -> None:
        n = len(distances)
        self._members = np.argsort(distances, axis=1, kind="stable")[:, : n // 2].astype(np.int32)
        self._apart = distances.copy()
        np.fill_diagonal(self._apart, np.inf)
        self._expected: dict[int, tuple[Counts, Counts]] = {}

    def missing(self, distances: Floats) -> Mask | None:
        """Find the real samples with far too few fakes in their neighbourhood.

        These are fewer than `EMPTY_BELOW` of the expected number, with a probability (Fisher's
        exact test) below `FALSE_ALARM_RATE` divided by the number of scales and of disjoint
        neighbourhoods, n / K.

        Args:
            distances: (m, n) from fakes to real samples.

        Returns:
            bool (n,), True for such samples; None if there are too few samples of either kind.
        """
        m, n = distances.shape
        sizes = [int(np.ceil(scale * max(n / m, 1.0))) for scale in SCALES]
        sizes = [size for size in sizes if size <= n // 2]
        if not sizes:
            return None
        by_cell, by_reach = np.zeros((2, n), np.bool_)
        new = [size for size in sizes if size not in self._expected]
        self._expected |= self._counts(self._apart, new)
        counts = self._counts(distances, sizes)
        for size in sizes:
            least = FALSE_ALARM_RATE / len(SCALES) * size / n
            found = counts[size]
            for empty, real, fake in zip(
                (by_cell, by_reach), self._expected[size], found, strict=True
            ):
                few = np.flatnonzero(fake * n < EMPTY_BELOW * real * m)
                empty[few[fisher_p_value(fake[few], real[few], m, n) < least]] = True
        return by_cell & by_reach

    def _counts(self, distances: Floats, sizes: list[int]) -> dict[int, tuple[Counts, Counts]]:
        """By size, the two counts (n,) of samples (rows) in each real sample's neighbourhood."""
        if not sizes:
            return {}
        cells = np.bincount(distances.argmin(axis=1), minlength=distances.shape[1])
        ranked = distances.astype(np.float32)  # ranks need no more digits, and take half the time
        limits = np.partition(ranked, [size - 1 for size in sizes], axis=1)
        found = {}
        for size in sizes:
            reached = (ranked <= limits[:, size - 1, None]).sum(axis=0)  # equally near are all in
            inside = cells[self._members[:, :size]].sum(axis=1)
            found[size] = (inside, np.asarray(reached, np.int64))
        return found


def fisher_p_value(fake: Counts, real: Counts, m: int, n: int) -> Floats:
    """Return the probability of so few fakes next to so many real samples, if both are alike.

    One-sided Fisher's exact test: of ``fake + real`` samples, drawn from m fakes and n real ones,
    at most ``fake`` are fakes.

    Args:
        fake, real: (k,), observed numbers of fakes and of real samples.
        m, n: total numbers of fakes and of real samples.

    Returns:
        The probabilities (k,), in [0, 1].

    >>> fisher_p_value(np.array([0]), np.array([2]), 2, 2).round(4)
    array([0.1667])
    """
    if not len(fake):
        return np.zeros(0)
    pairs, place = np.unique(np.stack([fake, real], axis=1), axis=0, return_inverse=True)
    few, drawn = pairs[:, 0, None], pairs.sum(axis=1)[:, None]
    logs = np.concatenate([[0.0], np.cumsum(np.log(np.arange(1, m + n + 1)))])

    def choose(total: int | Counts, part: Counts) -> Floats:
        return np.asarray(logs[total] - logs[part] - logs[total - part], np.float64)

    count = np.arange(int(fake.max()) + 1)
    possible = (count <= few) & (drawn - count <= n)
    from_real = np.where(possible, drawn - count, 0)
    ways = choose(m, count) + choose(n, from_real) - choose(m + n, drawn)
    p = np.exp(np.where(possible, ways, -np.inf)).cumsum(axis=1)[:, -1]
    return np.asarray(np.minimum(p, 1.0)[place.ravel()])


def _binomial_tail(hits: int, tries: int, p: float) -> float:
    """The probability of at least ``hits`` in ``tries``, each of probability p."""
    below, term = 0.0, (1.0 - p) ** tries
    for hit in range(hits):
        below += term
        term *= (tries - hit) / (hit + 1) * p / (1.0 - p)
    return max(1.0 - below, 0.0)
