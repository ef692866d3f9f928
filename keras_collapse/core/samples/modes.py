"""The modes of unlabelled data, found from distances between samples."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from keras_collapse.core.samples.distances import Floats

Counts: TypeAlias = NDArray[np.int64]

PROMINENCE = {4: 5.0, 8: 3.3, 16: 2.4}
"""Nats by which a mode's density peak must exceed the pass to a higher peak, if the density is
estimated from the k-th nearest neighbour (k to nats). Chance makes second peaks too: over lines,
squares, Gaussians of 1 to 64 dimensions and heavy tails, 100 to 2000 samples each, one sample in
a thousand reached 4.5, 2.8 and 2.0. Small k finds small modes, large k finds close ones."""
DIMENSION_NEIGHBOURS = 5
"""Neighbours that the intrinsic dimension is estimated from: few, so that they share a mode."""
CLEAR_DIMENSIONS = (0.8, 4.0)
"""Intrinsic dimensions between which finding one mode means that there is one. Above, distances
within a mode and between modes become alike. Below that of a line, neighbours lie in clumps too
small to be distinguished from chance."""
LEAST_SPACING = 1e-3
"""Least spacing at a peak, relative to the typical spacing, so that repeated samples do not make an
infinitely high peak."""


@dataclass(frozen=True, slots=True)
class Modes:
    """The modes of a real sample.

    Args:
        labels: int (n,), the mode of each sample, from 0.
        count: the number of modes, at least 1.
        clear: False if one mode was found but several could not have been separated.
        dimension: intrinsic dimension of the sample; 0 if unknown.
        reach: float (count,), the distance from a sample up to which another one belongs to its
            mode: the geometric mean of the mode's own spacing and its gap to the next mode.
    """

    labels: Counts
    count: int
    clear: bool
    reach: Floats
    dimension: float


def find_modes(distances: Floats) -> Modes:
    """Find the modes of a sample by the prominence of its density peaks.

    Samples join into clusters in the order of growing mutual reachability max(d, r_i, r_j), with
    r the distance to the k-th neighbour (HDBSCAN; Campello, Moulavi & Sander 2013). If two
    clusters meet at height h, the one with the lower peak (the larger smallest r) is a mode of
    its own if D ln(h / r) reaches `PROMINENCE`; else it is absorbed (ToMATo; Chazal, Guibas,
    Oudot & Skraba 2013). With intrinsic dimension D, that is its log density above the pass. The
    k in `PROMINENCE` that finds most modes is used.

    A mode needs at least 5 samples to be found; a dozen or more make it certain.

    Args:
        distances: (n, n) between real samples, n at least 32.
    """
    dimension = intrinsic_dimension(distances)
    best = Modes(np.zeros(len(distances), np.int64), 1, False, np.array([np.inf]), dimension)
    for k, nats in PROMINENCE.items():
        if k < len(distances):
            found = _prominent_clusters(distances, k, nats, dimension)
            best = found if found.count > best.count else best
    clear = best.count > 1 or CLEAR_DIMENSIONS[0] <= dimension <= CLEAR_DIMENSIONS[1]
    return replace(best, clear=clear)


def intrinsic_dimension(distances: Floats) -> float:
    """Estimate the intrinsic dimension of a sample from its distances to nearest neighbours.

    The maximum likelihood estimator of Levina & Bickel 2005, averaged over samples as corrected by
    MacKay & Ghahramani 2005.

    Args:
        distances: (n, n) between samples.

    Returns:
        The dimension; 0 if the distances do not grow, or most samples repeat each other.
    """
    k = DIMENSION_NEIGHBOURS
    others = np.where(distances > 0, distances, np.inf)  # a repeated sample is no neighbour
    near = np.sort(np.partition(others, k - 1, axis=1)[:, :k], axis=1)
    near = near[np.isfinite(near[:, -1])]
    logs = np.log(near[:, -1:] / near[:, :-1]).sum(axis=1)
    return (k - 1) / float(logs.mean()) if logs.sum() > 0 else 0.0


def _prominent_clusters(distances: Floats, k: int, nats: float, dimension: float) -> Modes:
    """The clusters with a prominence of at least ``nats``, see `find_modes`."""
    least = nats / max(dimension, 1.0)  # of ln(h / r)
    spacing = np.partition(distances, k, axis=1)[:, k]
    typical = float(np.median(spacing)) or float(distances.max()) or 1.0
    spacing = np.maximum(spacing, LEAST_SPACING * typical)
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
    """The edges (i, j, height) of the minimum spanning tree of mutual reachability, lowest first.

    Prim's algorithm on the full matrix.
    """
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
