"""Pairwise Euclidean distances: exact for nearly equal samples, in bounded memory."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

Floats: TypeAlias = NDArray[np.float64]

CANCELLATION = 1e-11
"""Squared distance, relative to the squared lengths, below which the fast formula keeps fewer than
four digits and the distance is computed from differences instead."""
FEW_COLUMNS = 3
"""Numbers in a row up to which differences take less time than a product of matrices."""
MAX_NUMBERS = 1 << 22
"""Numbers (32 MB) in any temporary array."""


def distances(a: Floats, b: Floats) -> Floats:
    """Return the Euclidean distances (n, m) between the rows of (n, d) and (m, d).

    |x|² + |y|² - 2xy loses all digits if x and y nearly agree; those distances are computed from
    differences, as all distances between rows of few numbers are. Equal rows have distance 0
    exactly.
    """
    if a.shape[1] <= FEW_COLUMNS:
        squared = np.zeros((len(a), len(b)))
        for one, other in zip(a.T, b.T, strict=True):
            squared += np.square(np.subtract.outer(one, other))
        return np.sqrt(squared, out=squared)
    centre = np.median(b, axis=0)
    a, b = a - centre, b - centre
    sizes = np.square(a).sum(axis=1)[:, None] + np.square(b).sum(axis=1)
    squared = a @ b.T
    squared *= -2
    squared += sizes
    sizes *= CANCELLATION
    near = squared <= sizes
    for row in np.flatnonzero(near.any(axis=1)):
        columns = near[row]
        squared[row, columns] = np.square(b[columns] - a[row]).sum(axis=1)
    return np.sqrt(squared, out=squared)


def distances_by_rows(a: Floats, b: Floats) -> Iterator[tuple[slice, Floats]]:
    """Yield the distances of a few rows of ``a`` at a time to all rows of ``b``."""
    rows = max(MAX_NUMBERS // len(b), 1)
    for start in range(0, len(a), rows):
        part = slice(start, start + rows)
        yield part, distances(a[part], b)


def neighbour_radii(x: Floats, k: int) -> Floats:
    """Return the distance (n,) of each row of (n, d) to its k-th nearest other row."""
    return np.concatenate([np.partition(d, k, axis=1)[:, k] for _, d in distances_by_rows(x, x)])
