"""GANs whose losses come through Keras' own ``compute_loss``, feature matching and a VAE-GAN."""

# ruff: noqa: B905
from __future__ import annotations

from typing import Any

import images
import keras
import numpy as np
import tensorflow as tf
from corpus import Trained, Watch, from_noise, stranger
from keras import layers

LATENT = 12


def body(last: str | None = None) -> tuple[keras.Model, keras.Model]:
    """D and the part of it whose features are matched."""
    x = keras.Input((16, 16, 1))
    h = layers.Conv2D(8, 4, strides=2, padding="same", activation="leaky_relu")(x)
    h = layers.Conv2D(16, 4, strides=2, padding="same", activation="leaky_relu")(h)
    features = layers.Flatten(name="features")(h)
    score = layers.Dense(1, activation=last)(features)
    return keras.Model(x, score, name="discriminator"), keras.Model(x, features, name="features")


def decoder(name: str = "generator") -> keras.Model:
    z = keras.Input((LATENT,))
    h = layers.Dense(4 * 4 * 16, activation="relu")(z)
    h = layers.Reshape((4, 4, 16))(h)
    h = layers.Conv2DTranspose(16, 4, strides=2, padding="same", activation="relu")(h)
    h = layers.Conv2DTranspose(1, 4, strides=2, padding="same", activation="sigmoid")(h)
    return keras.Model(z, h, name=name)


def unit_drawings(fault: str | None, count: int = 32 * 30) -> np.ndarray:
    raw = images.drawings(count, "diamond").astype("float32")
    return raw if fault == "bytes" else raw / 255.0


class ComputeLossGAN(keras.Model):
    """D is compiled by itself, and each step asks the networks for their ``compute_loss``."""

    def __init__(self, generator: Any, discriminator: Any, fault: str | None) -> None:
        super().__init__()
        self.generator, self.discriminator, self.fault = generator, discriminator, fault
        self.latent_dim = LATENT

    def compile(self, optimizer: Any, d_optimizer: Any, loss: Any) -> None:
        super().compile(optimizer=optimizer, loss=loss)
        self.discriminator.compile(optimizer=d_optimizer, loss=loss)

    def call(self, z: Any, training: bool = False) -> Any:
        return self.discriminator(self.generator(z, training=training), training=training)

    def train_step(self, data: Any) -> dict[str, Any]:
        real, _, _ = keras.utils.unpack_x_y_sample_weight(data)
        n = tf.shape(real)[0]
        z = tf.random.normal((n, LATENT))
        both = tf.concat([real, self.generator(z, training=True)], 0)
        second = tf.ones if self.fault == "one_label" else tf.zeros
        y = tf.concat([tf.ones((n, 1)), second((n, 1))], 0)
        with tf.GradientTape() as tape:
            y_pred = self.discriminator(both, training=True)
            d_loss = self.discriminator.compute_loss(both, y, y_pred)
        weights = self.discriminator.trainable_weights
        self.discriminator.optimizer.apply(tape.gradient(d_loss, weights), weights)
        wanted = tf.zeros((n, 1)) if self.fault == "g_label" else tf.ones((n, 1))
        with tf.GradientTape() as tape:
            y_pred = self(z, training=True)
            g_loss = self.compute_loss(z, wanted, y_pred)
        weights = self.generator.trainable_weights
        if self.fault == "leak":
            weights = self.trainable_weights
        self.optimizer.apply(tape.gradient(g_loss, weights), weights)
        return {"d_loss": d_loss, "g_loss": g_loss}


@stranger(
    "losses through compute_loss of compiled networks",
    "fit",
    "leak one_label g_label bytes",
    backends="tensorflow",
    steps=300,
)
def compute_loss(watch: Watch, fault: str | None, steps: int) -> Trained:
    data = unit_drawings(fault)
    gan = ComputeLossGAN(decoder(), body("sigmoid")[0], fault)
    gan.compile(keras.optimizers.Adam(5e-4), keras.optimizers.Adam(5e-4), "binary_crossentropy")
    gan.fit(data, batch_size=32, epochs=steps // 30, callbacks=watch.callbacks, verbose=0)
    return Trained([gan.generator, gan.discriminator], from_noise(gan.generator, LATENT), data)


class FeatureMatching(keras.Model):
    """G matches the mean features of D (Salimans et al., 2016), and D's logits only beside that."""

    def __init__(self, generator: Any, discriminator: Any, features: Any, fault: str | None):
        super().__init__()
        self.generator, self.discriminator, self.features = generator, discriminator, features
        self.noise_dim, self.fault = LATENT, fault

    def compile(self, g_optimizer: Any, d_optimizer: Any) -> None:
        super().compile()
        self.g_optimizer, self.d_optimizer = g_optimizer, d_optimizer
        self.cross_entropy = keras.losses.BinaryCrossentropy(from_logits=True)

    def train_step(self, real: Any) -> dict[str, Any]:
        noise = tf.random.normal((tf.shape(real)[0], LATENT))
        with tf.GradientTape() as g_tape, tf.GradientTape() as d_tape:
            fake = self.generator(noise, training=True)
            on_real, on_fake = self.discriminator(real), self.discriminator(fake)
            of_fake = tf.ones_like if self.fault == "one_label" else tf.zeros_like
            d_loss = self.cross_entropy(tf.ones_like(on_real), on_real)
            d_loss += self.cross_entropy(of_fake(on_fake), on_fake)
            apart = tf.reduce_mean(self.features(real), 0) - tf.reduce_mean(self.features(fake), 0)
            fm_loss = tf.reduce_mean(tf.square(apart))
            adv_loss = self.cross_entropy(tf.ones_like(on_fake), on_fake)
            g_loss = fm_loss + 0.1 * adv_loss
        of_g, of_d = self.generator.trainable_weights, self.discriminator.trainable_weights
        if self.fault == "leak":
            of_g = of_g + of_d
        self.g_optimizer.apply_gradients(zip(g_tape.gradient(g_loss, of_g), of_g))
        self.d_optimizer.apply_gradients(zip(d_tape.gradient(d_loss, of_d), of_d))
        return {"d_loss": d_loss, "g_loss": g_loss, "fm_loss": fm_loss, "adv_loss": adv_loss}


@stranger(
    "feature matching in addition to the adversarial loss",
    "fit",
    "leak one_label",
    backends="tensorflow",
    steps=300,
)
def feature_matching(watch: Watch, fault: str | None, steps: int) -> Trained:
    data = unit_drawings(fault)
    discriminator, features = body()
    gan = FeatureMatching(decoder(), discriminator, features, fault)
    gan.compile(keras.optimizers.Adam(1e-3), keras.optimizers.Adam(3e-4))
    gan.fit(data, batch_size=32, epochs=steps // 30, callbacks=watch.callbacks, verbose=0)
    return Trained([gan.generator, discriminator], from_noise(gan.generator, LATENT), data)


class VaeGan(keras.Model):
    """An encoder, a decoder that is G, and D, three optimizers in one step."""

    def __init__(self, encoder: Any, decoder: Any, discriminator: Any, fault: str | None) -> None:
        super().__init__()
        self.encoder, self.decoder, self.discriminator = encoder, decoder, discriminator
        self.latent_dim, self.fault = LATENT, fault
        self.enc_opt = keras.optimizers.Adam(1e-3)
        self.dec_opt = keras.optimizers.Adam(1e-3)
        self.dis_opt = keras.optimizers.Adam(2e-4)

    def train_step(self, x: Any) -> dict[str, Any]:
        bce = keras.losses.BinaryCrossentropy(from_logits=True)
        with tf.GradientTape(persistent=True) as tape:
            mean, log_var = tf.split(self.encoder(x, training=True), 2, axis=1)
            z = mean + tf.exp(0.5 * log_var) * tf.random.normal(tf.shape(mean))
            reconstruction = self.decoder(z, training=True)
            sampled = self.decoder(tf.random.normal(tf.shape(mean)), training=True)
            on_real = self.discriminator(x, training=True)
            on_rec = self.discriminator(reconstruction, training=True)
            on_fake = self.discriminator(sampled, training=True)
            of_fake = tf.ones_like if self.fault == "one_label" else tf.zeros_like
            dis_loss = (
                bce(tf.ones_like(on_real), on_real)
                + 0.5 * bce(of_fake(on_rec), on_rec)
                + 0.5 * bce(of_fake(on_fake), on_fake)
            )
            rec_loss = tf.reduce_mean(tf.reduce_sum((x - reconstruction) ** 2, (1, 2, 3)))
            kl_loss = -0.5 * tf.reduce_mean(
                tf.reduce_sum(1 + log_var - mean**2 - tf.exp(log_var), 1)
            )
            gan_loss = 0.5 * bce(tf.ones_like(on_rec), on_rec)
            gan_loss += 0.5 * bce(tf.ones_like(on_fake), on_fake)
            enc_loss, dec_loss = kl_loss + rec_loss, rec_loss + gan_loss
        of_dec = self.decoder.trainable_weights
        if self.fault == "leak":
            of_dec = of_dec + self.discriminator.trainable_weights
        for optimizer, loss, weights in (
            (self.enc_opt, enc_loss, self.encoder.trainable_weights),
            (self.dec_opt, dec_loss, of_dec),
            (self.dis_opt, dis_loss, self.discriminator.trainable_weights),
        ):
            optimizer.apply_gradients(zip(tape.gradient(loss, weights), weights))
        return {
            "rec_loss": rec_loss, "kl_loss": kl_loss, "gan_loss": gan_loss, "dis_loss": dis_loss,
        }  # fmt: skip


@stranger("VAE-GAN: the decoder is G", "fit", "leak one_label", backends="tensorflow", steps=300)
def vae_gan(watch: Watch, fault: str | None, steps: int) -> Trained:
    data = unit_drawings(fault)
    encoder = keras.Sequential(
        [
            keras.Input((16, 16, 1)),
            layers.Conv2D(8, 4, strides=2, padding="same", activation="relu"),
            layers.Flatten(),
            layers.Dense(2 * LATENT),
        ],
        name="encoder",
    )
    gan = VaeGan(encoder, decoder("decoder"), body()[0], fault)
    gan.compile()
    gan.fit(data, batch_size=32, epochs=steps // 30, callbacks=watch.callbacks, verbose=0)
    return Trained([encoder, gan.decoder, gan.discriminator], from_noise(gan.decoder, LATENT), data)
