"""Other objectives than cross-entropy, each with its own ``train_step``, on TensorFlow."""

# ruff: noqa: B905
from __future__ import annotations

from collections.abc import Callable
from typing import Any

import images
import keras
import numpy as np
import tensorflow as tf
from corpus import Trained, Watch, from_noise, stranger
from keras import layers

CODINGS = 16
Loss = Callable[[Any, Any], Any]


def generator_net(side: int = 8) -> keras.Sequential:
    return keras.Sequential(
        [
            layers.Input([CODINGS]),
            layers.Dense(side // 2 * side // 2 * 16),
            layers.Reshape([side // 2, side // 2, 16]),
            layers.BatchNormalization(),
            layers.Conv2DTranspose(16, 5, strides=2, padding="same", activation="selu"),
            layers.Conv2D(3, 3, padding="same", activation="tanh"),
        ]
    )


def discriminator_net(side: int = 8, spectral: bool = False) -> keras.Sequential:
    wrap: Any = layers.SpectralNormalization if spectral else (lambda layer: layer)
    return keras.Sequential(
        [
            layers.Input([side, side, 3]),
            wrap(layers.Conv2D(16, 4, strides=2, padding="same")),
            layers.LeakyReLU(0.1),
            wrap(layers.Conv2D(16, 4, strides=2, padding="same")),
            layers.LeakyReLU(0.1),
            layers.Flatten(),
            wrap(layers.Dense(1)),
        ]
    )


class LossGAN(keras.Model):
    """One that takes its losses of D's scores on real and fake samples as functions."""

    def __init__(self, generator: Any, discriminator: Any, fault: str | None, d_steps: int = 1):
        super().__init__()
        self.generator, self.discriminator = generator, discriminator
        self.codings_size, self.fault, self.d_steps = CODINGS, fault, d_steps

    def compile(self, d_optimizer: Any, g_optimizer: Any, d_loss: Loss, g_loss: Loss) -> None:
        super().compile()
        self.d_optimizer, self.g_optimizer = d_optimizer, g_optimizer
        self.discriminator_loss, self.generator_loss = d_loss, g_loss

    def _descend(self, tape: Any, loss: Any, optimizer: Any, variables: Any) -> None:
        optimizer.apply_gradients(zip(tape.gradient(loss, variables), variables))

    def after_discriminator_step(self) -> None:
        """What follows D's update."""

    def train_step(self, images: Any) -> dict[str, Any]:
        batch = tf.shape(images)[0]
        for _ in range(self.d_steps):
            codings = tf.random.normal((batch, CODINGS))
            with tf.GradientTape() as tape:
                fake = self.generator(codings, training=True)
                on_real = self.discriminator(images, training=True)
                on_fake = self.discriminator(fake, training=True)
                d_loss = self.discriminator_loss(on_real, on_fake)
            self._descend(tape, d_loss, self.d_optimizer, self.discriminator.trainable_variables)
            self.after_discriminator_step()
        with tf.GradientTape() as tape:
            fake = self.generator(tf.random.normal((batch, CODINGS)), training=True)
            on_fake = self.discriminator(fake, training=True)
            on_real = self.discriminator(images, training=True)
            g_loss = self.generator_loss(on_real, on_fake)
        variables = self.generator.trainable_variables
        if self.fault == "leak":
            variables = variables + self.discriminator.trainable_variables
        self._descend(tape, g_loss, self.g_optimizer, variables)
        return {"discriminator_loss": d_loss, "generator_loss": g_loss}


def photographs(fault: str | None, count: int = 32 * 30) -> np.ndarray:
    raw = images.photographs(count, 4).astype("float32")
    return raw if fault == "bytes" else raw / 127.5 - 1.0


def trained(
    watch: Watch,
    gan: LossGAN,
    data: np.ndarray,
    steps: int,
    d_loss: Loss,
    g_loss: Loss,
    rates: tuple[float, float] = (2e-4, 2e-4),
    optimizer: Any = keras.optimizers.Adam,
) -> Trained:
    g_rate = {"g_rate_zero": 0.0, "cold_start": 0.1}.get(gan.fault or "", rates[1])
    d_rate = 0.0 if gan.fault == "d_rate_zero" else rates[0]
    gan.compile(optimizer(d_rate), optimizer(g_rate), d_loss, g_loss)
    dataset = tf.data.Dataset.from_tensor_slices(data).shuffle(1000).batch(32).prefetch(1)
    gan.fit(dataset, epochs=steps // 30, callbacks=watch.callbacks, verbose=0)
    return Trained([gan.generator, gan.discriminator], from_noise(gan.generator, CODINGS), data)


@stranger(
    "LSGAN: least squares against 0 and 1",
    "fit",
    "leak one_label g_label bytes cold_start",
    backends="tensorflow",
    steps=300,
)
def least_squares(watch: Watch, fault: str | None, steps: int) -> Trained:
    fake_target = 1.0 if fault == "one_label" else 0.0
    wanted = 0.0 if fault == "g_label" else 1.0

    def d_loss(real: Any, fake: Any) -> Any:
        on_real, on_fake = tf.square(real - 1), tf.square(fake - fake_target)
        return 0.5 * (tf.reduce_mean(on_real) + tf.reduce_mean(on_fake))

    gan = LossGAN(generator_net(), discriminator_net(), fault)
    return trained(
        watch, gan, photographs(fault), steps, d_loss,
        lambda real, fake: 0.5 * tf.reduce_mean(tf.square(fake - wanted)),
    )  # fmt: skip


@stranger(
    "relativistic average GAN with logits",
    "fit",
    "leak g_label bytes d_rate_zero",
    backends="tensorflow",
    steps=300,
)
def relativistic_average(watch: Watch, fault: str | None, steps: int) -> Trained:
    bce = keras.losses.BinaryCrossentropy(from_logits=True)

    def d_loss(real: Any, fake: Any) -> Any:
        of_real, of_fake = real - tf.reduce_mean(fake), fake - tf.reduce_mean(real)
        return (bce(tf.ones_like(real), of_real) + bce(tf.zeros_like(fake), of_fake)) / 2

    def g_loss(real: Any, fake: Any) -> Any:
        return d_loss(real, fake) if fault == "g_label" else d_loss(fake, real)

    gan = LossGAN(generator_net(), discriminator_net(), fault)
    return trained(watch, gan, photographs(fault), steps, d_loss, g_loss)


@stranger(
    "SNGAN: hinge, spectral norm, two time scales (TTUR)",
    "fit",
    "leak one_label g_label bytes g_rate_zero",
    backends="tensorflow",
    steps=300,
)
def hinge_spectral(watch: Watch, fault: str | None, steps: int) -> Trained:
    of_fakes = -1.0 if fault == "one_label" else 1.0
    of_g = 1.0 if fault == "g_label" else -1.0

    def d_loss(real: Any, fake: Any) -> Any:
        return tf.reduce_mean(tf.nn.relu(1.0 - real)) + tf.reduce_mean(
            tf.nn.relu(1.0 + of_fakes * fake)
        )

    gan = LossGAN(generator_net(), discriminator_net(spectral=True), fault)
    return trained(
        watch, gan, photographs(fault), steps, d_loss,
        lambda real, fake: of_g * tf.reduce_mean(fake), rates=(4e-4, 1e-4),
    )  # fmt: skip


class ClippedGAN(LossGAN):
    def after_discriminator_step(self) -> None:
        for variable in self.discriminator.trainable_variables:
            variable.assign(tf.clip_by_value(variable, -0.05, 0.05))


@stranger(
    "WGAN with clipped weights, RMSprop, five critic steps",
    "fit",
    "leak one_label g_label bytes",
    backends="tensorflow",
)
def clipped_wasserstein(watch: Watch, fault: str | None, steps: int) -> Trained:
    of_fakes = -1.0 if fault == "one_label" else 1.0
    of_g = 1.0 if fault == "g_label" else -1.0
    gan = ClippedGAN(generator_net(), discriminator_net(), fault, d_steps=5)
    return trained(
        watch, gan, photographs(fault), steps,
        lambda real, fake: of_fakes * tf.reduce_mean(fake) - tf.reduce_mean(real),
        lambda real, fake: of_g * tf.reduce_mean(fake),
        rates=(5e-5, 5e-5), optimizer=keras.optimizers.RMSprop,
    )  # fmt: skip


@stranger(
    "the minimax loss of the first paper, log(1 − D)",
    "fit",
    "leak g_label bytes",
    backends="tensorflow",
    steps=300,
)
def minimax(watch: Watch, fault: str | None, steps: int) -> Trained:
    def d_loss(real: Any, fake: Any) -> Any:
        p, q = tf.sigmoid(real), tf.sigmoid(fake)
        return -tf.reduce_mean(tf.math.log(p + 1e-7) + tf.math.log(1.0 - q + 1e-7))

    def g_loss(_: Any, fake: Any) -> Any:
        sign = -1.0 if fault == "g_label" else 1.0
        return sign * tf.reduce_mean(tf.math.log(1.0 - tf.sigmoid(fake) + 1e-7))

    gan = LossGAN(generator_net(), discriminator_net(), fault)
    return trained(watch, gan, photographs(fault), steps, d_loss, g_loss)
