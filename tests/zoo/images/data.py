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


@functools.cache
def load(name: str) -> Images:
    """The data set of that name: one of `DATA`, with its side, such as ``"digits16"``."""
    kind, side = name.rstrip("0123456789"), int(name[len(name.rstrip("0123456789")) :])
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


HUES = ((1.0, 0.2, 0.2), (0.3, 1.0, 0.3), (0.4, 0.6, 1.0), (1.0, 0.9, 0.2), (1.0, 0.4, 1.0), (1.0, 1.0, 1.0))


def _inked(grey: np.ndarray) -> np.ndarray:
    """Grey images in colour: ink of one of six hues on dark paper, whatever is drawn."""
    rng = np.random.default_rng(3)
    ink = np.array(HUES)[rng.integers(len(HUES), size=len(grey))][:, None, None]
    paper = rng.uniform(0.0, 0.15, (len(grey), 1, 1, 1))
    share = (grey + 1) / 2
    return ((paper * (1 - share) + share * ink) * 2 - 1).astype("float32")


def _colour_digits(side: int) -> tuple[np.ndarray, np.ndarray, tuple[str, ...]]:
    grey, labels, names = _digits(side, 6)
    return _inked(grey), labels, names


def _colour_drawings(side: int) -> tuple[np.ndarray, np.ndarray, tuple[str, ...]]:
    grey, labels, names = _drawings(side)
    return _inked(grey), labels, names


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
    "colourdigits": _colour_digits,
    "photos": _photos,
    "scenery": _scenery,
    "colourdrawings": _colour_drawings,
}
