"""Statistics of generated samples that need no real samples."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from keras_collapse.core.samples.distances import distances

ALIKE = {True: 0.02, False: 0.001}
"""Root mean square difference, in units of the samples' size, up to which one sample repeats
another: of images (at least `IMAGE` numbers) and of points, which may lie close together. Of 256
MNIST digits or CIFAR-10 photographs none repeats another, and of 256 points of a ring of eight
Gaussians at most one in ten."""
IMAGE = 64
AT_LIMIT = 0.005
"""Distance from a limit of G's range, as a share of that range, at which a value is saturated."""


class SamplesAlone:
    """Measures samples drawn from the same latents at every sample check.

    Args:
        reach: the lowest and the highest value that G's last activation allows; infinite where it
            sets no limit.
    """

    def __init__(self, reach: tuple[float, float]) -> None:
        self._reach = reach
        self._last: NDArray[Any] | None = None

    def measure(self, samples: NDArray[Any]) -> dict[str, float]:
        """Return the statistics of samples (m, d), in the order of their latents.

        Returns:
            By name: ``fake``, ``not_finite``: numbers of samples with finite values only, and of
            others; ``duplicate_share``: the share of the finite ones that repeat another, in
            [0, 1]; ``saturated_share``: the share of their values at a limit of G's range, in
            [0, 1], where both limits are finite; ``change``: the root mean square difference from
            the previous check's samples, in units of the samples' size, at least 0.
        """
        x = np.asarray(samples, np.float64)
        finite = np.isfinite(x).all(axis=1)
        last, self._last = self._last, x
        if last is not None and last.shape != x.shape:  # other latents than before
            last = None
        found = {"fake": float(finite.sum()), "not_finite": float((~finite).sum())}
        x = x[finite]
        if len(x) < 2:
            return found
        low, high = self._reach
        bounded = bool(np.isfinite([low, high]).all())
        size = (high - low) / 2 if bounded else float(np.sqrt(np.square(x).mean())) or 1.0
        apart = distances(x, x) / np.sqrt(x.shape[1]) / size
        np.fill_diagonal(apart, np.inf)
        alike = ALIKE[x.shape[1] >= IMAGE]
        found["duplicate_share"] = float((apart <= alike).any(axis=1).mean())
        if bounded:
            near = AT_LIMIT * (high - low)
            found["saturated_share"] = float(((x <= low + near) | (x >= high - near)).mean())
        if last is not None and finite.all() and np.isfinite(last).all():
            found["change"] = float(np.sqrt(np.square(x - last).mean())) / size
        return found
