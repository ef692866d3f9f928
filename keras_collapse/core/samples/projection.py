"""Samples of any width, in few dimensions that keep what matters."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from keras_collapse.core.samples.distances import BLOCK, Floats

SKETCH = 256
"""Dimensions in which distances are taken. On drawings of 784 pixels, coverage, density, precision
and recall stay within 0.03 of those of all pixels; with 64, precision of noisy fakes is 0.2 off,
and principal components make held-out real samples look better than real (density 1.5)."""
AXES = 16
"""Principal axes of the real sample in which modes and missing parts are looked for. Where fakes
are one of three drawn categories (0.67 of the data is missing), 0.55, 0.45 and 0.33 are seen to be
missing with 16 axes; with all pixels 0.44, 0.36 and 0.09, with 64 random projections 0.35, 0.27
and 0.08."""
FARTHEST = 1e30
"""Times the real data's size from which a value is only "far": its square would overflow."""


class Sketch:
    """Samples of any width as (samples, 256 at most) and (samples, 16 at most) numbers.

    The first keep distances: coordinates are dealt out at random and added up with random signs
    (Charikar, Chen & Farach-Colton 2002, count sketch); squared distances keep their mean, with a
    relative error of sqrt(2 / 256). Equal samples stay equal, to the bit, which no product of
    matrices promises. The second are the principal axes of the real sample, found by subspace
    iteration (Halko, Martinsson & Tropp 2011).

    Args:
        real: (n, d), finite.
        seed: of what is dealt out.
    """

    def __init__(self, real: NDArray[Any], seed: int) -> None:
        rng = np.random.default_rng(seed)
        width = real.shape[1]
        self._dealt = rng.permutation(width)
        self._signs = rng.choice([-1.0, 1.0], width)
        self._centre = real.mean(axis=0, dtype=np.float64)
        ends = np.stack([real.min(axis=0), real.max(axis=0)])
        self._size = float(np.abs(ends - self._centre).max()) or 1.0
        self._axes = self._principal_axes(real, rng) if width > AXES else None
        self.points, self.located = self(real)

    def __call__(self, samples: NDArray[Any]) -> tuple[Floats, Floats]:
        parts = [self._project(part) for part in self._scaled(samples)]
        return (
            np.concatenate([points for points, _ in parts]),
            np.concatenate([located for _, located in parts]),
        )

    def _scaled(self, samples: NDArray[Any]) -> Iterator[Floats]:
        """A few samples at a time, centred, in units of the real data's size."""
        rows = max(BLOCK // samples.shape[1], 1)
        for start in range(0, len(samples), rows):
            with np.errstate(over="ignore"):
                part = (samples[start : start + rows] - self._centre) / self._size
            yield np.clip(part, -FARTHEST, FARTHEST)

    def _project(self, x: Floats) -> tuple[Floats, Floats]:
        located = x if self._axes is None else x @ self._axes
        if x.shape[1] <= SKETCH:
            return x, located
        points = np.zeros((len(x), SKETCH))
        for start in range(0, x.shape[1], SKETCH):
            dealt = self._dealt[start : start + SKETCH]
            points[:, : len(dealt)] += x[:, dealt] * self._signs[dealt]
        return points, located

    def _principal_axes(self, real: NDArray[Any], rng: np.random.Generator) -> Floats:
        axes = rng.normal(size=(real.shape[1], 2 * AXES))
        for _ in range(4):
            axes = np.linalg.qr(axes)[0]
            axes = sum((x.T @ (x @ axes) for x in self._scaled(real)), np.zeros_like(axes))
        axes = np.linalg.qr(axes)[0]
        inner = sum((y.T @ y for y in (x @ axes for x in self._scaled(real))), np.zeros(1))
        return np.asarray(axes @ np.linalg.eigh(inner)[1][:, : -AXES - 1 : -1], np.float64)
