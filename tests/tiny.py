"""A tiny GAN on a ring of Gaussians: the camel GAN's own model class, a millisecond a step."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import numpy as np

sys.path.insert(0, str(Path(__file__).parents[1] / "examples"))

import keras
import pytest
import ring_gan
from camel_gan import GAN
from keras import layers

once = pytest.mark.backend("torch")
"""For tests that go the same way on every backend: PyTorch compiles nothing."""
once_in_a_process = pytest.mark.backend("jax")
"""For those whose fits are in new processes: Keras starts with JAX in half the time."""
slow_where_compiled = pytest.mark.slow("tensorflow", "jax")
"""For tests of what callbacks do in Python, where a fit is a second of compiling."""


def ring(count: int = 512, seed: int = 0) -> np.ndarray:
    """Points on 8 Gaussians around a circle, float32 (count, 2)."""
    return ring_gan.draw(count, seed)


def tiny_gan(
    fault: str | None = None,
    d_rate: float = 1e-3,
    g_rate: float = 1e-3,
    noise: keras.layers.Layer | None = None,
    kind: type[GAN] = GAN,
    score: str | None = "sigmoid",
    **compiling: Any,
) -> GAN:
    """Dropout, batch norm and latents drawn while training: all that could be disturbed."""
    # XLA's compiling would cost TensorFlow more than these fits take.
    compiling = {
        "jit_compile": False if keras.backend.backend() == "tensorflow" else "auto"
    } | compiling
    generator = keras.Sequential(
        [
            keras.Input((4,)),
            layers.Dense(16),
            layers.BatchNormalization(),
            layers.Activation("relu"),
            *([noise] if noise else []),
            layers.Dense(2),
        ],
        name="generator",
    )
    discriminator = keras.Sequential(
        [
            keras.Input((2,)),
            layers.Dense(16, activation="relu"),
            layers.Dropout(0.3),
            layers.Dense(1, activation=score),
        ],
        name="discriminator",
    )
    gan = kind(generator, discriminator, seed=7, fault=fault)
    gan.compile(
        d_optimizer=keras.optimizers.RMSprop(d_rate),
        g_optimizer=keras.optimizers.RMSprop(g_rate),
        **compiling,
    )
    return gan


class LeastSquares(GAN):
    """Unbounded losses: cross-entropies are clipped, and PyTorch's refuse a NaN."""

    def _loss_on_real(self, real: Any) -> Any:
        score = self.discriminator(real, training=True)
        loss = keras.ops.mean(keras.ops.square(score - 1))
        return loss, {"d_loss_real": loss, "d_acc_real": keras.ops.mean(score > 0.5)}

    def _loss_on_fake(self, real: Any) -> Any:
        score = self.discriminator(self._draw(keras.ops.shape(real)[0]), training=True)
        loss = keras.ops.mean(keras.ops.square(score))
        return loss, {"d_loss_fake": loss, "d_acc_fake": keras.ops.mean(score <= 0.5)}

    def _generator_loss(self, real: Any) -> Any:
        score = self.discriminator(self._draw(keras.ops.shape(real)[0]), training=True)
        loss = keras.ops.mean(keras.ops.square(score - 1))
        return loss, {"g_loss": loss, "g_acc": keras.ops.mean(score > 0.5)}


def diverging_gan() -> GAN:
    """One whose losses leave the ground within its first steps."""
    return tiny_gan(d_rate=1e38, g_rate=1e38, kind=LeastSquares, score=None)


def weights(gan: GAN) -> list[np.ndarray]:
    """Every variable: weights, running means, random generators, both optimizers."""
    variables = [*gan.variables, *gan.optimizer.variables, *gan.d_optimizer.variables]
    return [np.array(keras.ops.convert_to_numpy(v.value)) for v in variables]
