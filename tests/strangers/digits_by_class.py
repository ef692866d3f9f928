"""Labelled digits, samples by class, and the networks that the conditional programs share."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import images
import keras
import numpy as np
from corpus import as_numpy
from keras import layers

CLASSES, LATENT, SIDE = 4, 12, 14


def labelled(fault: str | None, low: float, count: int = 32 * 30) -> tuple[np.ndarray, np.ndarray]:
    """Digits below four in [low, 1], and their labels."""
    digits, labels = images.digits(count, CLASSES)
    if fault == "bytes":
        return digits.astype("float32"), labels
    scaled = digits.astype("float32") / 255.0
    return scaled * (1 - low) + low, labels


def by_class(
    of_label: Callable[[np.ndarray, np.ndarray], Any],
) -> Callable[[int], tuple[np.ndarray, np.ndarray]]:
    """A ``draw`` with as many samples of each class."""

    def draw(count: int) -> tuple[np.ndarray, np.ndarray]:
        labels = np.arange(count) % CLASSES
        noise = np.random.default_rng(3).standard_normal((count, LATENT)).astype("float32")
        return as_numpy(of_label(noise, labels)), labels

    return draw


def judge(channels: int) -> keras.Model:
    return keras.Sequential(
        [
            keras.layers.InputLayer((SIDE, SIDE, channels)),
            layers.Conv2D(12, (3, 3), strides=(2, 2), padding="same"),
            layers.LeakyReLU(negative_slope=0.2),
            layers.Conv2D(24, (3, 3), strides=(2, 2), padding="same"),
            layers.LeakyReLU(negative_slope=0.2),
            layers.GlobalMaxPooling2D(),
            layers.Dense(1),
        ],
        name="discriminator",
    )


def painter(size: int, last: str = "sigmoid") -> keras.Model:
    return keras.Sequential(
        [
            keras.layers.InputLayer((size,)),
            layers.Dense(7 * 7 * size),
            layers.LeakyReLU(negative_slope=0.2),
            layers.Reshape((7, 7, size)),
            layers.Conv2DTranspose(16, (4, 4), strides=(2, 2), padding="same"),
            layers.LeakyReLU(negative_slope=0.2),
            layers.Conv2D(1, (7, 7), padding="same", activation=last),
        ],
        name="generator",
    )
