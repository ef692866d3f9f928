"""Small convolutional GANs as others write them: families, widths, and faults that can set in late.

Every fault is a quantity that the training step reads from a variable, so that a callback can set
it at any step without tracing again.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import keras
import numpy as np
import tensorflow as tf
from keras import layers, ops

LATENT = 32
CLASSES = 10


@dataclass(frozen=True)
class Family:
    """What a program's author has chosen.

    Args:
        norm: "none", "batch" (in G), "both" (batch norm in G and D) or "spectral" (in D).
        objective: "bce", "saturating", "least_squares", "hinge" or "wasserstein_gp".
        residual: whether blocks have shortcuts, and images grow by resizing.
        conditional: whether both networks take labels.
        dropout: of D.
        kernel: of G's transposed convolutions.
        activation: of both networks' hidden layers.
    """

    norm: str = "none"
    objective: str = "bce"
    residual: bool = False
    conditional: bool = False
    dropout: float = 0.0
    kernel: int = 4
    activation: str = "leaky_relu"


FAMILIES = {
    "keras_docs": Family(dropout=0.2),
    "batch_norm": Family("batch", activation="relu"),
    "norm_both": Family("both"),
    "spectral_hinge": Family("spectral", "hinge", activation="relu"),
    "wgan_gp": Family("none", "wasserstein_gp"),
    "least_squares": Family("batch", "least_squares"),
    "saturating": Family("batch", "saturating"),
    "conditional": Family("batch", conditional=True),
    "residual": Family("batch", "hinge", residual=True),
    "kernel5": Family("batch", dropout=0.3, kernel=5),
}


def filters_of(side: int, width: int) -> list[int]:
    """Return the filters of G's doublings (D has them in reverse): two, or more from 32 pixels on.

    Args:
        side: of the images, in pixels.
        width: filters of the last doubling but one.
    """
    doublings = max(2, int(math.log2(side)) - 2)
    return [width * 2**k // 2 for k in range(doublings - 1, -1, -1)]


def generator(family: Family, shape: tuple[int, int, int], width: int, latent: int) -> keras.Model:
    """G: latents (and labels) to images in [-1, 1]."""
    all_filters, channels = filters_of(shape[0], width), shape[2]
    start, first = shape[0] // 2 ** len(all_filters), 2 * all_filters[0]
    given = [keras.Input((latent,))]
    x = given[0]
    if family.conditional:
        given.append(keras.Input((), dtype="int32"))
        x = layers.Concatenate()([x, layers.Embedding(CLASSES, 16)(given[1])])
    x = layers.Reshape((start, start, first))(layers.Dense(start * start * first)(x))
    for filters in all_filters:
        if family.residual:
            grown = layers.UpSampling2D()(x)
            y = layers.Conv2D(filters, 3, padding="same")(_active(family, grown, "G"))
            x = layers.Add()([y, layers.Conv2D(filters, 1)(grown)])
        else:
            x = _active(family, x, "G")
            x = layers.Conv2DTranspose(filters, family.kernel, strides=2, padding="same")(x)
    x = _active(family, x, "G")
    x = layers.Conv2D(channels, 3, padding="same", activation="tanh")(x)
    return keras.Model(given if family.conditional else given[0], x, name="generator")


def discriminator(family: Family, shape: tuple[int, int, int], width: int) -> keras.Model:
    """D: images (and labels) to one score without activation."""
    given = [keras.Input(shape)]
    x = given[0]
    if family.conditional:
        given.append(keras.Input((), dtype="int32"))
        plane = layers.Embedding(CLASSES, shape[0] * shape[1])(given[1])
        x = layers.Concatenate()([x, layers.Reshape((*shape[:2], 1))(plane)])
    for filters in reversed(filters_of(shape[0], width)):
        conv = layers.Conv2D(filters, 4, strides=2, padding="same")
        x = _spectral(family, conv)(x)
        x = _active(family, x, "D")
        if family.dropout:
            x = layers.Dropout(family.dropout)(x)
    x = _spectral(family, layers.Dense(1))(layers.Flatten()(x))
    return keras.Model(given if family.conditional else given[0], x, name="discriminator")


def _active(family: Family, x: Any, network: str) -> Any:
    if family.norm == "both" or (family.norm != "none" and network == "G"):
        x = layers.BatchNormalization(momentum=0.9)(x)
    return layers.Activation(family.activation if network == "G" else "leaky_relu")(x)


def _spectral(family: Family, layer: Any) -> Any:
    return layers.SpectralNormalization(layer) if family.norm == "spectral" else layer


@dataclass
class Fault:
    """What is wrong with a run; the defaults are a sound one's.

    Args:
        name: of the cause.
        since, until: the fault sets in at the first step and is complete by the second.
        d_rate, g_rate: what the learning rates are multiplied with.
        leak: learning rate of D in G's step, in units of G's; such a GAN is built with ``leaks``.
        label_noise: share of the labels that are flipped in D's step.
        noise: standard deviation of noise on all that D sees.
        dropped: categories whose real samples D is never shown.
        latent: numbers in the latent.
        dropout: of D, in place of the family's.
        objective: in place of the family's.
        few: number of training images; 0 for all.
        scale: what D's real images are multiplied with.
        kernel: of G, in place of the family's.
    """

    name: str = "none"
    since: int = 0
    until: int = 0
    d_rate: float = 1.0
    g_rate: float = 1.0
    leak: float = 0.0
    label_noise: float = 0.0
    noise: float = 0.0
    dropped: tuple[int, ...] = ()
    latent: int = LATENT
    dropout: float | None = None
    objective: str = ""
    few: int = 0
    scale: float = 1.0
    kernel: int = 0


class ImageGAN(keras.Model):
    """A GAN trained by one `train_step` of D and one of G.

    Args:
        family, shape, width: see `generator`.
        rates: learning rates of D and of G.
        leaks: whether G's step can train D as well; see `Fault`.
        shared: whether G's optimizer is always given D's weights too, as in the most copied leak.
    """

    def __init__(
        self,
        family: Family,
        shape: tuple[int, int, int],
        width: int,
        latent: int,
        rates: tuple[float, float],
        leaks: bool = False,
        shared: bool = False,
    ) -> None:
        super().__init__()
        self.family, self.latent_dim, self.shared = family, latent, shared
        self.generator = generator(family, shape, width, latent)
        self.discriminator = discriminator(family, shape, width)
        critic = family.objective == "wasserstein_gp"
        beta = {"beta_1": 0.5, "beta_2": 0.9 if critic else 0.999}
        self.d_optimizer = keras.optimizers.Adam(rates[0], **beta)
        self.g_optimizer = keras.optimizers.Adam(rates[1], **beta)
        self.d_optimizer.build(self.discriminator.trainable_variables)
        self.g_optimizer.build(self._of_g_step())
        self.rates = rates
        self.leak_optimizer = keras.optimizers.Adam(0.0, **beta) if leaks else None
        if self.leak_optimizer is not None:
            self.leak_optimizer.build(self.discriminator.trainable_variables)
        self.label_noise = tf.Variable(0.0, trainable=False)
        self.noise = tf.Variable(0.0, trainable=False)
        self.scale = tf.Variable(1.0, trainable=False)
        self.shares = tf.Variable(tf.ones(CLASSES), trainable=False)

    def apply(self, fault: Fault, share: float) -> None:
        """Set the fault in, to that share of its full strength."""
        if self.leak_optimizer is not None:
            self.leak_optimizer.learning_rate.assign(share * fault.leak * self.rates[1])
        self.label_noise.assign(share * fault.label_noise)
        self.noise.assign(share * fault.noise)
        self.scale.assign(1 + share * (fault.scale - 1))
        shares = np.ones(CLASSES, "float32")
        shares[list(fault.dropped)] = 1 - share
        self.shares.assign(shares)
        if share == 1.0:
            self.d_optimizer.learning_rate.assign(self.rates[0] * fault.d_rate)
            self.g_optimizer.learning_rate.assign(self.rates[1] * fault.g_rate)

    def _of_g_step(self) -> list[Any]:
        """What G's optimizer trains."""
        of_d = self.discriminator.trainable_variables if self.shared else []
        return [*self.generator.trainable_variables, *of_d]

    def call(self, inputs: Any) -> Any:
        return self.generator(inputs)

    def _judged(self, images: Any, labels: Any) -> Any:
        images = images + self.noise * tf.random.normal(tf.shape(images))
        return self.discriminator(
            [images, labels] if self.family.conditional else images, training=True
        )

    def _drawn(self, count: Any, labels: Any) -> Any:
        z = tf.random.normal((count, self.latent_dim))
        return self.generator([z, labels] if self.family.conditional else z, training=True)

    def train_step(self, data: Any) -> dict[str, Any]:
        images, labels = data
        count = tf.shape(images)[0]
        images = images * self.scale
        weights = tf.gather(self.shares, labels)
        weights = weights / tf.maximum(tf.reduce_mean(weights), 1e-3)
        with tf.GradientTape() as tape:
            real = self._judged(images, labels)[:, 0]
            fakes = self._drawn(count, labels)
            fake = self._judged(fakes, labels)[:, 0]
            flip = tf.cast(tf.random.uniform(tf.shape(real)) < self.label_noise, real.dtype)
            loss_real, loss_fake = _d_losses(self.family.objective, real, fake, flip)
            loss_real = tf.reduce_mean(loss_real * weights)
            loss_fake = tf.reduce_mean(loss_fake)
            loss = (loss_real + loss_fake) / 2
            if self.family.objective == "wasserstein_gp":
                loss = loss + self._penalty(images, fakes, labels)
        gradients = tape.gradient(loss, self.discriminator.trainable_variables)
        self.d_optimizer.apply(gradients, self.discriminator.trainable_variables)
        with tf.GradientTape() as tape:
            given = self._judged(self._drawn(count, labels), labels)[:, 0]
            g_loss = tf.reduce_mean(_g_loss(self.family.objective, given))
        trained, of_d = self._of_g_step(), self.discriminator.trainable_variables
        gradients = tape.gradient(g_loss, trained + of_d)
        self.g_optimizer.apply(gradients[: len(trained)], trained)
        if self.leak_optimizer is not None:
            self.leak_optimizer.apply(gradients[len(trained) :], of_d)
        logs = {"d_loss": loss, "d_loss_real": loss_real, "d_loss_fake": loss_fake,
                "g_loss": g_loss}  # fmt: skip
        if self.family.objective != "wasserstein_gp":
            middle = 0.5 if self.family.objective == "least_squares" else 0.0
            logs["d_acc_real"] = tf.reduce_mean(tf.cast(real > middle, "float32"))
            logs["d_acc_fake"] = tf.reduce_mean(tf.cast(fake <= middle, "float32"))
        return logs

    def _penalty(self, real: Any, fake: Any, labels: Any) -> Any:
        share = tf.random.uniform((tf.shape(real)[0], 1, 1, 1))
        between = real + share * (fake - real)
        with tf.GradientTape() as tape:
            tape.watch(between)
            score = self._judged(between, labels)
        slope = tf.sqrt(tf.reduce_sum(tf.square(tape.gradient(score, between)), (1, 2, 3)) + 1e-12)
        return 10.0 * tf.reduce_mean(tf.square(slope - 1.0))


def _d_losses(objective: str, real: Any, fake: Any, flip: Any) -> tuple[Any, Any]:
    if objective == "hinge":
        sign = 1 - 2 * flip
        return ops.relu(1 - sign * real), ops.relu(1 + sign * fake)
    if objective == "wasserstein_gp":
        return -2 * real, 2 * fake
    if objective == "least_squares":
        return tf.square(real - (1 - flip)), tf.square(fake - flip)
    cross_entropy = tf.nn.sigmoid_cross_entropy_with_logits
    return cross_entropy(1 - flip, real), cross_entropy(flip, fake)


def _g_loss(objective: str, score: Any) -> Any:
    if objective in ("hinge", "wasserstein_gp"):
        return -score
    if objective == "least_squares":
        return tf.square(score - 1)
    if objective == "saturating":
        return -tf.nn.softplus(score)  # ln(1 - sigmoid(score))
    return tf.nn.softplus(-score)
