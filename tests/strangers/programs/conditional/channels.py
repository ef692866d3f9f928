"""Conditional GANs on TensorFlow: the documentation's and the book's."""

# ruff: noqa: B905
from __future__ import annotations

from typing import Any

import keras
import numpy as np
import tensorflow as tf
from corpus import Trained, Watch, stranger
from digits_by_class import CLASSES, LATENT, SIDE, by_class, judge, labelled, painter
from keras import layers


class ConditionalGAN(keras.Model):
    """The documentation's: one-hot labels as channels for D and beside the noise for G."""

    def __init__(self, discriminator: Any, generator: Any, latent_dim: int, fault: str | None):
        super().__init__()
        self.discriminator, self.generator = discriminator, generator
        self.latent_dim, self.fault = latent_dim, fault
        self.seed_generator = keras.random.SeedGenerator(1337)
        self.gen_loss_tracker = keras.metrics.Mean(name="generator_loss")
        self.disc_loss_tracker = keras.metrics.Mean(name="discriminator_loss")

    @property
    def metrics(self) -> list[Any]:
        return [self.gen_loss_tracker, self.disc_loss_tracker]

    def compile(self, d_optimizer: Any, g_optimizer: Any, loss_fn: Any) -> None:
        super().compile()
        self.d_optimizer, self.g_optimizer, self.loss_fn = d_optimizer, g_optimizer, loss_fn

    def train_step(self, data: Any) -> dict[str, Any]:
        real_images, one_hot_labels = data
        channels = one_hot_labels[:, None, None]
        channels = tf.repeat(tf.repeat(channels, SIDE, axis=1), SIDE, axis=2)
        batch_size = tf.shape(real_images)[0]
        shown = tf.zeros_like(one_hot_labels) if self.fault == "no_labels" else one_hot_labels

        def latents() -> Any:
            noise = keras.random.normal((batch_size, self.latent_dim), seed=self.seed_generator)
            return tf.concat([noise, shown], axis=1)

        generated = self.generator(latents())
        fake_and_labels = tf.concat([generated, channels], -1)
        combined = tf.concat([fake_and_labels, tf.concat([real_images, channels], -1)], axis=0)
        of_fakes = tf.zeros if self.fault == "one_label" else tf.ones
        labels = tf.concat([of_fakes((batch_size, 1)), tf.zeros((batch_size, 1))], axis=0)
        with tf.GradientTape() as tape:
            d_loss = self.loss_fn(labels, self.discriminator(combined))
        weights = self.discriminator.trainable_weights
        self.d_optimizer.apply_gradients(zip(tape.gradient(d_loss, weights), weights))
        misleading = tf.ones if self.fault == "g_label" else tf.zeros
        weights = self.generator.trainable_weights
        if self.fault == "leak":
            weights = weights + self.discriminator.trainable_weights
        with tf.GradientTape() as tape:
            fake_and_labels = tf.concat([self.generator(latents()), channels], -1)
            predictions = self.discriminator(fake_and_labels)
            g_loss = self.loss_fn(misleading((batch_size, 1)), predictions)
        self.g_optimizer.apply_gradients(zip(tape.gradient(g_loss, weights), weights))
        self.gen_loss_tracker.update_state(g_loss)
        self.disc_loss_tracker.update_state(d_loss)
        return {"g_loss": self.gen_loss_tracker.result(), "d_loss": self.disc_loss_tracker.result()}


@stranger(
    "Keras documentation: conditional GAN, one-hot channels",
    "fit",
    "leak one_label g_label bytes no_labels",
    backends="tensorflow",
    steps=300,
)
def documentation_cgan(watch: Watch, fault: str | None, steps: int) -> Trained:
    digits, labels = labelled(fault, 0.0)
    one_hot = keras.utils.to_categorical(labels, CLASSES).astype("float32")
    dataset = tf.data.Dataset.from_tensor_slices((digits, one_hot)).shuffle(1024).batch(32)
    generator, discriminator = painter(LATENT + CLASSES), judge(1 + CLASSES)
    gan = ConditionalGAN(discriminator, generator, LATENT, fault)
    gan.compile(
        d_optimizer=keras.optimizers.Adam(learning_rate=0.0003),
        g_optimizer=keras.optimizers.Adam(learning_rate=0.0003),
        loss_fn=keras.losses.BinaryCrossentropy(from_logits=True),
    )
    gan.fit(dataset, epochs=steps // 30, callbacks=watch.callbacks, verbose=0)

    def of_label(noise: np.ndarray, asked: np.ndarray) -> Any:
        shown = keras.utils.to_categorical(asked, CLASSES).astype("float32") * (
            fault != "no_labels"
        )
        return generator(np.concatenate([noise, shown], 1).astype("float32"), training=False)

    return Trained([generator, discriminator], by_class(of_label), digits, labels)


class BookCGAN(keras.Model):
    """The book's: a critic with a gradient penalty, both networks with two inputs."""

    def __init__(self, critic: Any, generator: Any, latent_dim: int, fault: str | None) -> None:
        super().__init__()
        self.critic, self.generator = critic, generator
        self.latent_dim, self.fault = latent_dim, fault

    def compile(self, c_optimizer: Any, g_optimizer: Any) -> None:
        super().compile(run_eagerly=False)
        self.c_optimizer, self.g_optimizer = c_optimizer, g_optimizer
        self.c_loss_metric = keras.metrics.Mean(name="c_loss")
        self.g_loss_metric = keras.metrics.Mean(name="g_loss")

    @property
    def metrics(self) -> list[Any]:
        return [self.c_loss_metric, self.g_loss_metric]

    def gradient_penalty(self, batch_size: Any, real: Any, fake: Any, channels: Any) -> Any:
        alpha = tf.random.normal([batch_size, 1, 1, 1], 0.0, 1.0)
        interpolated = real + alpha * (fake - real)
        with tf.GradientTape() as gp_tape:
            gp_tape.watch(interpolated)
            pred = self.critic([interpolated, channels], training=True)
        grads = gp_tape.gradient(pred, [interpolated])[0]
        norm = tf.sqrt(tf.reduce_sum(tf.square(grads), axis=[1, 2, 3]))
        return tf.reduce_mean((norm - 1.0) ** 2)

    def train_step(self, data: Any) -> dict[str, Any]:
        real_images, one_hot_labels = data
        channels = tf.repeat(one_hot_labels[:, None, None], SIDE, axis=1)
        channels = tf.repeat(channels, SIDE, axis=2)
        batch_size = tf.shape(real_images)[0]
        for _ in range(2):
            z = tf.random.normal(shape=(batch_size, self.latent_dim))
            with tf.GradientTape() as tape:
                fake_images = self.generator([z, one_hot_labels], training=True)
                fake_predictions = self.critic([fake_images, channels], training=True)
                real_predictions = self.critic([real_images, channels], training=True)
                sign = -1.0 if self.fault == "one_label" else 1.0
                c_wass_loss = sign * tf.reduce_mean(fake_predictions)
                c_wass_loss -= tf.reduce_mean(real_predictions)
                c_gp = self.gradient_penalty(batch_size, real_images, fake_images, channels)
                c_loss = c_wass_loss + 10.0 * c_gp
            gradient = tape.gradient(c_loss, self.critic.trainable_variables)
            self.c_optimizer.apply_gradients(zip(gradient, self.critic.trainable_variables))
        z = tf.random.normal(shape=(batch_size, self.latent_dim))
        weights = self.generator.trainable_variables
        if self.fault == "leak":
            weights = weights + self.critic.trainable_variables
        with tf.GradientTape() as tape:
            fake_images = self.generator([z, one_hot_labels], training=True)
            fake_predictions = self.critic([fake_images, channels], training=True)
            g_loss = -tf.reduce_mean(fake_predictions)
            g_loss = -g_loss if self.fault == "g_label" else g_loss
        self.g_optimizer.apply_gradients(zip(tape.gradient(g_loss, weights), weights))
        self.c_loss_metric.update_state(c_loss)
        self.g_loss_metric.update_state(g_loss)
        return {m.name: m.result() for m in self.metrics}


@stranger(
    "Foster, 2nd ed.: conditional GAN, [z, label] and [image, channels]",
    "fit",
    "leak one_label g_label bytes no_labels",
    backends="tensorflow",
)
def book_cgan(watch: Watch, fault: str | None, steps: int) -> Trained:
    digits, labels = labelled(fault, -1.0)
    one_hot = keras.utils.to_categorical(labels, CLASSES).astype("float32")
    image, channels = layers.Input((SIDE, SIDE, 1)), layers.Input((SIDE, SIDE, CLASSES))
    critic = keras.Model(
        [image, channels], judge(1 + CLASSES)(layers.Concatenate()([image, channels]))
    )
    z, label = layers.Input((LATENT,)), layers.Input((CLASSES,))
    label_in = layers.Rescaling(0.0)(label) if fault == "no_labels" else label
    out = painter(LATENT + CLASSES, "tanh")(layers.Concatenate()([z, label_in]))
    generator = keras.Model([z, label], out)
    cgan = BookCGAN(critic, generator, LATENT, fault)
    cgan.compile(
        c_optimizer=keras.optimizers.Adam(5e-4, beta_1=0.0, beta_2=0.9),
        g_optimizer=keras.optimizers.Adam(5e-4, beta_1=0.0, beta_2=0.9),
    )
    train = tf.data.Dataset.zip(
        tf.data.Dataset.from_tensor_slices(digits), tf.data.Dataset.from_tensor_slices(one_hot)
    )
    train = train.shuffle(960).batch(32).map(lambda x, y: (x, y))
    cgan.fit(train, epochs=steps // 30, callbacks=watch.callbacks, verbose=0)

    def of_label(noise: np.ndarray, asked: np.ndarray) -> Any:
        return generator([noise, np.eye(CLASSES, dtype="float32")[asked]], training=False)

    return Trained([generator, critic], by_class(of_label), digits, labels)
