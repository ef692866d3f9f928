"""The sliced Wasserstein distance between samples, and what it is between halves of the data."""

from __future__ import annotations

import numpy as np

from keras_collapse.core.samples.distances import Floats

PROJECTIONS = 64
"""Random directions."""
LEVELS = 256
"""Quantiles that approximate the distance along each direction."""
HALVINGS = 8
"""Random halvings of the real sample that the baseline averages over."""


class SlicedWasserstein:
    """The sliced Wasserstein-1 distance to a real sample (Rabin et al. 2011).

    Args:
        real: finite numbers of shape (n, d).
        seed: of the directions and the halvings.
    """

    def __init__(self, real: Floats, seed: int) -> None:
        directions = np.random.default_rng(seed).normal(size=(real.shape[1], PROJECTIONS))
        self._directions = directions / np.linalg.norm(directions, axis=0)
        projected = real @ self._directions
        self._spread = float(projected.std(axis=0).mean()) or 1.0
        self._quantiles = _quantiles(projected)
        self._count = len(real)
        rng = np.random.default_rng(seed)
        found = []
        for _ in range(HALVINGS):
            first, second = np.array_split(rng.permutation(len(projected)), 2)
            gaps = _quantiles(projected[first]) - _quantiles(projected[second])
            found.append(float(np.abs(gaps).mean()))
        self._of_halves = sum(found) / len(found) / self._spread

    def __call__(self, samples: Floats) -> float:
        """The distance of samples (m, d), in standard deviations of the data."""
        gaps = _quantiles(samples @ self._directions) - self._quantiles
        return float(np.abs(gaps).mean()) / self._spread

    def baseline(self, m: int) -> float:
        """The distance of m samples of a perfect generator: that of two halves, scaled to m."""
        return self._of_halves * float(np.sqrt((1 / self._count + 1 / m) / (4 / self._count)))


def _quantiles(projected: Floats) -> Floats:
    """The quantiles (`LEVELS`, directions) of projected samples (n, directions)."""
    ordered = np.sort(projected, axis=0)
    place = (np.arange(LEVELS) + 0.5) / LEVELS * len(ordered) - 0.5
    place = np.clip(place, 0, len(ordered) - 1)
    below = place.astype(np.int64)
    above = np.minimum(below + 1, len(ordered) - 1)
    part = (place - below)[:, None]
    return np.asarray(ordered[below] * (1 - part) + ordered[above] * part, np.float64)
