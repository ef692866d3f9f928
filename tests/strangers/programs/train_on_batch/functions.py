"""GANs as ``define_discriminator``, ``define_generator``, ``define_gan`` and ``train``."""

from __future__ import annotations

from typing import Any

import images
import keras
import numpy as np
from corpus import Trained, Watch, as_numpy, from_noise, stranger
from keras.layers import (
    BatchNormalization,
    Concatenate,
    Conv2D,
    Conv2DTranspose,
    Dense,
    Dropout,
    Embedding,
    Flatten,
    Input,
    LeakyReLU,
    Reshape,
)
from keras.models import Model, Sequential
from keras.optimizers import Adam

WIRINGS = "freeze_and_leave freeze_and_undo never_frozen"
LATENT_DIM, N_CLASSES = 16, 4


def define_discriminator(fault: str | None, in_shape: tuple[int, ...] = (14, 14, 1)) -> Model:
    model = Sequential()
    model.add(Input(in_shape))
    model.add(Conv2D(12, (3, 3), strides=(2, 2), padding="same"))
    if fault in ("mixed_batch", "frozen_norm"):
        model.add(BatchNormalization())
    model.add(LeakyReLU(negative_slope=0.2))
    model.add(Dropout(0.4))
    model.add(Conv2D(12, (3, 3), strides=(2, 2), padding="same"))
    model.add(LeakyReLU(negative_slope=0.2))
    model.add(Dropout(0.4))
    model.add(Flatten())
    model.add(Dense(1, activation=None if fault == "no_sigmoid" else "sigmoid"))
    model.compile(
        loss="binary_crossentropy",
        optimizer=Adam(learning_rate=0.0002, beta_1=0.5),
        metrics=["accuracy"],
    )
    return model


def define_generator(latent_dim: int) -> Model:
    model = Sequential()
    model.add(Input((latent_dim,)))
    model.add(Dense(16 * 7 * 7))
    model.add(LeakyReLU(negative_slope=0.2))
    model.add(Reshape((7, 7, 16)))
    model.add(Conv2DTranspose(16, (4, 4), strides=(2, 2), padding="same"))
    model.add(LeakyReLU(negative_slope=0.2))
    model.add(Conv2D(1, (7, 7), activation="sigmoid", padding="same"))
    return model


def define_gan(g_model: Model, d_model: Model, fault: str | None) -> Model:
    if fault in ("freeze_and_leave", "freeze_and_undo"):
        d_model.trainable = False
    model = Sequential()
    model.add(g_model)
    model.add(d_model)
    model.compile(loss="binary_crossentropy", optimizer=Adam(learning_rate=0.0002, beta_1=0.5))
    if fault == "freeze_and_undo":
        d_model.trainable = True
    return model


def load_real_samples(fault: str | None) -> np.ndarray:
    X, _ = images.digits(1500)
    return X.astype("float32") if fault == "bytes" else X.astype("float32") / 255.0


def generate_real_samples(dataset: np.ndarray, n_samples: int) -> tuple[np.ndarray, np.ndarray]:
    ix = np.random.randint(0, dataset.shape[0], n_samples)
    return dataset[ix], np.ones((n_samples, 1))


def generate_latent_points(latent_dim: int, n_samples: int) -> np.ndarray:
    return np.random.randn(latent_dim * n_samples).reshape(n_samples, latent_dim)


def generate_fake_samples(
    g_model: Model, latent_dim: int, n_samples: int
) -> tuple[np.ndarray, np.ndarray]:
    x_input = generate_latent_points(latent_dim, n_samples)
    return g_model.predict_on_batch(x_input), np.zeros((n_samples, 1))


@stranger(
    "Brownlee: digits, real and fake rows in one batch",
    "train_on_batch",
    f"{WIRINGS} mixed_batch one_label g_label bytes no_sigmoid",
    steps=120,
)
def tutorial_one_batch(watch: Watch, fault: str | None, steps: int) -> Trained:
    dataset = load_real_samples(fault)
    d_model, g_model = define_discriminator(fault), define_generator(LATENT_DIM)
    gan_model = define_gan(g_model, d_model, fault)
    n_batch = 32
    half_batch = n_batch // 2
    with watch.watching(generator=g_model, discriminator=d_model, combined=gan_model):
        for _ in range(steps):
            X_real, y_real = generate_real_samples(dataset, half_batch)
            X_fake, y_fake = generate_fake_samples(g_model, LATENT_DIM, half_batch)
            y_fake = np.ones_like(y_fake) if fault == "one_label" else y_fake
            X, y = np.vstack((X_real, X_fake)), np.vstack((y_real, y_fake))
            if fault not in WIRINGS.split():
                d_model.trainable = True
            d_model.train_on_batch(X, y)
            X_gan = generate_latent_points(LATENT_DIM, n_batch)
            y_gan = np.zeros((n_batch, 1)) if fault == "g_label" else np.ones((n_batch, 1))
            if fault not in WIRINGS.split():
                d_model.trainable = False
            gan_model.train_on_batch(X_gan, y_gan)
    return Trained([g_model, d_model], from_noise(g_model, LATENT_DIM), dataset)


@stranger(
    "Brownlee: two half batches, smoothed and noisy labels",
    "train_on_batch",
    f"{WIRINGS} frozen_norm one_label g_label bytes recompiled",
    backends="tensorflow jax",  # PyTorch refuses labels above 1
    steps=120,
)
def tutorial_half_batches(watch: Watch, fault: str | None, steps: int) -> Trained:
    dataset = load_real_samples(fault)
    d_model, g_model = define_discriminator(fault), define_generator(LATENT_DIM)
    gan_model = define_gan(g_model, d_model, fault)
    with watch.watching(generator=g_model, discriminator=d_model, combined=gan_model):
        for i in range(steps):
            if fault not in WIRINGS.split():
                d_model.trainable = True
            if fault == "recompiled":
                d_model.compile("adam", "binary_crossentropy", metrics=["accuracy"])
            X_real, y_real = generate_real_samples(dataset, 16)
            y_real = y_real - 0.3 + np.random.random(y_real.shape) * 0.5
            d_loss1, _ = d_model.train_on_batch(X_real, y_real)
            X_fake, y_fake = generate_fake_samples(g_model, LATENT_DIM, 16)
            y_fake = y_fake + np.random.random(y_fake.shape) * 0.3
            y_fake = y_fake + 0.7 if fault == "one_label" else y_fake
            d_loss2, _ = d_model.train_on_batch(X_fake, y_fake)
            if fault not in WIRINGS.split():
                d_model.trainable = False
            X_gan = generate_latent_points(LATENT_DIM, 32)
            y_gan = np.zeros((32, 1)) if fault == "g_label" else np.ones((32, 1))
            g_loss = gan_model.train_on_batch(X_gan, y_gan)
            if i % 100 == 0:
                print(f">{i + 1}, d1={d_loss1:.3f}, d2={d_loss2:.3f}, g={g_loss:.3f}")
            if fault == "recompiled" and i == 20:
                break
    return Trained([g_model, d_model], from_noise(g_model, LATENT_DIM), dataset)


def conditional_discriminator(in_shape: tuple[int, ...] = (14, 14, 1)) -> Model:
    in_label = Input(shape=(1,))
    li = Embedding(N_CLASSES, 10)(in_label)
    li = Reshape((in_shape[0], in_shape[1], 1))(Dense(in_shape[0] * in_shape[1])(li))
    in_image = Input(shape=in_shape)
    fe = Concatenate()([in_image, li])
    fe = Conv2D(16, (3, 3), strides=(2, 2), padding="same")(fe)
    fe = LeakyReLU(negative_slope=0.2)(fe)
    fe = Dropout(0.4)(Flatten()(fe))
    model = Model([in_image, in_label], Dense(1, activation="sigmoid")(fe))
    model.compile("adam", loss="binary_crossentropy", metrics=["accuracy"])
    return model


def conditional_generator(latent_dim: int, fault: str | None) -> Model:
    in_label = Input(shape=(1,))
    li = Embedding(N_CLASSES, 10)(in_label)
    li = Reshape((7, 7, 1))(Dense(7 * 7)(li))
    if fault == "no_labels":
        li = keras.layers.Rescaling(0.0)(li)
    in_lat = Input(shape=(latent_dim,))
    gen = Dense(15 * 7 * 7)(in_lat)
    gen = Reshape((7, 7, 15))(LeakyReLU(negative_slope=0.2)(gen))
    merge = Concatenate()([gen, li])
    gen = Conv2DTranspose(16, (4, 4), strides=(2, 2), padding="same")(merge)
    gen = LeakyReLU(negative_slope=0.2)(gen)
    return Model([in_lat, in_label], Conv2D(1, (7, 7), activation="tanh", padding="same")(gen))


@stranger(
    "Brownlee: conditional GAN with embedded labels",
    "train_on_batch",
    f"{WIRINGS} one_label g_label bytes no_labels",
    steps=120,
)
def tutorial_cgan(watch: Watch, fault: str | None, steps: int) -> Trained:
    X, labels = images.digits(1500, N_CLASSES)
    X = X.astype("float32") if fault == "bytes" else (X.astype("float32") - 127.5) / 127.5
    d_model, g_model = conditional_discriminator(), conditional_generator(LATENT_DIM, fault)
    if fault in ("freeze_and_leave", "freeze_and_undo"):
        d_model.trainable = False
    gen_noise, gen_label = g_model.input
    gan_model = Model([gen_noise, gen_label], d_model([g_model.output, gen_label]))
    gan_model.compile(loss="binary_crossentropy", optimizer=Adam(0.0002, beta_1=0.5))
    if fault == "freeze_and_undo":
        d_model.trainable = True
    n, ones, zeros = 16, np.ones((16, 1)), np.zeros((16, 1))
    with watch.watching(generator=g_model, discriminator=d_model, combined=gan_model):
        for _ in range(steps):
            if fault not in WIRINGS.split():
                d_model.trainable = True
            ix = np.random.randint(0, len(X), n)
            d_model.train_on_batch([X[ix], labels[ix]], ones)
            asked = np.random.randint(0, N_CLASSES, n)
            fakes = g_model.predict_on_batch([generate_latent_points(LATENT_DIM, n), asked])
            d_model.train_on_batch([fakes, asked], ones if fault == "one_label" else zeros)
            if fault not in WIRINGS.split():
                d_model.trainable = False
            z_input, asked = (
                generate_latent_points(LATENT_DIM, n),
                np.random.randint(0, N_CLASSES, n),
            )
            gan_model.train_on_batch([z_input, asked], zeros if fault == "g_label" else ones)

    def draw(count: int) -> tuple[np.ndarray, Any]:
        noise = np.random.default_rng(3).standard_normal((count, LATENT_DIM)).astype("float32")
        asked = np.arange(count) % N_CLASSES
        return as_numpy(g_model([noise, asked[:, None].astype("float32")], training=False)), asked

    return Trained([g_model, d_model], draw, X, labels)
