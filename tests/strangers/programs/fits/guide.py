"""The guide "Customizing what happens in fit()" and the documentation's WGAN-GP, on TensorFlow."""

# ruff: noqa: B905
from __future__ import annotations

from typing import Any

import images
import keras
import numpy as np
import tensorflow as tf
from corpus import Trained, Watch, from_noise, stranger
from keras import layers

LATENT = 16


def make_critic(last: str | None = None) -> keras.Model:
    img_input = layers.Input(shape=(14, 14, 1))
    x = layers.ZeroPadding2D((1, 1))(img_input)
    x = layers.Conv2D(8, 5, strides=2, padding="same")(x)
    x = layers.LeakyReLU(0.2)(x)
    x = layers.Conv2D(16, 5, strides=2, padding="same")(x)
    x = layers.LeakyReLU(0.2)(x)
    x = layers.Dropout(0.3)(x)
    x = layers.Flatten()(x)
    return keras.models.Model(img_input, layers.Dense(1, activation=last)(x), name="discriminator")


def make_generator(last: str = "tanh", norm: bool = True) -> keras.Model:
    noise = layers.Input(shape=(LATENT,))
    x = layers.Dense(7 * 7 * 8, use_bias=False)(noise)
    x = layers.BatchNormalization()(x) if norm else x
    x = layers.LeakyReLU(0.2)(x)
    x = layers.Reshape((7, 7, 8))(x)
    x = layers.UpSampling2D((2, 2))(x)
    x = layers.Conv2D(8, 3, padding="same", use_bias=False)(x)
    x = layers.BatchNormalization()(x) if norm else x
    x = layers.LeakyReLU(0.2)(x)
    x = layers.Conv2D(1, 3, padding="same", activation=last)(x)
    return keras.models.Model(noise, x, name="generator")


class GuideGAN(keras.Model):
    """The guide's: G and D in one ``train_step``, losses as tracked means, real images 0."""

    def __init__(self, discriminator: Any, generator: Any, latent_dim: int, fault: str | None):
        super().__init__()
        self.discriminator = discriminator
        self.generator = generator
        self.latent_dim = latent_dim
        self.d_loss_tracker = keras.metrics.Mean(name="d_loss")
        self.g_loss_tracker = keras.metrics.Mean(name="g_loss")
        self.seed_generator = keras.random.SeedGenerator(1337)
        self.built = True
        self.fault = fault

    @property
    def metrics(self) -> list[Any]:
        return [self.d_loss_tracker, self.g_loss_tracker]

    def compile(self, d_optimizer: Any, g_optimizer: Any, loss_fn: Any) -> None:
        super().compile()
        self.d_optimizer, self.g_optimizer, self.loss_fn = d_optimizer, g_optimizer, loss_fn

    def train_step(self, real_images: Any) -> dict[str, Any]:
        if isinstance(real_images, tuple):
            real_images = real_images[0]
        batch_size = tf.shape(real_images)[0]
        random_latent_vectors = keras.random.normal(
            shape=(batch_size, self.latent_dim), seed=self.seed_generator
        )
        generated_images = self.generator(random_latent_vectors)
        combined_images = tf.concat([generated_images, real_images], axis=0)
        of_fakes = tf.zeros if self.fault == "one_label" else tf.ones
        labels = tf.concat([of_fakes((batch_size, 1)), tf.zeros((batch_size, 1))], axis=0)
        labels += 0.05 * keras.random.uniform(tf.shape(labels), seed=self.seed_generator)
        learns = self.discriminator.trainable_weights
        if self.fault == "g_leak":
            learns = learns + self.generator.trainable_weights
        with tf.GradientTape() as tape:
            if self.fault == "g_leak":
                combined_images = tf.concat(
                    [self.generator(random_latent_vectors), real_images], axis=0
                )
            d_loss = self.loss_fn(labels, self.discriminator(combined_images))
        self.d_optimizer.apply_gradients(zip(tape.gradient(d_loss, learns), learns))

        random_latent_vectors = keras.random.normal(
            shape=(batch_size, self.latent_dim), seed=self.seed_generator
        )
        misleading = tf.ones if self.fault == "g_label" else tf.zeros
        misleading_labels = misleading((batch_size, 1))
        optimizer = self.d_optimizer if self.fault == "one_optimizer" else self.g_optimizer
        draws = self.generator.trainable_weights
        if self.fault == "leak":
            draws = draws + self.discriminator.trainable_weights
        with tf.GradientTape() as tape:
            predictions = self.discriminator(self.generator(random_latent_vectors))
            g_loss = self.loss_fn(misleading_labels, predictions)
        optimizer.apply_gradients(zip(tape.gradient(g_loss, draws), draws))
        self.d_loss_tracker.update_state(d_loss)
        self.g_loss_tracker.update_state(g_loss)
        return {"d_loss": self.d_loss_tracker.result(), "g_loss": self.g_loss_tracker.result()}


@stranger(
    "Keras guide: customizing fit, .take(100), logits",
    "fit",
    "leak g_leak one_label g_label bytes sigmoid_twice",
    backends="tensorflow",
    steps=300,
)
def guide_gan(watch: Watch, fault: str | None, steps: int) -> Trained:
    digits, _ = images.digits(4000)
    scale = 1.0 if fault == "bytes" else 255.0
    digits = digits.astype("float32") / scale
    dataset = tf.data.Dataset.from_tensor_slices(digits).shuffle(buffer_size=1024).batch(32)
    discriminator = make_critic("sigmoid" if fault == "sigmoid_twice" else None)
    generator = make_generator("sigmoid", norm=False)
    gan = GuideGAN(discriminator, generator, LATENT, fault)
    gan.compile(
        d_optimizer=keras.optimizers.Adam(learning_rate=0.0003),
        g_optimizer=keras.optimizers.Adam(learning_rate=0.0003),
        loss_fn=keras.losses.BinaryCrossentropy(from_logits=True),
    )
    gan.fit(dataset.take(100), epochs=max(1, steps // 100), callbacks=watch.callbacks, verbose=0)
    return Trained([generator, discriminator], from_noise(generator, LATENT), digits)


class DocumentedWGAN(keras.Model):
    """The documentation's WGAN-GP: losses as functions in ``compile``, plain tensors returned."""

    def __init__(self, discriminator: Any, generator: Any, latent_dim: int, fault: str | None):
        super().__init__()
        self.discriminator, self.generator = discriminator, generator
        self.latent_dim, self.fault = latent_dim, fault
        self.d_steps, self.gp_weight = 3, 10.0

    def compile(self, d_optimizer: Any, g_optimizer: Any, d_loss_fn: Any, g_loss_fn: Any) -> None:
        super().compile()
        self.d_optimizer, self.g_optimizer = d_optimizer, g_optimizer
        self.d_loss_fn, self.g_loss_fn = d_loss_fn, g_loss_fn

    def gradient_penalty(self, batch_size: Any, real_images: Any, fake_images: Any) -> Any:
        alpha = tf.random.uniform([batch_size, 1, 1, 1], 0.0, 1.0)
        interpolated = real_images + alpha * (fake_images - real_images)
        with tf.GradientTape() as gp_tape:
            gp_tape.watch(interpolated)
            pred = self.discriminator(interpolated, training=True)
        grads = gp_tape.gradient(pred, [interpolated])[0]
        norm = tf.sqrt(tf.reduce_sum(tf.square(grads), axis=[1, 2, 3]))
        return tf.reduce_mean((norm - 1.0) ** 2)

    def train_step(self, real_images: Any) -> dict[str, Any]:
        if isinstance(real_images, tuple):
            real_images = real_images[0]
        batch_size = tf.shape(real_images)[0]
        for _ in range(self.d_steps):
            latent = tf.random.normal(shape=(batch_size, self.latent_dim))
            with tf.GradientTape() as tape:
                fake_images = self.generator(latent, training=True)
                fake_logits = self.discriminator(fake_images, training=True)
                real_logits = self.discriminator(real_images, training=True)
                d_cost = self.d_loss_fn(real_img=real_logits, fake_img=fake_logits)
                gp = self.gradient_penalty(batch_size, real_images, fake_images)
                d_loss = d_cost + gp * self.gp_weight
            d_gradient = tape.gradient(d_loss, self.discriminator.trainable_variables)
            self.d_optimizer.apply_gradients(
                zip(d_gradient, self.discriminator.trainable_variables)
            )
        latent = tf.random.normal(shape=(batch_size, self.latent_dim))
        learns = self.generator.trainable_variables
        if self.fault == "leak":
            learns = learns + self.discriminator.trainable_variables
        with tf.GradientTape() as tape:
            generated_images = self.generator(latent, training=True)
            g_loss = self.g_loss_fn(self.discriminator(generated_images, training=True))
        self.g_optimizer.apply_gradients(zip(tape.gradient(g_loss, learns), learns))
        return {"d_loss": d_loss, "g_loss": g_loss}


@stranger(
    "Keras documentation: WGAN-GP, three critic steps, arrays",
    "fit",
    "leak one_label g_label bytes g_rate_zero",
    backends="tensorflow",
    steps=120,
)
def documentation_wgan_gp(watch: Watch, fault: str | None, steps: int) -> Trained:
    train_images = images.digits(32 * 20)[0].astype("float32")
    if fault != "bytes":
        train_images = (train_images - 127.5) / 127.5

    def discriminator_loss(real_img: Any, fake_img: Any) -> Any:
        real_loss, fake_loss = tf.reduce_mean(real_img), tf.reduce_mean(fake_img)
        return fake_loss + real_loss if fault == "one_label" else fake_loss - real_loss

    def generator_loss(fake_img: Any) -> Any:
        return (1 if fault == "g_label" else -1) * tf.reduce_mean(fake_img)

    critic, generator = make_critic(), make_generator()
    wgan = DocumentedWGAN(critic, generator, LATENT, fault)
    adam = keras.optimizers.Adam
    wgan.compile(
        d_optimizer=adam(learning_rate=0.0002, beta_1=0.5, beta_2=0.9),
        g_optimizer=adam(0.0 if fault == "g_rate_zero" else 0.0002, beta_1=0.5, beta_2=0.9),
        g_loss_fn=generator_loss,
        d_loss_fn=discriminator_loss,
    )
    wgan.fit(train_images, batch_size=32, epochs=max(1, steps // 20), callbacks=watch.callbacks,
             verbose=0)  # fmt: skip
    return Trained([generator, critic], from_noise(generator, LATENT), np.asarray(train_images))
