"""Checkerboards: too much power at the frequencies of a stride, compared with the real samples."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from keras_collapse.core.samples.distances import MAX_NUMBERS

PERIODS = (2, 4)
"""Pixels after which the patterns of one and of two transposed convolutions of stride 2 repeat."""
LEAST_SIZE = 16
"""Height and width below which these frequencies have no neighbours of their own."""
NEIGHBOURS = (2, 3)
"""Distance of the frequencies that a frequency is compared with: next to it a pattern that varies
over the image has power too."""

INVISIBLE = 1e-4
"""Power at a frequency, relative to that of all, up to which no pattern is visible: a hundredth of
the contrast."""
ROUNDING = 1e-9
"""Power of a constant image's rounding errors in 32 bits, relative to its squared values."""


def has_spectrum(shape: tuple[int, ...]) -> bool:
    """Whether samples of this shape, (height, width, channels) or (height, width), have a spectrum.

    >>> has_spectrum((28, 28, 1)), has_spectrum((2,)), has_spectrum((8, 8, 3))
    (True, False, False)
    """
    return len(shape) in (2, 3) and min(shape[:2]) >= LEAST_SIZE


class Spectrum:
    """The power spectrum of the real images, to compare generated ones with.

    A transposed convolution whose kernel is not divisible by its stride covers some pixels more
    often than others, which draws a checkerboard (Odena, Dumoulin & Olah 2016). In the spectrum
    that is power at the stride's period and its multiples (Frank et al. 2020).

    Args:
        real: images (n, height, width, channels) or (n, height, width), finite, both sides at
            least 16.

    >>> rng = np.random.default_rng(0)
    >>> images = rng.normal(size=(200, 16, 16))
    >>> pattern = np.indices((16, 16)).sum(axis=0) % 2
    >>> found = Spectrum(images[:100]).measure(images[100:] + 2 * pattern)
    >>> found["checkerboard"] > 10, found["checkerboard_period"]
    (True, 2.0)
    """

    def __init__(self, real: NDArray[Any]) -> None:
        self._expected = _peaks(real)

    def measure(self, fakes: NDArray[Any]) -> dict[str, float]:
        """Compare generated images (m, height, width, ...) with the real ones.

        Returns:
            By name: ``checkerboard``: the power at the frequencies of a period of 2 or 4 pixels,
            relative to the neighbouring ones, divided by the same of the real images if they have
            a peak there; the largest of both periods; about 1 or less without a pattern, as of
            noise. ``checkerboard_period``: that period, in pixels. Empty if an image is not finite,
            or for sizes that no period divides.
        """
        if not len(fakes) or not np.isfinite(fakes).all():
            return {}
        peaks = _peaks(fakes)
        ratios = {
            period: peaks[period] / max(expected, 1.0)
            for period, expected in self._expected.items()
        }
        if not ratios:
            return {}
        period = max(ratios, key=lambda one: ratios[one])
        return {"checkerboard": float(ratios[period]), "checkerboard_period": float(period)}


def _peaks(images: NDArray[Any]) -> dict[int, float]:
    """By period, the power at its frequency relative to its neighbours, mean of both axes."""
    found: dict[int, list[float]] = {}
    for axis in (1, 2):
        size = images.shape[axis]
        for period in PERIODS:
            if size % period == 0:
                middle = size // period
                around = [middle + sign * apart for apart in NEIGHBOURS for sign in (-1, 1)]
                (peak, *near), least = _power(images, axis, [middle, *around])
                typical = float(np.exp(np.log(np.maximum(near, least)).mean()))
                found.setdefault(period, []).append(peak / typical)
    return {period: float(np.mean(both)) for period, both in found.items()}


def _power(
    images: NDArray[Any], axis: int, frequencies: Sequence[int]
) -> tuple[list[float], float]:
    """The mean power at these frequencies along one axis, and the least that is visible.

    Only a few frequencies are needed, which a product gives sooner than a Fourier transform. The
    power of all is that of the values (Parseval).
    """
    size = images.shape[axis]
    turns = np.outer(np.arange(size), frequencies) * (2 * np.pi / size)
    waves = np.concatenate([np.cos(turns), np.sin(turns)], axis=1).astype(np.float32)
    power, total, squares = np.zeros(2 * len(frequencies)), 0.0, 0.0
    at_once = max(MAX_NUMBERS // max(images[0].size, 1), 1)
    for start in range(0, len(images), at_once):
        x = np.moveaxis(np.asarray(images[start : start + at_once], np.float32), axis, -1)
        squares += float(np.square(x).sum(dtype=np.float64))
        x = x - x.mean(axis=-1, keepdims=True)
        total += float(np.square(x).sum(dtype=np.float64))
        power += np.square(x.reshape(-1, size) @ waves).sum(axis=0, dtype=np.float64)
    rows = images.size // size
    both = power.reshape(2, -1).sum(axis=0) / rows
    least = size / rows * (INVISIBLE * total + ROUNDING * squares)
    return [float(one) for one in both], least or 1.0
