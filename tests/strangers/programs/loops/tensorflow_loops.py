"""Loops with ``tf.function``: TensorFlow's DCGAN tutorial, the Keras guide's, a WGAN-GP by hand."""

# ruff: noqa: B905
from __future__ import annotations

import time
from typing import Any

import images
import keras
import numpy as np
import tensorflow as tf
from corpus import Trained, Watch, from_noise, stranger
from keras import layers

noise_dim = 16
BATCH_SIZE = 32


def make_generator_model() -> keras.Model:
    model = keras.Sequential()
    model.add(keras.Input((noise_dim,)))
    model.add(layers.Dense(7 * 7 * 8, use_bias=False))
    model.add(layers.BatchNormalization())
    model.add(layers.LeakyReLU())
    model.add(layers.Reshape((7, 7, 8)))
    model.add(layers.Conv2DTranspose(8, (5, 5), strides=(1, 1), padding="same", use_bias=False))
    model.add(layers.BatchNormalization())
    model.add(layers.LeakyReLU())
    model.add(
        layers.Conv2DTranspose(
            1, (5, 5), strides=(2, 2), padding="same", use_bias=False, activation="tanh"
        )
    )
    return model


def make_discriminator_model() -> keras.Model:
    model = keras.Sequential()
    model.add(keras.Input((14, 14, 1)))
    model.add(layers.Conv2D(8, (5, 5), strides=(2, 2), padding="same"))
    model.add(layers.LeakyReLU())
    model.add(layers.Dropout(0.3))
    model.add(layers.Conv2D(16, (5, 5), strides=(2, 2), padding="same"))
    model.add(layers.LeakyReLU())
    model.add(layers.Dropout(0.3))
    model.add(layers.Flatten())
    model.add(layers.Dense(1))
    return model


def digits(fault: str | None, count: int = 960) -> np.ndarray:
    train_images, _ = images.digits(count)
    floats = train_images.astype("float32")
    return floats if fault == "bytes" else (floats - 127.5) / 127.5


@stranger(
    "TensorFlow's DCGAN tutorial: @tf.function, two tapes",
    "update",
    "leak one_label g_label bytes cold_start",
    backends="tensorflow",
    steps=300,
)
def tutorial_dcgan(watch: Watch, fault: str | None, steps: int) -> Trained:
    train_images = digits(fault)
    train_dataset = tf.data.Dataset.from_tensor_slices(train_images).shuffle(960).batch(BATCH_SIZE)
    generator, discriminator = make_generator_model(), make_discriminator_model()
    cross_entropy = keras.losses.BinaryCrossentropy(from_logits=True)

    def discriminator_loss(real_output: Any, fake_output: Any) -> Any:
        real_loss = cross_entropy(tf.ones_like(real_output), real_output)
        of_fake = tf.ones_like if fault == "one_label" else tf.zeros_like
        return real_loss + cross_entropy(of_fake(fake_output), fake_output)

    def generator_loss(fake_output: Any) -> Any:
        wanted = tf.zeros_like if fault == "g_label" else tf.ones_like
        return cross_entropy(wanted(fake_output), fake_output)

    generator_optimizer = keras.optimizers.Adam(0.1 if fault == "cold_start" else 3e-4)
    discriminator_optimizer = keras.optimizers.Adam(3e-4)

    @tf.function
    def train_step(batch: Any) -> tuple[Any, Any]:
        noise = tf.random.normal([BATCH_SIZE, noise_dim])
        with tf.GradientTape() as gen_tape, tf.GradientTape() as disc_tape:
            generated_images = generator(noise, training=True)
            real_output = discriminator(batch, training=True)
            fake_output = discriminator(generated_images, training=True)
            gen_loss = generator_loss(fake_output)
            disc_loss = discriminator_loss(real_output, fake_output)
        of_g, of_d = generator.trainable_variables, discriminator.trainable_variables
        if fault == "leak":
            of_g = of_g + of_d
        gradients_of_generator = gen_tape.gradient(gen_loss, of_g)
        gradients_of_discriminator = disc_tape.gradient(disc_loss, of_d)
        generator_optimizer.apply_gradients(zip(gradients_of_generator, of_g))
        discriminator_optimizer.apply_gradients(zip(gradients_of_discriminator, of_d))
        return gen_loss, disc_loss

    with watch.watching(generator=generator, discriminator=discriminator):
        for epoch in range(steps // 30):
            start = time.time()
            for image_batch in train_dataset:
                gen_loss, disc_loss = train_step(image_batch)
                watch.update(gen_loss=gen_loss, disc_loss=disc_loss)
            print(f"Time for epoch {epoch + 1} is {time.time() - start} sec")
    return Trained([generator, discriminator], from_noise(generator, noise_dim), train_images)


@stranger(
    "Keras guide: custom loop, both kinds in one batch, only update()",
    "update",
    "leak one_label g_label",
    backends="tensorflow",
    steps=300,
)
def guide_loop(watch: Watch, fault: str | None, steps: int) -> Trained:
    real_data = digits(None)
    discriminator, generator = make_discriminator_model(), make_generator_model()
    d_optimizer = keras.optimizers.Adam(learning_rate=0.0003)
    g_optimizer = keras.optimizers.Adam(learning_rate=0.0004)
    loss_fn = keras.losses.BinaryCrossentropy(from_logits=True)

    @tf.function
    def train_step(real_images: Any) -> tuple[Any, Any]:
        random_latent_vectors = tf.random.normal(shape=(BATCH_SIZE, noise_dim))
        generated_images = generator(random_latent_vectors)
        combined_images = tf.concat([generated_images, real_images], axis=0)
        of_fakes = 0.0 if fault == "one_label" else 1.0
        labels = tf.concat(
            [tf.fill((BATCH_SIZE, 1), of_fakes), tf.zeros((real_images.shape[0], 1))], axis=0
        )
        labels += 0.05 * tf.random.uniform(labels.shape)
        with tf.GradientTape() as tape:
            d_loss = loss_fn(labels, discriminator(combined_images))
        grads = tape.gradient(d_loss, discriminator.trainable_weights)
        d_optimizer.apply(grads, discriminator.trainable_weights)
        random_latent_vectors = tf.random.normal(shape=(BATCH_SIZE, noise_dim))
        misleading_labels = tf.fill((BATCH_SIZE, 1), 1.0 if fault == "g_label" else 0.0)
        weights = generator.trainable_weights
        if fault == "leak":
            weights = weights + discriminator.trainable_weights
        with tf.GradientTape() as tape:
            g_loss = loss_fn(misleading_labels, discriminator(generator(random_latent_vectors)))
        g_optimizer.apply(tape.gradient(g_loss, weights), weights)
        return d_loss, g_loss

    dataset = tf.data.Dataset.from_tensor_slices(real_data).shuffle(buffer_size=1024).batch(32)
    for _ in range(steps // 30):
        for step, real_images in enumerate(dataset):
            d_loss, g_loss = train_step(real_images)
            watch.update(d_loss=float(d_loss), g_loss=float(g_loss))
            if step % 20 == 0:
                print(f"discriminator loss at step {step}: {d_loss:.2f}")
                print(f"adversarial loss at step {step}: {g_loss:.2f}")
    return Trained([generator, discriminator], from_noise(generator, noise_dim), real_data)


@stranger(
    "WGAN-GP by hand: five critic updates, names of the paper",
    "update",
    "leak g_label",
    backends="tensorflow",
    steps=60,
)
def wgan_gp_loop(watch: Watch, fault: str | None, steps: int) -> Trained:
    data = digits(fault)
    G, C = make_generator_model(), make_discriminator_model()
    opt_g = keras.optimizers.Adam(1e-4, beta_1=0.0, beta_2=0.9)
    opt_c = keras.optimizers.Adam(1e-4, beta_1=0.0, beta_2=0.9)

    @tf.function
    def critic_update(x: Any) -> Any:
        with tf.GradientTape() as tape:
            x_fake = G(tf.random.normal((BATCH_SIZE, noise_dim)), training=True)
            eps = tf.random.uniform((BATCH_SIZE, 1, 1, 1))
            x_hat = eps * x + (1 - eps) * x_fake
            with tf.GradientTape() as inner:
                inner.watch(x_hat)
                out = C(x_hat, training=True)
            slopes = tf.norm(tf.reshape(inner.gradient(out, x_hat), (BATCH_SIZE, -1)), axis=1)
            wass = tf.reduce_mean(C(x_fake, training=True)) - tf.reduce_mean(C(x, training=True))
            loss = wass + 10.0 * tf.reduce_mean((slopes - 1.0) ** 2)
        opt_c.apply(tape.gradient(loss, C.trainable_variables), C.trainable_variables)
        return loss

    @tf.function
    def generator_update() -> Any:
        weights = G.trainable_variables + (C.trainable_variables if fault == "leak" else [])
        with tf.GradientTape() as tape:
            z = tf.random.normal((BATCH_SIZE, noise_dim))
            loss = -tf.reduce_mean(C(G(z, training=True), training=True))
            loss = -loss if fault == "g_label" else loss
        opt_g.apply(tape.gradient(loss, weights), weights)
        return loss

    batches = iter(tf.data.Dataset.from_tensor_slices(data).shuffle(960).repeat().batch(BATCH_SIZE))
    with watch.watching(generator=G, discriminator=C):
        for _ in range(steps):
            for _ in range(5):
                loss_c = critic_update(next(batches))
            loss_g = generator_update()
            watch.update(critic_loss=loss_c, generator_loss=loss_g)
    return Trained([G, C], from_noise(G, noise_dim), data)
