"""The smallest GANs by ``train_on_batch``: a curve, and a ring of Gaussians."""

from __future__ import annotations

import images
import numpy as np
from corpus import Trained, Watch, from_noise, stranger
from keras import Input, Sequential
from keras.layers import Dense
from keras.optimizers import Adam

WIRINGS = "freeze_and_leave freeze_and_undo never_frozen"


def curve(n: int) -> np.ndarray:
    """Points of the parabola, (n, 2)."""
    X1 = np.random.rand(n) - 0.5
    return np.hstack((X1.reshape(n, 1), (X1 * X1).reshape(n, 1)))


def trained(
    watch: Watch, fault: str | None, steps: int, draw: object, half: int
) -> list[Sequential]:
    discriminator = Sequential(
        [Input((2,)), Dense(25, activation="relu", kernel_initializer="he_uniform")]
    )
    discriminator.add(Dense(25, activation="relu", kernel_initializer="he_uniform"))
    discriminator.add(Dense(1, activation="sigmoid"))
    discriminator.compile(
        loss="binary_crossentropy", optimizer=Adam(1e-3, 0.5), metrics=["accuracy"]
    )
    generator = Sequential(
        [Input((5,)), Dense(32, activation="relu", kernel_initializer="he_uniform")]
    )
    generator.add(Dense(32, activation="relu", kernel_initializer="he_uniform"))
    generator.add(Dense(2, activation="linear"))
    if fault in ("freeze_and_leave", "freeze_and_undo"):
        discriminator.trainable = False
    gan = Sequential([Input((5,)), generator, discriminator])
    gan.compile(loss="binary_crossentropy", optimizer=Adam(1e-3, 0.5))
    if fault == "freeze_and_undo":
        discriminator.trainable = True
    with watch.watching(generator=generator, discriminator=discriminator, combined=gan):
        for _ in range(steps):
            if fault not in WIRINGS.split():
                discriminator.trainable = True
            x_fake = generator.predict_on_batch(np.random.randn(half, 5))
            discriminator.train_on_batch(draw(half), np.ones((half, 1)))  # type: ignore[operator]
            of_fakes = np.ones if fault == "one_label" else np.zeros
            discriminator.train_on_batch(x_fake, of_fakes((half, 1)))
            if fault not in WIRINGS.split():
                discriminator.trainable = False
            wanted = np.zeros if fault == "g_label" else np.ones
            gan.train_on_batch(np.random.randn(2 * half, 5), wanted((2 * half, 1)))
    return [generator, discriminator]


@stranger(
    "Brownlee: a one-dimensional function",
    "train_on_batch",
    f"{WIRINGS} one_label g_label",
    steps=260,
)
def tutorial_curve(watch: Watch, fault: str | None, steps: int) -> Trained:
    generator, discriminator = trained(watch, fault, steps, curve, 64)

    def with_misfit(points: np.ndarray) -> np.ndarray:
        """Rows of one picture each: the point, and ten times how far it is off the curve."""
        off = 10 * (points[:, 1] - points[:, 0] ** 2)
        return np.column_stack([points, off])[:, None, :]

    def draw(count: int) -> tuple[np.ndarray, None]:
        return with_misfit(from_noise(generator, 5)(count)[0]), None

    return Trained([generator, discriminator], draw, with_misfit(curve(1000)))


@stranger(
    "a ring of eight Gaussians by train_on_batch",
    "train_on_batch",
    f"{WIRINGS} one_label g_label",
    steps=260,
)
def loop_on_a_ring(watch: Watch, fault: str | None, steps: int) -> Trained:
    ring = images.ring(2000)
    generator, discriminator = trained(
        watch, fault, steps, lambda n: ring[np.random.randint(0, len(ring), n)], 64
    )
    return Trained([generator, discriminator], from_noise(generator, 5), ring)
