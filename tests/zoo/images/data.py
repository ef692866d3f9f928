"""Labelled images, small and of several kinds; those from files need `KERAS_COLLAPSE_DATA`."""

from __future__ import annotations

import functools
import os
from dataclasses import dataclass
from pathlib import Path

import numpy as np

DRAWN = ("apple", "bicycle", "cat", "diamond")


@dataclass(frozen=True, eq=False)
class Images:
    """A data set.

    Args:
        images: float32 (n, side, side, channels), in [-1, 1], in random order.
        labels: int32 (n,), from 0.
        names: of the categories.
    """

    images: np.ndarray
    labels: np.ndarray
    names: tuple[str, ...]

    @property
    def shape(self) -> tuple[int, int, int]:
        return tuple(self.images.shape[1:])  # type: ignore[return-value]

    @property
    def colour(self) -> bool:
        return self.images.shape[-1] == 3


def kind_and_side(name: str) -> tuple[str, int]:
    """Split the name of a data set: ``"digits16"`` is ``("digits", 16)``."""
    kind = name.rstrip("0123456789")
    return kind, int(name[len(kind) :])


@functools.cache
def load(name: str) -> Images:
    """The data set of that name: one of `DATA`, with its side, such as ``"digits16"``."""
    kind, side = kind_and_side(name)
    images, labels, names = DATA[kind](side)
    order = np.random.default_rng(11).permutation(len(images))
    return Images(images[order], labels[order].astype("int32"), names)


def _folder() -> Path:
    return Path(os.environ["KERAS_COLLAPSE_DATA"])


def _sized(images: np.ndarray, side: int) -> np.ndarray:
    """Grey images uint8 (n, 28, 28) as float32 (n, side, side, 1) in [-1, 1], side 28 or 16."""
    x = images.astype("float32") / 127.5 - 1
    if side != 28:
        x = x.reshape(-1, 14, 2, 14, 2).mean(axis=(2, 4))
        x = np.pad(x, ((0, 0), (1, 1), (1, 1)), constant_values=-1.0)
    return x[..., None]


def _digits(side: int, count: int = 10) -> tuple[np.ndarray, np.ndarray, tuple[str, ...]]:
    with np.load(_folder() / "mnist_10000.npz") as file:
        images, labels = file["images"], file["labels"]
    kept = labels < count
    return _sized(images[kept], side), labels[kept], tuple(map(str, range(count)))


def _drawings(
    side: int, counts: tuple[int, ...] = (3000,) * 4, names: tuple[str, ...] = DRAWN
) -> tuple[np.ndarray, np.ndarray, tuple[str, ...]]:
    parts = [np.load(_folder() / f"quickdraw_{n}_3000.npz")["images"][:c]
             for n, c in zip(names, counts, strict=True)]  # fmt: skip
    images = np.concatenate([part.reshape(-1, 28, 28) for part in parts])
    return _sized(images, side), np.repeat(np.arange(len(names)), list(counts)), names


SKIES = (((0.35, 0.6, 1.0), (0.25, 0.55, 0.2)), ((1.0, 0.55, 0.3), (0.35, 0.15, 0.25)),
         ((0.05, 0.05, 0.3), (0.05, 0.15, 0.1)), ((0.9, 0.85, 0.6), (0.85, 0.65, 0.35)),
         ((0.75, 0.8, 0.85), (0.9, 0.9, 0.95)))  # fmt: skip
"""Colours of sky and ground by day, at dusk, at night, in a desert, and in winter."""


def _landscapes(side: int) -> tuple[np.ndarray, np.ndarray, tuple[str, ...]]:
    """Sky, ground and a sun or moon, of random place, size and light."""
    rng, count = np.random.default_rng(5), 6000
    labels = rng.integers(len(SKIES), size=count)
    sky, ground = (np.array([pair[k] for pair in SKIES])[labels][:, None, None] for k in (0, 1))
    y, x = np.mgrid[:side, :side] / (side - 1) * 2 - 1
    horizon = rng.uniform(0.0, 0.6, (count, 1, 1)) + rng.uniform(-0.3, 0.3, (count, 1, 1)) * x
    land = 1 / (1 + np.exp(-8 * (y - horizon)))[..., None]
    cx, cy = rng.uniform(-0.6, 0.6, (count, 1, 1)), rng.uniform(-0.7, -0.1, (count, 1, 1))
    far = np.sqrt((x - cx) ** 2 + (y - cy) ** 2)
    sun = 1 / (1 + np.exp(10 * (far - rng.uniform(0.15, 0.35, (count, 1, 1)))))[..., None]
    light = rng.uniform(0.75, 1.0, (count, 1, 1, 1))
    images = (sky * (1 - land) + ground * land) * light
    images = images * (1 - sun * (1 - land)) + sun * (1 - land) * np.array([1.0, 0.95, 0.7])
    return (images * 2 - 1).astype("float32"), labels, ("day", "dusk", "night", "desert", "winter")


PETALS = (((0.9, 0.2, 0.3), (0.95, 0.9, 0.8)), ((0.3, 0.3, 0.9), (0.8, 0.9, 0.8)),
          ((1.0, 0.8, 0.1), (0.25, 0.5, 0.25)), ((0.95, 0.95, 0.95), (0.3, 0.3, 0.45)))  # fmt: skip
"""Colours of petals and of what is behind them."""


def _petals(side: int) -> tuple[np.ndarray, np.ndarray, tuple[str, ...]]:
    """Blurred flowers of three to six petals; the category is the colour."""
    rng, count = np.random.default_rng(6), 6000
    labels = rng.integers(len(PETALS), size=count)
    petal, behind = (np.array([pair[k] for pair in PETALS])[labels][:, None, None] for k in (0, 1))
    y, x = np.mgrid[:side, :side] / (side - 1) * 2 - 1
    dx, dy = (axis - rng.uniform(-0.2, 0.2, (count, 1, 1)) for axis in (x, y))
    far, angle = np.sqrt(dx**2 + dy**2), np.arctan2(dy, dx)
    petals = rng.integers(3, 7, (count, 1, 1))
    edge = 0.55 + 0.2 * np.cos(petals * angle + rng.uniform(0, 6.28, (count, 1, 1)))
    inside = 1 / (1 + np.exp(9 * (far - edge)))[..., None]
    heart = 1 / (1 + np.exp(14 * (far - 0.2)))[..., None]
    shade = rng.uniform(0.8, 1.0, (count, 1, 1, 1))
    images = (behind * (1 - inside) + petal * inside) * shade * (1 - heart)
    images = images + heart * np.array([0.9, 0.6, 0.1])
    return (images * 2 - 1).astype("float32"), labels, ("red", "blue", "yellow", "white")


def _photos(side: int) -> tuple[np.ndarray, np.ndarray, tuple[str, ...]]:
    with np.load(_folder() / "cifar10_six_classes.npz") as file:
        images, labels, names = file["images"], file["labels"], file["classes"]
    x = images.astype("float32") / 127.5 - 1
    if side == 16:
        x = x.reshape(-1, 16, 2, 16, 2, 3).mean(axis=(2, 4))
    return x, np.unique(labels, return_inverse=True)[1], tuple(map(str, names))


def _scenery(side: int) -> tuple[np.ndarray, np.ndarray, tuple[str, ...]]:
    """Patches of the two photographs that scikit-learn ships, at half their size."""
    from sklearn.datasets import load_sample_images

    rng, parts = np.random.default_rng(4), []
    for photo in load_sample_images().images:
        high, wide = photo.shape[0] // 2 * 2, photo.shape[1] // 2 * 2
        half = photo[:high, :wide].reshape(high // 2, 2, wide // 2, 2, 3).mean(axis=(1, 3))
        tops = rng.integers(half.shape[0] - side, size=2500)
        lefts = rng.integers(half.shape[1] - side, size=2500)
        parts.append([half[t : t + side, a : a + side] for t, a in zip(tops, lefts, strict=True)])
    images = np.concatenate(parts).astype("float32") / 127.5 - 1
    return images, np.repeat([0, 1], 2500), ("china", "flower")


DATA = {
    "digits": _digits,
    "fewdigits": lambda side: _digits(side, 5),
    "drawings": _drawings,
    "uneven": lambda side: _drawings(side, (3000, 1800, 1200, 900)),
    "cats": lambda side: _drawings(side, (3000,), ("cat",)),
    "petals": _petals,
    "photos": _photos,
    "scenery": _scenery,
    "landscapes": _landscapes,
}
