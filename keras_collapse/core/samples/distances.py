"""Distances between samples, exact where they nearly agree, in bounded memory."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

Floats: TypeAlias = NDArray[np.float64]

CANCELLED = 1e-11
"""Squared distance, in squared lengths, below which the fast formula keeps fewer than four digits
and differences are taken instead."""
BLOCK = 1 << 22
"""Numbers (32 MB) in any array that exists only in passing."""


def distances(a: Floats, b: Floats) -> Floats:
    """Euclidean distances (n, m) between the rows of (n, d) and (m, d).

    |x|² + |y|² - 2xy loses all digits where x and y nearly agree; there differences are taken.
    Equal rows are at distance 0 exactly.
    """
    centre = np.median(b, axis=0)
    a, b = a - centre, b - centre
    sizes = np.square(a).sum(axis=1)[:, None] + np.square(b).sum(axis=1)
    squared = a @ b.T
    squared *= -2
    squared += sizes
    sizes *= CANCELLED
    near = squared <= sizes
    for row in np.flatnonzero(near.any(axis=1)):
        columns = near[row]
        squared[row, columns] = np.square(b[columns] - a[row]).sum(axis=1)
    return np.sqrt(squared, out=squared)


def blocks(a: Floats, b: Floats) -> Iterator[tuple[slice, Floats]]:
    """Distances of a few rows of ``a`` at a time to all of ``b``."""
    rows = max(BLOCK // len(b), 1)
    for start in range(0, len(a), rows):
        part = slice(start, start + rows)
        yield part, distances(a[part], b)


def neighbour_radii(x: Floats, k: int) -> Floats:
    return np.concatenate([np.partition(d, k, axis=1)[:, k] for _, d in blocks(x, x)])
