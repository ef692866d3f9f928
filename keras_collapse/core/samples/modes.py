"""How many modes data has that nobody labelled, and which parts of it generated samples miss.

Everything here looks at distances between samples, never at coordinates or labels.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from keras_collapse.core.samples.distances import Floats

Counts: TypeAlias = NDArray[np.int64]
Mask: TypeAlias = NDArray[np.bool_]

PROMINENCE = {4: 5.0, 8: 3.3, 16: 2.4}
"""By how many nats a mode's peak must stand above the pass to a higher one, when the density is
read off the k-th nearest neighbour (k to nats). Chance makes second peaks too: over lines,
squares, Gaussians of 1 to 64 dimensions and heavy tails, 100 to 2000 samples each, one sample in
a thousand reached 4.5, 2.8 and 2.0. Small k finds small modes, large k such as lie close."""
DIMENSION_NEIGHBOURS = 5
"""Neighbours that the intrinsic dimension is read from: few, so that they share a mode."""
TELLING = (0.8, 4.0)
"""Intrinsic dimensions between which one mode found means that there is one. In more, distances
within a mode and between modes grow alike; less than that of a line means that neighbours lie
in clumps too small to be told from chance."""
FLOOR = 1e-3
"""Least spacing of a peak, in typical spacings: repeated samples are no infinitely high peak."""

CHANCE = 1e-3
"""Looks at a generator as diverse as the data that may call something missing all the same."""
MISSED = 0.25
"""A mode with less than this of the fakes it is due is missed; a mode at half of it is not."""
REACHED = 10
"""Fakes nearest to a mode from which on none within its reach is proof (2**-10 < CHANCE), if at
least half of a mode's own samples are within its reach."""
EMPTY = 1 / 3
"""A place with less than this of the fakes it is due is empty. More than `MISSED`, for
neighbours reach over the rim of what is missing, where fakes still fall."""
SCALES = (24, 48)
"""Samples due around a place, of each kind. With 12, even none proves little, and noise empties
the middle of small modes; with 96, a missing category of drawings is seen less well."""


@dataclass(frozen=True, slots=True)
class Modes:
    """The modes of a real sample.

    Args:
        labels: int (n,), the mode of each sample, from 0.
        count: how many modes there are, at least 1.
        clear: False where one mode was found but more could not have been told apart.
        dimension: intrinsic dimensions of the sample, 0 where they cannot be told.
        reach: float (count,), the distance from a sample up to which one belongs to its mode:
            halfway, on a logarithmic scale, from the mode's own spacing to its gap to the next.
    """

    labels: Counts
    count: int
    clear: bool
    reach: Floats
    dimension: float


def find_modes(distances: Floats) -> Modes:
    """Tell the modes of a sample by how far their density peaks stand out.

    Samples join into clusters in the order of growing mutual reachability max(d, r_i, r_j), with
    r the distance to the k-th neighbour (Campello, Moulavi & Sander 2013, HDBSCAN). Where two
    clusters meet, at height h, the one with the lower peak (the larger smallest r) is a mode of
    its own if D ln(h / r) reaches `PROMINENCE`, else it is absorbed (Chazal, Guibas, Oudot &
    Skraba 2013, ToMATo); with D intrinsic dimensions that is its log density above the pass.
    Of several k, the one that finds most modes is taken.

    Args:
        distances: (n, n), between real samples; n of 32 and more.

    A mode needs at least 5 samples to be found; a dozen and more make it sure.
    """
    dimension = intrinsic_dimension(distances)
    best = Modes(np.zeros(len(distances), np.int64), 1, False, np.array([np.inf]), dimension)
    for k, nats in PROMINENCE.items():
        if k < len(distances):
            found = _separate(distances, k, nats, dimension)
            best = found if found.count > best.count else best
    clear = best.count > 1 or TELLING[0] <= dimension <= TELLING[1]
    return replace(best, clear=clear)


def intrinsic_dimension(distances: Floats) -> float:
    """Dimensions the data really fills, from how the distances to neighbours grow.

    Levina & Bickel 2005, averaged over samples as MacKay & Ghahramani 2005 correct it.
    """
    k = DIMENSION_NEIGHBOURS
    others = np.where(distances > 0, distances, np.inf)  # a repeated sample is no neighbour
    near = np.sort(np.partition(others, k - 1, axis=1)[:, :k], axis=1)
    near = near[np.isfinite(near[:, -1])]
    logs = np.log(near[:, -1:] / near[:, :-1]).sum(axis=1)
    return (k - 1) / float(logs.mean()) if logs.sum() > 0 else 0.0


def _separate(distances: Floats, k: int, nats: float, dimension: float) -> Modes:
    """Clusters that stand out by so many nats, see `find_modes`."""
    least = nats / max(dimension, 1.0)  # of ln(h / r)
    spacing = np.partition(distances, k, axis=1)[:, k]
    typical = float(np.median(spacing)) or float(distances.max()) or 1.0
    spacing = np.maximum(spacing, FLOOR * typical)
    root = list(range(len(distances)))
    peak = spacing.tolist()  # of the cluster that a root stands for

    def find(i: int) -> int:
        while root[i] != i:
            root[i] = root[root[i]]
            i = root[i]
        return i

    gaps: list[tuple[int, int, float]] = []
    for i, j, height in _spanning_tree(distances, spacing):
        high, low = sorted((find(i), find(j)), key=lambda r: peak[r])
        if np.log(height / peak[low]) >= least:
            gaps.append((i, j, height))
        else:
            root[low] = high
    labels = np.unique([find(i) for i in range(len(root))], return_inverse=True)[1]
    gap = np.full(labels.max() + 1, np.inf)
    for i, j, height in gaps:
        gap[labels[i]] = min(gap[labels[i]], height)
        gap[labels[j]] = min(gap[labels[j]], height)
    own = np.array([np.median(spacing[labels == mode]) for mode in range(len(gap))])
    return Modes(labels, len(gap), True, np.sqrt(own * gap), dimension)


def _spanning_tree(distances: Floats, spacing: Floats) -> Iterator[tuple[int, int, float]]:
    """Edges (i, j, height) of the minimum spanning tree of mutual reachability, lowest first."""
    n = len(distances)
    nearest = np.full(n, np.inf)  # height of the lowest edge to each sample outside the tree
    parent = np.zeros(n, np.int64)
    outside = np.ones(n, np.bool_)
    edges = []
    new = 0
    for _ in range(n - 1):
        outside[new] = False
        nearest[new] = np.inf
        heights = np.maximum(np.maximum(distances[new], spacing), spacing[new])
        closer = outside & (heights < nearest)
        nearest[closer] = heights[closer]
        parent[closer] = new
        new = int(nearest.argmin())
        edges.append((int(parent[new]), new, float(nearest[new])))
    yield from sorted(edges, key=lambda edge: edge[2])


# -- what is missing --------------------------------------------------------------------------


def missed_modes(real: Counts, fake: Counts, reached: Counts) -> Mask:
    """Which modes the fakes miss, as far as that can be proven.

    A mode is missed if it got less than `MISSED` of the fakes that its share of the real sample
    makes due, and chance does not explain it. With p the probability of a mode to get so few
    (Fisher's exact test), j modes at p or below are too many if that happens to a generator
    that misses none with a probability below `CHANCE` (Berk & Jones 1979); so ten modes of 25
    are seen to be missing where any single one could be chance. As many as chance would have
    left out of the others are given back. Also missed is a mode whose fakes are all
    out of its reach.

    Args:
        real: (modes,), real samples in each.
        fake: (modes,), fakes whose nearest real sample is in it.
        reached: (modes,), those of them within its reach.
    """
    modes, n, m = len(real), int(real.sum()), int(fake.sum())
    p = at_most(fake, real, m, n)
    p[fake * n >= MISSED * real * m] = 1.0
    order = np.argsort(p, kind="stable")
    missed: Mask = np.zeros(modes, np.bool_)
    for j in range(modes, 0, -1):
        worst = float(p[order[j - 1]])
        if worst < 1.0 and _at_least(j, modes, worst) < CHANCE:
            by_chance = round((modes - j) * worst)
            missed[order[: j - by_chance]] = True
            break
    missed |= (reached == 0) & (fake >= REACHED)
    return missed


class Neighbourhoods:
    """The places of real samples, to see which of them fakes leave empty.

    Where Richardson & Weiss 2018 ("On GANs and GMMs") count fakes in the bins of a k-means
    partition, each real sample here has a place of its own, and samples are counted there in two
    ways, fakes as well as the other real samples: those whose nearest real sample is among
    the K nearest to the place, and those to whom the place is among their own K nearest. How far
    away they are does not matter: poor fakes are not missing ones. By the first count noise
    empties the middle of small modes, by the second paleness and blur empty the outskirts; what
    is missing is empty by both.

    Args:
        distances: (n, n), between real samples.
    """

    def __init__(self, distances: Floats) -> None:
        n = len(distances)
        self._members = np.argsort(distances, axis=1, kind="stable")[:, : n // 2].astype(np.int32)
        self._apart = distances.copy()
        np.fill_diagonal(self._apart, np.inf)
        self._due: dict[int, tuple[Counts, Counts]] = {}

    def missing(self, distances: Floats) -> Mask | None:
        """Real samples (n,) around which far too few fakes are.

        Too few are less than `EMPTY` of what is due, at a probability (Fisher's exact test)
        below `CHANCE`, shared out over the scales and the n / K places beside each other.

        Args:
            distances: (m, n), from fakes to real samples.

        Returns:
            None where fakes or real samples are too few to tell.
        """
        m, n = distances.shape
        sizes = [int(np.ceil(scale * max(n / m, 1.0))) for scale in SCALES]
        sizes = [size for size in sizes if size <= n // 2]
        if not sizes:
            return None
        by_cell, by_reach = np.zeros((2, n), np.bool_)
        for size in sizes:
            if size not in self._due:
                self._due[size] = self._counts(self._apart, size)
            least = CHANCE / len(SCALES) * size / n
            found = self._counts(distances, size)
            for empty, real, fake in zip((by_cell, by_reach), self._due[size], found, strict=True):
                few = np.flatnonzero(fake * n < EMPTY * real * m)
                empty[few[at_most(fake[few], real[few], m, n) < least]] = True
        return by_cell & by_reach

    def _counts(self, distances: Floats, size: int) -> tuple[Counts, Counts]:
        """The two counts of samples (rows) at each real sample's place (columns)."""
        cells = np.bincount(distances.argmin(axis=1), minlength=distances.shape[1])
        limits = np.partition(distances, size - 1, axis=1)[:, size - 1]
        reached = (distances <= limits[:, None]).sum(axis=0)  # equally near are all in
        return cells[self._members[:, :size]].sum(axis=1), np.asarray(reached, np.int64)


def at_most(fake: Counts, real: Counts, m: int, n: int) -> Floats:
    """The probability that so few fakes fall where so many real samples do, if both are alike.

    Fisher's exact test, one-sided: of ``fake + real`` samples, drawn out of m + n, at most
    ``fake`` are among the m.

    >>> at_most(np.array([0]), np.array([2]), 2, 2).round(4)
    array([0.1667])
    """
    logs = np.concatenate([[0.0], np.cumsum(np.log(np.arange(1, m + n + 1)))])

    def choose(total: int | Counts, part: Counts) -> Floats:
        return np.asarray(logs[total] - logs[part] - logs[total - part], np.float64)

    drawn = fake + real
    p = np.zeros(len(fake))
    for count in range(int(fake.max(initial=0)) + 1):
        possible = (count <= fake) & (drawn - count <= n)
        some = np.full(int(possible.sum()), count)
        ways = choose(m, some) + choose(n, drawn[possible] - some)
        p[possible] += np.exp(ways - choose(m + n, drawn[possible]))
    return np.minimum(p, 1.0)


def _at_least(hits: int, tries: int, p: float) -> float:
    """The probability of that many hits or more, each of probability p."""
    below, term = 0.0, (1.0 - p) ** tries
    for hit in range(hits):
        below += term
        term *= (tries - hit) / (hit + 1) * p / (1.0 - p)
    return max(1.0 - below, 0.0)
