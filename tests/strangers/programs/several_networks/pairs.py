"""Two pairs of networks, and generators that take an image, on TensorFlow."""

# ruff: noqa: B905
from __future__ import annotations

from collections.abc import Callable
from typing import Any

import images
import keras
import numpy as np
import tensorflow as tf
from corpus import Trained, Watch, as_numpy, stranger
from keras import layers


def translator(name: str, channels: int = 1, up: int = 1) -> keras.Model:
    """An image to an image, ``up`` times as wide."""
    image = layers.Input((None, None, channels))
    h = layers.Conv2D(12, 3, padding="same", activation="relu")(image)
    if up > 1:
        h = layers.UpSampling2D(up)(h)
    skip = h
    h = layers.Conv2D(12, 3, padding="same", activation="relu")(h)
    h = layers.Conv2D(12, 3, padding="same")(h)
    h = layers.Add()([h, skip])
    return keras.Model(
        image, layers.Conv2D(channels, 3, padding="same", activation="tanh")(h), name=name
    )


def patch_judge(name: str, channels: int = 1, last: str | None = None) -> keras.Model:
    """A PatchGAN discriminator: a map of scores."""
    return keras.Sequential(
        [
            layers.Input((16, 16, channels)),
            layers.Conv2D(8, 4, strides=2, padding="same"),
            layers.LeakyReLU(0.2),
            layers.Conv2D(16, 4, strides=2, padding="same"),
            layers.LeakyReLU(0.2),
            layers.Conv2D(1, 3, padding="same", activation=last),
        ],
        name=name,
    )


def scaled(category: str, count: int = 32 * 15) -> np.ndarray:
    return (images.drawings(count, category).astype("float32") - 127.5) / 127.5


def translated(generator: Any, source: np.ndarray) -> Callable[[int], tuple[np.ndarray, None]]:
    def draw(count: int) -> tuple[np.ndarray, None]:
        return as_numpy(generator(source[np.arange(count) % len(source)], training=False)), None

    return draw


class CycleGan(keras.Model):
    """The documentation's: two generators, two discriminators, four optimizers."""

    def __init__(self, fault: str | None) -> None:
        super().__init__()
        self.gen_G, self.gen_F = translator("generator_G"), translator("generator_F")
        self.disc_X, self.disc_Y = patch_judge("discriminator_X"), patch_judge("discriminator_Y")
        self.lambda_cycle, self.lambda_identity, self.fault = 10.0, 0.5, fault

    def call(self, inputs: Any) -> Any:
        return self.disc_X(inputs), self.disc_Y(inputs), self.gen_G(inputs), self.gen_F(inputs)

    def compile(self, rate: float) -> None:
        super().compile()
        self.gen_G_optimizer = keras.optimizers.Adam(rate, beta_1=0.5)
        self.gen_F_optimizer = keras.optimizers.Adam(rate, beta_1=0.5)
        self.disc_X_optimizer = keras.optimizers.Adam(rate, beta_1=0.5)
        self.disc_Y_optimizer = keras.optimizers.Adam(rate, beta_1=0.5)
        self.mse, self.mae = keras.losses.MeanSquaredError(), keras.losses.MeanAbsoluteError()

    def generator_loss(self, fake: Any) -> Any:
        wanted = tf.zeros_like if self.fault == "g_label" else tf.ones_like
        return self.mse(wanted(fake), fake)

    def discriminator_loss(self, real: Any, fake: Any) -> Any:
        of_fake = tf.ones_like if self.fault == "one_label" else tf.zeros_like
        return 0.5 * (self.mse(tf.ones_like(real), real) + self.mse(of_fake(fake), fake))

    def train_step(self, batch_data: Any) -> dict[str, Any]:
        real_x, real_y = batch_data
        with tf.GradientTape(persistent=True) as tape:
            fake_y, fake_x = self.gen_G(real_x, training=True), self.gen_F(real_y, training=True)
            cycled_x, cycled_y = (
                self.gen_F(fake_y, training=True),
                self.gen_G(fake_x, training=True),
            )
            same_x, same_y = self.gen_F(real_x, training=True), self.gen_G(real_y, training=True)
            disc_real_x, disc_fake_x = self.disc_X(real_x), self.disc_X(fake_x)
            disc_real_y, disc_fake_y = self.disc_Y(real_y), self.disc_Y(fake_y)
            cycle = self.lambda_cycle * (self.mae(real_x, cycled_x) + self.mae(real_y, cycled_y))
            identity = self.lambda_cycle * self.lambda_identity
            total_loss_G = self.generator_loss(disc_fake_y) + cycle
            total_loss_G += identity * self.mae(real_y, same_y)
            total_loss_F = self.generator_loss(disc_fake_x) + cycle
            total_loss_F += identity * self.mae(real_x, same_x)
            disc_X_loss = self.discriminator_loss(disc_real_x, disc_fake_x)
            disc_Y_loss = self.discriminator_loss(disc_real_y, disc_fake_y)
        of_G = self.gen_G.trainable_variables
        if self.fault == "leak":
            of_G = of_G + self.disc_Y.trainable_variables
        updates = (
            (self.gen_G_optimizer, total_loss_G, of_G),
            (self.gen_F_optimizer, total_loss_F, self.gen_F.trainable_variables),
            (self.disc_X_optimizer, disc_X_loss, self.disc_X.trainable_variables),
            (self.disc_Y_optimizer, disc_Y_loss, self.disc_Y.trainable_variables),
        )
        for optimizer, loss, variables in updates:
            optimizer.apply_gradients(zip(tape.gradient(loss, variables), variables))
        return {
            "G_loss": total_loss_G, "F_loss": total_loss_F,
            "D_X_loss": disc_X_loss, "D_Y_loss": disc_Y_loss,
        }  # fmt: skip


@stranger(
    "CycleGAN: two pairs, unpaired images",
    "fit",
    "leak one_label g_label",
    backends="tensorflow",
    steps=60,
)
def cyclegan(watch: Watch, fault: str | None, steps: int) -> Trained:
    apples, diamonds = scaled("apple"), scaled("diamond")
    gan = CycleGan(fault)
    gan.compile(2e-4)
    train_x = tf.data.Dataset.from_tensor_slices(apples).shuffle(256).batch(16)
    train_y = tf.data.Dataset.from_tensor_slices(diamonds).shuffle(256).batch(16)
    gan.fit(tf.data.Dataset.zip((train_x, train_y)), epochs=steps // 30, callbacks=watch.callbacks,
            verbose=0)  # fmt: skip
    return Trained(
        [gan.gen_G, gan.gen_F, gan.disc_X, gan.disc_Y], translated(gan.gen_G, apples), diamonds
    )


class Pix2Pix(keras.Model):
    """G draws the photograph of an outline; D is shown the outline beside it."""

    def __init__(self, fault: str | None) -> None:
        super().__init__()
        self.generator, self.fault = translator("generator"), fault
        inp, tar = layers.Input((16, 16, 1)), layers.Input((16, 16, 1))
        score = patch_judge("patches", 2)(layers.Concatenate()([inp, tar]))
        self.discriminator = keras.Model([inp, tar], score, name="discriminator")

    def compile(self, generator_optimizer: Any, discriminator_optimizer: Any) -> None:
        super().compile()
        self.generator_optimizer = generator_optimizer
        self.discriminator_optimizer = discriminator_optimizer
        self.loss_object = keras.losses.BinaryCrossentropy(from_logits=True)

    def train_step(self, data: Any) -> dict[str, Any]:
        input_image, target = data
        with tf.GradientTape() as gen_tape, tf.GradientTape() as disc_tape:
            gen_output = self.generator(input_image, training=True)
            on_real = self.discriminator([input_image, target], training=True)
            on_fake = self.discriminator([input_image, gen_output], training=True)
            wanted = tf.zeros_like if self.fault == "g_label" else tf.ones_like
            gan_loss = self.loss_object(wanted(on_fake), on_fake)
            l1_loss = tf.reduce_mean(tf.abs(target - gen_output))
            gen_total_loss = gan_loss + 20.0 * l1_loss
            of_fake = tf.ones_like if self.fault == "one_label" else tf.zeros_like
            disc_loss = self.loss_object(tf.ones_like(on_real), on_real)
            disc_loss += self.loss_object(of_fake(on_fake), on_fake)
        of_g, of_d = self.generator.trainable_variables, self.discriminator.trainable_variables
        if self.fault == "leak":
            of_g = of_g + of_d
        self.generator_optimizer.apply_gradients(zip(gen_tape.gradient(gen_total_loss, of_g), of_g))
        self.discriminator_optimizer.apply_gradients(zip(disc_tape.gradient(disc_loss, of_d), of_d))
        return {
            "gen_total_loss": gen_total_loss, "gen_gan_loss": gan_loss, "gen_l1_loss": l1_loss,
            "disc_loss": disc_loss,
        }  # fmt: skip


@stranger("pix2pix", "fit", "leak one_label g_label", backends="tensorflow", steps=90)
def pix2pix(watch: Watch, fault: str | None, steps: int) -> Trained:
    target = scaled("cat")
    source = np.tanh(np.roll(target, 1, 1) + np.roll(target, 1, 2))  # a blurred, shifted outline
    model = Pix2Pix(fault)
    model.compile(keras.optimizers.Adam(1e-3, 0.5), keras.optimizers.Adam(2e-4, 0.5))
    train = tf.data.Dataset.from_tensor_slices((source, target)).shuffle(400).batch(16)
    model.fit(train, epochs=steps // 30, callbacks=watch.callbacks, verbose=0)
    return Trained(
        [model.generator, model.discriminator], translated(model.generator, source), target
    )


class SuperResolution(keras.Model):
    """SRGAN in small: G makes 16 × 16 photographs of 8 × 8 ones, content loss and D's."""

    def __init__(self, fault: str | None) -> None:
        super().__init__()
        self.generator = translator("generator", 3, up=2)
        self.discriminator, self.fault = patch_judge("discriminator", 3, "sigmoid"), fault

    def compile(self, g_optimizer: Any, d_optimizer: Any) -> None:
        super().compile()
        self.g_optimizer, self.d_optimizer = g_optimizer, d_optimizer
        self.bce_loss, self.mse_loss = (
            keras.losses.BinaryCrossentropy(),
            keras.losses.MeanSquaredError(),
        )

    def train_step(self, batch: Any) -> dict[str, Any]:
        lr_images, hr_images = batch
        with tf.GradientTape() as g_tape, tf.GradientTape() as d_tape:
            sr_images = self.generator(lr_images, training=True)
            hr_output = self.discriminator(hr_images, training=True)
            sr_output = self.discriminator(sr_images, training=True)
            content_loss = self.mse_loss(hr_images, sr_images)
            wanted = tf.zeros_like if self.fault == "g_label" else tf.ones_like
            gen_loss = self.bce_loss(wanted(sr_output), sr_output)
            perc_loss = content_loss + 1e-2 * gen_loss
            of_fake = tf.ones_like if self.fault == "one_label" else tf.zeros_like
            disc_loss = self.bce_loss(tf.ones_like(hr_output), hr_output)
            disc_loss += self.bce_loss(of_fake(sr_output), sr_output)
        of_g, of_d = self.generator.trainable_variables, self.discriminator.trainable_variables
        if self.fault == "leak":
            of_g = of_g + of_d
        self.g_optimizer.apply_gradients(zip(g_tape.gradient(perc_loss, of_g), of_g))
        self.d_optimizer.apply_gradients(zip(d_tape.gradient(disc_loss, of_d), of_d))
        return {"perceptual_loss": perc_loss, "discriminator_loss": disc_loss}


@stranger("SRGAN: super-resolution", "fit", "leak one_label", backends="tensorflow", steps=120)
def super_resolution(watch: Watch, fault: str | None, steps: int) -> Trained:
    high = images.photographs(32 * 15).astype("float32") / 127.5 - 1.0
    low = high.reshape(len(high), 8, 2, 8, 2, 3).mean((2, 4))
    gan = SuperResolution(fault)
    gan.compile(keras.optimizers.Adam(1e-3), keras.optimizers.Adam(1e-4))
    train = tf.data.Dataset.from_tensor_slices((low, high)).batch(16).prefetch(2)
    gan.fit(train, epochs=steps // 30, callbacks=watch.callbacks, verbose=0)
    return Trained([gan.generator, gan.discriminator], translated(gan.generator, low), high)
