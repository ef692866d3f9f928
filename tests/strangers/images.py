"""Small real data for the programs: drawings, digits, photographs and points in the plane."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np

MISSING = "KERAS_COLLAPSE_DATA must name the folder of real drawings, digits and photographs."


def folder() -> Path:
    """The folder of real data.

    Raises:
        RuntimeError: the variable KERAS_COLLAPSE_DATA is not set.
    """
    named = os.environ.get("KERAS_COLLAPSE_DATA")
    if not named:
        raise RuntimeError(MISSING)
    return Path(named)


def shrunk(images: np.ndarray, factor: int) -> np.ndarray:
    """Means over squares of factor × factor pixels, uint8 (n, h, w, c)."""
    n, height, width, channels = images.shape
    parts = images.reshape(n, height // factor, factor, width // factor, factor, channels)
    return np.asarray(parts.mean((2, 4)).round(), "uint8")


def drawings(count: int = 2000, category: str = "cat") -> np.ndarray:
    """Quick, Draw! drawings, uint8 (count, 16, 16, 1), ink white."""
    images = np.load(folder() / f"quickdraw_{category}_3000.npz")["images"][:count]
    small = shrunk(images[..., None], 2)
    return np.pad(small, ((0, 0), (1, 1), (1, 1), (0, 0)))


def digits(count: int = 2000, classes: int = 10) -> tuple[np.ndarray, np.ndarray]:
    """MNIST digits, uint8 (count, 14, 14, 1), and labels (count,) below ``classes``."""
    file = np.load(folder() / "mnist_10000.npz")
    images, labels = file["images"], file["labels"].astype("int32")
    kept = labels < classes
    return shrunk(images[kept][:count][..., None], 2), labels[kept][:count]


def photographs(count: int = 2000, factor: int = 2) -> np.ndarray:
    """CIFAR-10 photographs, uint8 (count, 32 / factor, 32 / factor, 3)."""
    images = np.load(folder() / "cifar10_six_classes.npz")["images"]
    order = np.random.default_rng(5).permutation(len(images))[:count]
    return shrunk(images[order], factor)


def ring(count: int = 2000, modes: int = 8, spread: float = 0.05) -> np.ndarray:
    """Points of a ring of Gaussians, float32 (count, 2), radius 1."""
    rng = np.random.default_rng(7)
    angle = 2 * np.pi * rng.integers(modes, size=count) / modes
    points = np.stack([np.cos(angle), np.sin(angle)], 1)
    return np.asarray(points + spread * rng.standard_normal((count, 2)), "float32")
