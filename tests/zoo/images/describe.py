"""Descriptions of images that need no trained network, to compare with pixels.

Each is fixed by a sample of the real data, so that the same images give the same numbers.
"""

from __future__ import annotations

from abc import ABC, abstractmethod

import numpy as np
from data import Images
from numpy.lib.stride_tricks import sliding_window_view

CELLS = 4
"""Cells per side in which colours and gradients are collected."""
DIRECTIONS = 8
LEVELS = 2
"""Of wavelet transforms."""
FAINT = 1e-2
"""Amplitude of detail, of a range of 2, below which there is none."""
FLOOR = 0.2
"""Least standard deviation of a number, relative to that of its group: what never changes in the
data, such as the empty corners of drawings, still counts if samples change it, but not without
limit."""


class Description(ABC):
    """Numbers that describe images, centred and scaled by those of real images.

    Args:
        real: float32 (n, side, side, channels), in [-1, 1].
        data: all of the training data, for those that learn from more of it.
    """

    def __init__(self, real: np.ndarray, data: Images) -> None:
        self.learn(data)
        groups = self.groups(real)
        self._centres = [group.mean(axis=0) for group in groups]
        spreads = [group.std(axis=0) for group in groups]
        self._scales = [
            np.maximum(s, FLOOR * np.sqrt(np.square(s).mean())) * np.sqrt(len(s)) for s in spreads
        ]

    def __call__(self, images: np.ndarray) -> np.ndarray:
        """The numbers (n, k) of images (n, side, side, channels); groups weigh the same."""
        parts = zip(self.groups(images), self._centres, self._scales, strict=True)
        return np.concatenate([(x - centre) / scale for x, centre, scale in parts], axis=1)

    def learn(self, data: Images) -> None:  # noqa: B027  # most have nothing to learn
        """Fix what depends on the data."""

    @abstractmethod
    def groups(self, images: np.ndarray) -> list[np.ndarray]:
        """Groups of numbers, each (n, k)."""


class PrincipalAxes(Description):
    """The first 16 principal components of pixels: the same distances in fewer dimensions."""

    def __init__(self, real: np.ndarray, data: Images) -> None:
        flat = real.reshape(len(real), -1)
        self._centre = flat.mean(axis=0)
        self._axes = np.linalg.svd(flat - self._centre, full_matrices=False)[2][:16].T

    def __call__(self, images: np.ndarray) -> np.ndarray:
        return self.groups(images)[0]  # their spreads are what counts

    def groups(self, images: np.ndarray) -> list[np.ndarray]:
        return [(images.reshape(len(images), -1) - self._centre) @ self._axes]


class ColoursAndGradients(Description):
    """Mean colours, and histograms of gradients' directions, by cell (Dalal & Triggs 2005)."""

    def groups(self, images: np.ndarray) -> list[np.ndarray]:
        return [cells(images), gradients(images)]


class ColoursGradientsDetail(Description):
    """The same, and amplitudes of a Haar wavelet transform by quadrant (Do & Vetterli 2002)."""

    def groups(self, images: np.ndarray) -> list[np.ndarray]:
        low, details = images, []
        for _ in range(LEVELS):
            low, *bands = haar(low)
            details += [energy(band) for band in bands]
        return [cells(images), gradients(images), np.concatenate(details, axis=1)]


class WaveletPackets(Description):
    """Haar wavelet packets, as the Fréchet wavelet distance has them (Veeramacheneni et al.,
    arXiv 2312.15289): the coarsest pixels, and amplitudes of all bands by quadrant.
    """

    def groups(self, images: np.ndarray) -> list[np.ndarray]:
        bands = [images]
        for _ in range(LEVELS):
            bands = [part for band in bands for part in haar(band)]
        return [
            bands[0].reshape(len(images), -1),
            np.concatenate([energy(band) for band in bands], axis=1),
        ]


class RealPatches(Description):
    """How much each quadrant looks like each of 64 typical patches of the data: whitened patches,
    k-means, and the triangle activation (Coates, Ng & Lee 2011).
    """

    COUNT, SIZE, STRIDE, DRAWN, ROUNDS = 64, 5, 2, 4000, 6
    FLAT = 0.01
    """Added to variances when patches are whitened, in units of the largest."""

    def learn(self, data: Images) -> None:
        rng = np.random.default_rng(0)
        some = patches(data.images[:256], self.SIZE, 1)
        some = some.reshape(-1, some.shape[-1])
        some = some[rng.permutation(len(some))[: self.DRAWN]]
        self._mean = some.mean(axis=0)
        values, axes = np.linalg.eigh(np.cov((some - self._mean).T))
        self._whiten = (axes / np.sqrt(values + self.FLAT * values.max())) @ axes.T
        white = (some - self._mean) @ self._whiten
        centres = white[rng.permutation(len(white))[: self.COUNT]]
        for _ in range(self.ROUNDS):
            nearest = squares(white, centres).argmin(axis=1)
            centres = np.stack([
                white[nearest == k].mean(axis=0) if (nearest == k).any() else centres[k]
                for k in range(self.COUNT)
            ])  # fmt: skip
        self._centres_of_patches = centres

    def groups(self, images: np.ndarray) -> list[np.ndarray]:
        some = patches(images, self.SIZE, self.STRIDE)
        white = (some.reshape(-1, some.shape[-1]) - self._mean) @ self._whiten
        apart = np.sqrt(squares(white, self._centres_of_patches))
        active = np.maximum(apart.mean(axis=1, keepdims=True) - apart, 0)
        return [np.concatenate(quadrants(active.reshape(*some.shape[:3], -1)), axis=1)]


class RandomConvolutions(Description):
    """Two levels of random 3 x 3 filters, averaged by quadrant, and their maxima: untrained
    networks rank generators much as trained ones do (Lee, Kim & Lee, arXiv 2208.09218).
    """

    WIDTHS = (24, 48)

    def learn(self, data: Images) -> None:
        rng, channels, self._filters = np.random.default_rng(0), data.shape[-1], []
        for width in self.WIDTHS:
            kernel = rng.normal(size=(9 * channels, width)) / np.sqrt(9 * channels)
            self._filters.append(kernel.astype("float32"))
            channels = width

    def groups(self, images: np.ndarray) -> list[np.ndarray]:
        x, found = images, []
        for kernel in self._filters:
            x = np.maximum(patches(x, 3, 1) @ kernel, 0)
            found.append(np.concatenate([x.max(axis=(1, 2)), *quadrants(x)], axis=1))
            x = haar(x)[0]
        return found


def patches(x: np.ndarray, size: int, stride: int) -> np.ndarray:
    """All patches, (n, rows, columns, channels x size x size)."""
    view = sliding_window_view(x, (size, size), axis=(1, 2))[:, ::stride, ::stride]
    return view.reshape(*view.shape[:3], -1)


def squares(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """Squared distances, (rows of a, rows of b)."""
    apart = np.square(a).sum(axis=1)[:, None] + np.square(b).sum(axis=1) - 2 * a @ b.T
    return np.maximum(apart, 0)


def quadrants(x: np.ndarray) -> list[np.ndarray]:
    """Means of the quadrants, each (n, channels)."""
    h, w = x.shape[1] // 2, x.shape[2] // 2
    parts = (x[:, :h, :w], x[:, h:, :w], x[:, :h, w:], x[:, h:, w:])
    return [part.mean(axis=(1, 2)) for part in parts]


def energy(band: np.ndarray) -> np.ndarray:
    """Logarithm of the mean amplitude in each quadrant, (n, 4 x channels)."""
    return np.log(np.concatenate(quadrants(np.abs(band)), axis=1) + FAINT)


def haar(x: np.ndarray) -> list[np.ndarray]:
    """One level of the Haar transform: means of 2 x 2 pixels, and three bands of detail."""
    x = x[:, : x.shape[1] // 2 * 2, : x.shape[2] // 2 * 2]
    a, b, c, d = x[:, ::2, ::2], x[:, 1::2, ::2], x[:, ::2, 1::2], x[:, 1::2, 1::2]
    return [(a + b + c + d) / 4, (a - b + c - d) / 4, (a + b - c - d) / 4, (a - b - c + d) / 4]


def cells(x: np.ndarray) -> np.ndarray:
    """Means of the cells, (n, cells x channels)."""
    rows = [part.mean(axis=1) for part in np.array_split(x, CELLS, axis=1)]
    means = [part.mean(axis=1) for row in rows for part in np.array_split(row, CELLS, axis=1)]
    return np.concatenate(means, axis=1)


def gradients(x: np.ndarray) -> np.ndarray:
    """Strength of the grey image's gradient by cell and direction, (n, cells x directions)."""
    grey = x.mean(axis=-1)
    dy, dx = np.zeros_like(grey), np.zeros_like(grey)
    dx[:, :, 1:-1] = grey[:, :, 2:] - grey[:, :, :-2]
    dy[:, 1:-1] = grey[:, 2:] - grey[:, :-2]
    direction = np.mod(np.arctan2(dy, dx), np.pi) * DIRECTIONS / np.pi
    strength = np.hypot(dx, dy)
    planes = []
    for k in range(DIRECTIONS):
        turn = np.abs(direction - k)
        planes.append(strength * np.maximum(1 - np.minimum(turn, DIRECTIONS - turn), 0))
    return cells(np.stack(planes, axis=-1))
