"""GANs as the Keras documentation writes them: ``fit`` with a ``train_step`` on TensorFlow."""

# ruff: noqa: B905
from __future__ import annotations

from typing import Any

import images
import keras
import tensorflow as tf
from corpus import Trained, Watch, from_noise, stranger
from keras import layers

LATENT = 16


def make_discriminator(fault: str | None) -> keras.Model:
    last = "sigmoid" if fault != "no_sigmoid" else None
    norm = [layers.BatchNormalization()] if fault == "mixed_batch" else []
    return keras.Sequential(
        [
            keras.Input(shape=(16, 16, 1)),
            layers.Conv2D(8, kernel_size=4, strides=2, padding="same"),
            *norm,
            layers.LeakyReLU(negative_slope=0.2),
            layers.Conv2D(16, kernel_size=4, strides=2, padding="same"),
            layers.LeakyReLU(negative_slope=0.2),
            layers.Flatten(),
            layers.Dropout(0.2),
            layers.Dense(1, activation=last),
        ],
        name="discriminator",
    )


def make_generator() -> keras.Model:
    return keras.Sequential(
        [
            keras.Input(shape=(LATENT,)),
            layers.Dense(4 * 4 * 16),
            layers.Reshape((4, 4, 16)),
            layers.Conv2DTranspose(16, kernel_size=4, strides=2, padding="same"),
            layers.LeakyReLU(negative_slope=0.2),
            layers.Conv2DTranspose(8, kernel_size=4, strides=2, padding="same"),
            layers.LeakyReLU(negative_slope=0.2),
            layers.Conv2D(1, kernel_size=5, padding="same", activation="sigmoid"),
        ],
        name="generator",
    )


class DocumentedGAN(keras.Model):
    """Both kinds in one batch, noise on the labels, means of the losses as metrics."""

    def __init__(self, discriminator: Any, generator: Any, latent_dim: int, fault: str | None):
        super().__init__()
        self.discriminator = discriminator
        self.generator = generator
        self.latent_dim = latent_dim
        self.seed_generator = keras.random.SeedGenerator(1337)
        self.fault = fault

    def compile(self, d_optimizer: Any, g_optimizer: Any, loss_fn: Any) -> None:
        super().compile()
        self.d_optimizer = d_optimizer
        self.g_optimizer = g_optimizer
        self.loss_fn = loss_fn
        self.d_loss_metric = keras.metrics.Mean(name="d_loss")
        self.g_loss_metric = keras.metrics.Mean(name="g_loss")

    @property
    def metrics(self) -> list[Any]:
        return [self.d_loss_metric, self.g_loss_metric]

    def train_step(self, real_images: Any) -> dict[str, Any]:
        batch_size = tf.shape(real_images)[0]
        noise = keras.random.normal((batch_size, self.latent_dim), seed=self.seed_generator)
        generated = self.generator(noise)
        combined = tf.concat([generated, real_images], axis=0)
        of_real = tf.ones if self.fault == "one_label" else tf.zeros
        labels = tf.concat([tf.ones((batch_size, 1)), of_real((batch_size, 1))], axis=0)
        labels += 0.05 * tf.random.uniform(tf.shape(labels))
        with tf.GradientTape() as tape:
            d_loss = self.loss_fn(labels, self.discriminator(combined))
        grads = tape.gradient(d_loss, self.discriminator.trainable_weights)
        self.d_optimizer.apply_gradients(zip(grads, self.discriminator.trainable_weights))

        noise = keras.random.normal((batch_size, self.latent_dim), seed=self.seed_generator)
        wanted = tf.ones if self.fault == "g_label" else tf.zeros
        misleading_labels = wanted((batch_size, 1))
        weights = self.generator.trainable_weights
        if self.fault == "leak":
            weights = weights + self.discriminator.trainable_weights
        with tf.GradientTape() as tape:
            g_loss = self.loss_fn(misleading_labels, self.discriminator(self.generator(noise)))
        grads = tape.gradient(g_loss, weights)
        self.g_optimizer.apply_gradients(zip(grads, weights))
        self.d_loss_metric.update_state(d_loss)
        self.g_loss_metric.update_state(g_loss)
        return {"d_loss": self.d_loss_metric.result(), "g_loss": self.g_loss_metric.result()}


@stranger(
    "Keras documentation: DCGAN with .map and noisy labels",
    "fit",
    "leak one_label g_label bytes sigmoid_twice no_sigmoid mixed_batch d_rate_zero "
    "g_rate_zero cold_start",
    backends="tensorflow",
    steps=180,
)
def documentation_dcgan(watch: Watch, fault: str | None, steps: int) -> Trained:
    raw = images.drawings(32 * 30)
    scale = 1.0 if fault == "bytes" else 255.0
    dataset = tf.data.Dataset.from_tensor_slices(raw.astype("float32"))
    dataset = dataset.shuffle(512).batch(32).map(lambda x: x / scale)
    discriminator, generator = make_discriminator(fault), make_generator()
    gan = DocumentedGAN(discriminator, generator, LATENT, fault)
    rate = {"cold_start": 0.1, "g_rate_zero": 0.0}.get(fault or "", 1e-3)
    gan.compile(
        d_optimizer=keras.optimizers.Adam(0.0 if fault == "d_rate_zero" else 1e-3),
        g_optimizer=keras.optimizers.Adam(learning_rate=rate),
        loss_fn=keras.losses.BinaryCrossentropy(from_logits=fault == "sigmoid_twice"),
    )
    gan.fit(dataset, epochs=max(1, steps // 30), callbacks=watch.callbacks, verbose=0)
    return Trained(
        [generator, discriminator],
        from_noise(generator, LATENT),
        raw / scale,
        optimizers=[gan.d_optimizer, gan.g_optimizer],
    )
