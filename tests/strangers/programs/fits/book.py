"""GANs as the book's second edition writes them: many metrics, ``.map``, on TensorFlow."""

# ruff: noqa: B905
from __future__ import annotations

from typing import Any

import images
import numpy as np
import tensorflow as tf
from corpus import Trained, Watch, from_noise, stranger
from keras import layers, losses, metrics, models, optimizers

Z_DIM = 16
NOISE_PARAM = 0.1
CRITIC_STEPS = 3
GP_WEIGHT = 10.0


def build_discriminator(activation: str | None, norm: bool = True) -> Any:
    discriminator_input = layers.Input(shape=(16, 16, 1))
    x = layers.Conv2D(8, kernel_size=4, strides=2, padding="same", use_bias=False)(
        discriminator_input
    )
    x = layers.LeakyReLU(0.2)(x)
    x = layers.Dropout(0.3)(x)
    x = layers.Conv2D(16, kernel_size=4, strides=2, padding="same", use_bias=False)(x)
    x = layers.BatchNormalization(momentum=0.9)(x) if norm else x
    x = layers.LeakyReLU(0.2)(x)
    x = layers.Dropout(0.3)(x)
    x = layers.Conv2D(1, kernel_size=4, strides=1, padding="valid", activation=activation)(x)
    return models.Model(discriminator_input, layers.Flatten()(x))


def build_generator(last: str = "tanh") -> Any:
    generator_input = layers.Input(shape=(Z_DIM,))
    x = layers.Reshape((1, 1, Z_DIM))(generator_input)
    for filters, strides, padding in ((32, 1, "valid"), (16, 2, "same")):
        x = layers.Conv2DTranspose(
            filters, kernel_size=4, strides=strides, padding=padding, use_bias=False
        )(x)
        x = layers.BatchNormalization(momentum=0.9)(x)
        x = layers.LeakyReLU(0.2)(x)
    out = layers.Conv2DTranspose(
        1, kernel_size=4, strides=2, padding="same", use_bias=False, activation=last
    )(x)
    return models.Model(generator_input, out)


class DCGAN(models.Model):
    def __init__(self, discriminator: Any, generator: Any, latent_dim: int, fault: str | None):
        super().__init__()
        self.discriminator = discriminator
        self.generator = generator
        self.latent_dim = latent_dim
        self.fault = fault

    def compile(self, d_optimizer: Any, g_optimizer: Any) -> None:
        super().compile()
        self.loss_fn = losses.BinaryCrossentropy(from_logits=self.fault == "sigmoid_twice")
        self.d_optimizer = d_optimizer
        self.g_optimizer = g_optimizer
        self.d_loss_metric = metrics.Mean(name="d_loss")
        self.d_real_acc_metric = metrics.BinaryAccuracy(name="d_real_acc")
        self.d_fake_acc_metric = metrics.BinaryAccuracy(name="d_fake_acc")
        self.d_acc_metric = metrics.BinaryAccuracy(name="d_acc")
        self.g_loss_metric = metrics.Mean(name="g_loss")
        self.g_acc_metric = metrics.BinaryAccuracy(name="g_acc")

    @property
    def metrics(self) -> list[Any]:
        return [
            self.d_loss_metric,
            self.d_real_acc_metric,
            self.d_fake_acc_metric,
            self.d_acc_metric,
            self.g_loss_metric,
            self.g_acc_metric,
        ]

    def train_step(self, real_images: Any) -> dict[str, Any]:
        batch_size = tf.shape(real_images)[0]
        latent = tf.random.normal(shape=(batch_size, self.latent_dim))
        with tf.GradientTape() as gen_tape, tf.GradientTape() as disc_tape:
            generated_images = self.generator(latent, training=True)
            real_predictions = self.discriminator(real_images, training=True)
            fake_predictions = self.discriminator(generated_images, training=True)

            real_labels = tf.ones_like(real_predictions)
            real_noisy_labels = real_labels + NOISE_PARAM * tf.random.uniform(
                tf.shape(real_predictions)
            )
            fake_labels = tf.zeros_like(fake_predictions)
            if self.fault == "one_label":
                fake_labels = tf.ones_like(fake_predictions)
            fake_noisy_labels = fake_labels - NOISE_PARAM * tf.random.uniform(
                tf.shape(fake_predictions)
            )
            d_real_loss = self.loss_fn(real_noisy_labels, real_predictions)
            d_fake_loss = self.loss_fn(fake_noisy_labels, fake_predictions)
            d_loss = (d_real_loss + d_fake_loss) / 2.0
            wanted = tf.zeros_like if self.fault == "g_label" else tf.ones_like
            g_loss = self.loss_fn(wanted(fake_predictions), fake_predictions)

        of_d = self.discriminator.trainable_variables
        of_g = self.generator.trainable_variables
        if self.fault == "leak":
            of_g = of_g + of_d
        gradients_of_discriminator = disc_tape.gradient(d_loss, of_d)
        gradients_of_generator = gen_tape.gradient(g_loss, of_g)
        self.d_optimizer.apply_gradients(zip(gradients_of_discriminator, of_d))
        self.g_optimizer.apply_gradients(zip(gradients_of_generator, of_g))

        self.d_loss_metric.update_state(d_loss)
        self.d_real_acc_metric.update_state(real_labels, real_predictions)
        self.d_fake_acc_metric.update_state(tf.zeros_like(fake_predictions), fake_predictions)
        self.d_acc_metric.update_state(
            [real_labels, tf.zeros_like(fake_predictions)], [real_predictions, fake_predictions]
        )
        self.g_loss_metric.update_state(g_loss)
        self.g_acc_metric.update_state(real_labels, fake_predictions)
        return {m.name: m.result() for m in self.metrics}


def bricks(fault: str | None, count: int = 32 * 30) -> tuple[np.ndarray, Any]:
    """The files' images as the book maps them, and what D sees of them."""
    raw = images.drawings(count)

    def preprocess(img: Any) -> Any:
        img = tf.cast(img, "float32")
        return img if fault == "bytes" else (img - 127.5) / 127.5

    dataset = tf.data.Dataset.from_tensor_slices(raw).shuffle(count).batch(32)
    train = dataset.map(lambda x: preprocess(x))  # noqa: PLW0108
    seen = raw.astype("float32")
    return (seen if fault == "bytes" else (seen - 127.5) / 127.5), train


@stranger(
    "Foster, 2nd ed.: DCGAN, six metrics, noisy labels, .map",
    "fit",
    "leak one_label g_label bytes sigmoid_twice no_sigmoid wrong_range d_rate_zero cold_start",
    backends="tensorflow",
    steps=300,
)
def book_dcgan(watch: Watch, fault: str | None, steps: int) -> Trained:
    seen, train = bricks(fault)
    discriminator = build_discriminator(None if fault == "no_sigmoid" else "sigmoid")
    generator = build_generator("sigmoid" if fault == "wrong_range" else "tanh")
    dcgan = DCGAN(discriminator, generator, Z_DIM, fault)
    d_rate = 0.0 if fault == "d_rate_zero" else 2e-4
    g_rate = 0.1 if fault == "cold_start" else 2e-4
    dcgan.compile(
        d_optimizer=optimizers.Adam(learning_rate=d_rate, beta_1=0.5, beta_2=0.999),
        g_optimizer=optimizers.Adam(learning_rate=g_rate, beta_1=0.5, beta_2=0.999),
    )
    dcgan.fit(train, epochs=max(1, steps // 30), callbacks=watch.callbacks, verbose=0)
    return Trained([generator, discriminator], from_noise(generator, Z_DIM), seen)


class WGANGP(models.Model):
    def __init__(self, critic: Any, generator: Any, latent_dim: int, fault: str | None):
        super().__init__()
        self.critic, self.generator = critic, generator
        self.latent_dim, self.fault = latent_dim, fault

    def compile(self, c_optimizer: Any, g_optimizer: Any) -> None:
        super().compile()
        self.c_optimizer, self.g_optimizer = c_optimizer, g_optimizer
        self.c_wass_loss_metric = metrics.Mean(name="c_wass_loss")
        self.c_gp_metric = metrics.Mean(name="c_gp")
        self.c_loss_metric = metrics.Mean(name="c_loss")
        self.g_loss_metric = metrics.Mean(name="g_loss")

    @property
    def metrics(self) -> list[Any]:
        return [self.c_loss_metric, self.c_wass_loss_metric, self.c_gp_metric, self.g_loss_metric]

    def gradient_penalty(self, batch_size: Any, real_images: Any, fake_images: Any) -> Any:
        alpha = tf.random.normal([batch_size, 1, 1, 1], 0.0, 1.0)
        interpolated = real_images + alpha * (fake_images - real_images)
        with tf.GradientTape() as gp_tape:
            gp_tape.watch(interpolated)
            pred = self.critic(interpolated, training=True)
        grads = gp_tape.gradient(pred, [interpolated])[0]
        norm = tf.sqrt(tf.reduce_sum(tf.square(grads), axis=[1, 2, 3]))
        return tf.reduce_mean((norm - 1.0) ** 2)

    def train_step(self, real_images: Any) -> dict[str, Any]:
        batch_size = tf.shape(real_images)[0]
        for _ in range(CRITIC_STEPS):
            latent = tf.random.normal(shape=(batch_size, self.latent_dim))
            with tf.GradientTape() as tape:
                fake_images = self.generator(latent, training=True)
                fake_predictions = self.critic(fake_images, training=True)
                real_predictions = self.critic(real_images, training=True)
                sign = -1.0 if self.fault == "one_label" else 1.0
                c_wass_loss = sign * tf.reduce_mean(fake_predictions) - tf.reduce_mean(
                    real_predictions
                )
                c_gp = self.gradient_penalty(batch_size, real_images, fake_images)
                c_loss = c_wass_loss + c_gp * GP_WEIGHT
            c_gradient = tape.gradient(c_loss, self.critic.trainable_variables)
            self.c_optimizer.apply_gradients(zip(c_gradient, self.critic.trainable_variables))

        latent = tf.random.normal(shape=(batch_size, self.latent_dim))
        learns = self.generator.trainable_variables
        if self.fault == "leak":
            learns = learns + self.critic.trainable_variables
        with tf.GradientTape() as tape:
            fake_predictions = self.critic(self.generator(latent, training=True), training=True)
            g_loss = -tf.reduce_mean(fake_predictions)
            g_loss = -g_loss if self.fault == "g_label" else g_loss
        self.g_optimizer.apply_gradients(zip(tape.gradient(g_loss, learns), learns))
        self.c_loss_metric.update_state(c_loss)
        self.c_wass_loss_metric.update_state(c_wass_loss)
        self.c_gp_metric.update_state(c_gp)
        self.g_loss_metric.update_state(g_loss)
        return {m.name: m.result() for m in self.metrics}


@stranger(
    "Foster, 2nd ed.: WGAN-GP, normal interpolation, c_loss",
    "fit",
    "leak one_label g_label bytes wrong_range",
    backends="tensorflow",
    steps=120,
)
def book_wgan_gp(watch: Watch, fault: str | None, steps: int) -> Trained:
    seen, train = bricks(fault)
    critic = build_discriminator(None, norm=False)
    generator = build_generator("sigmoid" if fault == "wrong_range" else "tanh")
    wgangp = WGANGP(critic, generator, Z_DIM, fault)
    wgangp.compile(
        c_optimizer=optimizers.Adam(learning_rate=2e-4, beta_1=0.5, beta_2=0.9),
        g_optimizer=optimizers.Adam(learning_rate=2e-4, beta_1=0.5, beta_2=0.9),
    )
    wgangp.fit(train, epochs=max(1, steps // 30), callbacks=watch.callbacks, verbose=0)
    return Trained([generator, critic], from_noise(generator, Z_DIM), seen)
