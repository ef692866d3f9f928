"""What an image looks like, in a few hundred numbers: the space in which images are compared.

Pixels alone do not tell a drawing from noise with as much ink. Nothing here is trained, so the same
images give the same numbers on every machine.
"""

from __future__ import annotations

from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

Images: TypeAlias = NDArray[np.float32]

SIDE = 32
"""Pixels per side that are looked at in detail: larger images are averaged down to at most this."""
CELLS = 4
"""Cells per side in which gradients and colours are collected (Dalal & Triggs 2005)."""
DIRECTIONS = 8
LEVELS = 2
"""Levels of the Haar transform."""
LEAST_SIDE = 8
"""Fewest pixels per side of an image."""
MOST_CHANNELS = 4
FLOOR = 0.2
"""Least standard deviation of a feature, relative to that of its group: what never changes in the
data, such as the empty corners of drawings, still counts if samples change it, but not without
limit."""
FARTHEST = 1e6
"""Largest value, in units of half the data's range; squares of larger ones could overflow."""
FAINT = 1e-2
"""Amplitude of detail, for data of range 2, below which there is none."""


def is_image(shape: tuple[int, ...]) -> bool:
    """Whether samples of this shape are images: (height, width, channels) or (height, width)."""
    sides = shape[:2]
    channels = shape[2] if len(shape) == 3 else 1
    return len(shape) in (2, 3) and min(sides) >= LEAST_SIDE and channels <= MOST_CHANNELS


class ImageFeatures:
    """Describes images by colour, gradients and detail; fixed by a sample of the real data.

    Three groups of features have equal weight: the mean of each channel in 4 x 4 cells; a
    histogram of the gradients' directions in the same cells (Dalal & Triggs, "Histograms of
    Oriented Gradients for Human Detection", 2005); and the logarithm of the mean amplitude of
    each band of a Haar wavelet transform in each quadrant, as textures are described by (Do &
    Vetterli, 2002). Features are centred and scaled by the real sample.

    Args:
        real: (n, height, width[, channels]), see `is_image`.

    >>> images = np.random.default_rng(0).normal(size=(64, 16, 16, 3))
    >>> ImageFeatures(images)(images[:5]).shape
    (5, 248)
    """

    def __init__(self, real: NDArray[Any]) -> None:
        self.shape = real.shape[1:]
        self._range = float(real.max() - real.min()) / 2 or 1.0
        groups = self._groups(real)
        self._centres = [group.mean(axis=0) for group in groups]
        spreads = [group.std(axis=0) for group in groups]
        typical = [float(np.sqrt(np.square(s).mean())) or 1.0 for s in spreads]
        self._scales = [
            np.maximum(s, FLOOR * t) * np.sqrt(len(s))
            for s, t in zip(spreads, typical, strict=True)
        ]

    def __call__(self, images: NDArray[Any]) -> Images:
        """The features, float32 (n, k), of images (n, height, width[, channels])."""
        parts = zip(self._groups(images), self._centres, self._scales, strict=True)
        return np.concatenate([(x - centre) / scale for x, centre, scale in parts], axis=1)

    def _groups(self, images: NDArray[Any]) -> list[Images]:
        x = np.clip(np.asarray(images, np.float32) / np.float32(self._range), -FARTHEST, FARTHEST)
        if x.ndim == 3:
            x = x[..., None]
        bands: list[Images] = []
        while min(x.shape[1:3]) > SIDE:
            x, details = _haar(x)
            bands += details
        small, low = x, x
        for _ in range(LEVELS):
            if min(low.shape[1:3]) < 4:
                break
            low, details = _haar(low)
            bands += details
        energies = np.concatenate([_energy(band) for band in bands], axis=1)
        return [_cells(small), _gradients(small.mean(axis=-1)), energies]


def _haar(x: Images) -> tuple[Images, list[Images]]:
    """One level of the Haar transform: the means of 2 x 2 pixels, and three bands of detail."""
    x = x[:, : x.shape[1] // 2 * 2, : x.shape[2] // 2 * 2]
    top, bottom = x[:, ::2], x[:, 1::2]
    total, down = top + bottom, top - bottom
    left, right = total[:, :, ::2], total[:, :, 1::2]
    upper, lower = down[:, :, ::2], down[:, :, 1::2]
    return (left + right) * np.float32(0.25), [left - right, upper + lower, upper - lower]


def _energy(band: Images) -> Images:
    """Logarithm of the mean amplitude in each quadrant, (n, 4 x channels)."""
    h, w = max(band.shape[1] // 2, 1), max(band.shape[2] // 2, 1)
    size = np.abs(band)
    quadrants = [size[:, :h, :w], size[:, h:, :w], size[:, :h, w:], size[:, h:, w:]]
    means = [q.mean(axis=(1, 2)) for q in quadrants if q.size]
    return np.asarray(np.log(np.concatenate(means, axis=1) + FAINT), np.float32)


def _cells(x: Images) -> Images:
    """Means of the cells, (n, cells x channels); x: (n, height, width, channels)."""
    rows = [part.mean(axis=1) for part in np.array_split(x, CELLS, axis=1)]
    cells = [part.mean(axis=1) for row in rows for part in np.array_split(row, CELLS, axis=1)]
    return np.concatenate(cells, axis=1)


def _gradients(grey: Images) -> Images:
    """Strength of the gradient by cell and direction, (n, cells x directions)."""
    dy, dx = np.zeros_like(grey), np.zeros_like(grey)
    dx[:, :, 1:-1] = grey[:, :, 2:] - grey[:, :, :-2]
    dy[:, 1:-1] = grey[:, 2:] - grey[:, :-2]
    strength = np.hypot(dx, dy)
    direction = np.mod(np.arctan2(dy, dx), np.float32(np.pi)) * np.float32(DIRECTIONS / np.pi)
    below = direction.astype(np.int8)
    share = direction - below
    planes = [
        strength
        * ((below % DIRECTIONS == k) * (1 - share) + ((below + 1) % DIRECTIONS == k) * share)
        for k in range(DIRECTIONS)
    ]
    return _cells(np.stack(planes, axis=-1))
