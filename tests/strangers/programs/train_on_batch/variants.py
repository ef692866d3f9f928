"""Further classes of the collection: encoders, labels, inpainting and the book's first edition."""

from __future__ import annotations

from typing import Any

import images
import keras
import numpy as np
from corpus import Trained, Watch, as_numpy, from_noise, stranger
from keras.layers import (
    Concatenate,
    Conv2D,
    Dense,
    Dropout,
    Flatten,
    Input,
    LeakyReLU,
    Reshape,
    UpSampling2D,
)
from keras.models import Model, Sequential
from keras.optimizers import Adam

WIRINGS = "freeze_and_leave freeze_and_undo never_frozen"
IMG_SHAPE = (14, 14, 1)
CODES = 10


def two_sided(fault: str | None) -> tuple[np.ndarray, np.ndarray]:
    X_train, y_train = images.digits(1500)
    scaled = X_train.astype("float32")
    return (scaled if fault == "bytes" else (scaled - 127.5) / 127.5), y_train


def switch(network: Any, on: bool, fault: str | None) -> None:
    if fault not in WIRINGS.split():
        network.trainable = on


def dense_generator(size: int, name: str = "generator") -> Model:
    model = Sequential(name=name)
    model.add(Input((size,)))
    model.add(Dense(96))
    model.add(LeakyReLU(negative_slope=0.2))
    model.add(Dense(int(np.prod(IMG_SHAPE)), activation="tanh"))
    model.add(Reshape(IMG_SHAPE))
    return model


@stranger(
    "Keras-GAN collection: bigan.py, D judges pairs of code and image",
    "train_on_batch",
    f"{WIRINGS} one_label g_label",
    steps=120,
)
def collection_bigan(watch: Watch, fault: str | None, steps: int) -> Trained:
    generator = dense_generator(CODES)
    encoder = Sequential(
        [Input(IMG_SHAPE), Flatten(), Dense(96), LeakyReLU(negative_slope=0.2), Dense(CODES)]
    )
    z, img = Input((CODES,)), Input(IMG_SHAPE)
    h = Dense(96, activation="leaky_relu")(Concatenate()([z, Flatten()(img)]))
    discriminator = Model([z, img], Dense(1, activation="sigmoid")(Dropout(0.3)(h)))
    how: dict[str, Any] = {"loss": ["binary_crossentropy"], "metrics": ["accuracy"]}
    discriminator.compile(optimizer=Adam(0.0002, 0.5), **how)
    if fault in ("freeze_and_leave", "freeze_and_undo"):
        discriminator.trainable = False
    fake = discriminator([z, generator(z)])
    valid = discriminator([encoder(img), img])
    bigan = Model([z, img], [fake, valid])
    bigan.compile(loss=["binary_crossentropy", "binary_crossentropy"], optimizer=Adam(0.0002, 0.5))
    if fault == "freeze_and_undo":
        discriminator.trainable = True
    X_train, _ = two_sided(fault)
    ones, zeros = np.ones((32, 1)), np.zeros((32, 1))
    with watch.watching(generator=generator, discriminator=discriminator, combined=bigan):
        for _ in range(steps):
            switch(discriminator, True, fault)
            codes = np.random.normal(size=(32, CODES))
            imgs_ = generator.predict_on_batch(codes)
            imgs = X_train[np.random.randint(0, len(X_train), 32)]
            z_ = encoder.predict_on_batch(imgs)
            discriminator.train_on_batch([z_, imgs], ones)
            of_fakes = ones if fault == "one_label" else zeros
            discriminator.train_on_batch([codes, imgs_], of_fakes)
            switch(discriminator, False, fault)
            wanted = [zeros, ones] if fault == "g_label" else [ones, zeros]
            bigan.train_on_batch([codes, imgs], wanted)
    return Trained([generator, encoder, discriminator], from_noise(generator, CODES), X_train)


@stranger(
    "Keras-GAN collection: aae.py, D judges codes",
    "train_on_batch",
    f"{WIRINGS} one_label",
    steps=120,
)
def collection_aae(watch: Watch, fault: str | None, steps: int) -> Trained:
    """The generator of this game is the encoder: it makes codes that look Gaussian."""
    encoder = Sequential(
        [Input(IMG_SHAPE), Flatten(), Dense(96), LeakyReLU(negative_slope=0.2), Dense(CODES)],
        name="encoder",
    )
    decoder = dense_generator(CODES, "decoder")
    discriminator = Sequential(
        [Input((CODES,)), Dense(64), LeakyReLU(negative_slope=0.2), Dense(1, activation="sigmoid")],
        name="discriminator",
    )
    discriminator.compile("adam", "binary_crossentropy", metrics=["accuracy"])
    img = Input(IMG_SHAPE)
    encoded = encoder(img)
    if fault in ("freeze_and_leave", "freeze_and_undo"):
        discriminator.trainable = False
    adversarial = Model(img, [decoder(encoded), discriminator(encoded)])
    adversarial.compile(
        loss=["mse", "binary_crossentropy"], loss_weights=[0.9, 0.1], optimizer=Adam(0.0005, 0.5)
    )
    if fault == "freeze_and_undo":
        discriminator.trainable = True
    X_train, _ = two_sided(fault)
    valid, fake = np.ones((32, 1)), np.zeros((32, 1))
    with watch.watching(generator=encoder, discriminator=discriminator, combined=adversarial):
        for _ in range(steps):
            switch(discriminator, True, fault)
            imgs = X_train[np.random.randint(0, len(X_train), 32)]
            latent_fake = encoder.predict_on_batch(imgs)
            latent_real = np.random.normal(size=(32, CODES))
            discriminator.train_on_batch(latent_real, valid)
            discriminator.train_on_batch(latent_fake, valid if fault == "one_label" else fake)
            switch(discriminator, False, fault)
            adversarial.train_on_batch(imgs, [imgs, valid])

    def draw(count: int) -> tuple[np.ndarray, None]:
        return as_numpy(encoder(X_train[np.arange(count) % len(X_train)], training=False)), None

    codes = np.random.default_rng(4).standard_normal((1000, CODES)).astype("float32")
    return Trained([encoder, decoder, discriminator], draw, codes)


@stranger(
    "Keras-GAN collection: infogan.py, a code that an auxiliary network finds again",
    "train_on_batch",
    f"{WIRINGS} one_label g_label",
    steps=120,
)
def collection_infogan(watch: Watch, fault: str | None, steps: int) -> Trained:
    classes, noise_size = 10, 12
    generator = dense_generator(noise_size + classes)
    img = Input(IMG_SHAPE)
    body = Sequential([Input(IMG_SHAPE), Flatten(), Dense(96), LeakyReLU(negative_slope=0.2)])
    hidden = body(img)
    discriminator = Model(img, Dense(1, activation="sigmoid")(hidden), name="discriminator")
    auxiliary = Model(
        img, Dense(classes, activation="softmax")(Dense(32)(hidden)), name="auxiliary"
    )
    adam = lambda: Adam(0.0002, 0.5)  # noqa: E731
    discriminator.compile(loss=["binary_crossentropy"], optimizer=adam(), metrics=["accuracy"])
    if fault in ("freeze_and_leave", "freeze_and_undo"):
        discriminator.trainable = False
    gen_input = Input((noise_size + classes,))
    drawn = generator(gen_input)
    combined = Model(gen_input, [discriminator(drawn), auxiliary(drawn)])
    combined.compile(loss=["binary_crossentropy", "categorical_crossentropy"], optimizer=adam())
    if fault == "freeze_and_undo":
        discriminator.trainable = True
    X_train, _ = two_sided(fault)
    valid, fake = np.ones((32, 1)), np.zeros((32, 1))
    with watch.watching(generator=generator, discriminator=discriminator, combined=combined):
        for _ in range(steps):
            imgs = X_train[np.random.randint(0, len(X_train), 32)]
            noise = np.random.normal(0, 1, (32, noise_size))
            labels = keras.utils.to_categorical(np.random.randint(0, classes, 32), classes)
            gen_imgs = generator.predict_on_batch(np.concatenate((noise, labels), axis=1))
            switch(discriminator, True, fault)
            discriminator.train_on_batch(imgs, valid)
            discriminator.train_on_batch(gen_imgs, valid if fault == "one_label" else fake)
            switch(discriminator, False, fault)
            wanted = fake if fault == "g_label" else valid
            combined.train_on_batch(np.concatenate((noise, labels), axis=1), [wanted, labels])

    def draw(count: int) -> tuple[np.ndarray, None]:
        rng = np.random.default_rng(3)
        noise = rng.standard_normal((count, noise_size)).astype("float32")
        labels = np.eye(classes, dtype="float32")[np.arange(count) % classes]
        return as_numpy(generator(np.concatenate((noise, labels), 1), training=False)), None

    return Trained([generator, discriminator, auxiliary], draw, X_train)


@stranger(
    "Keras-GAN collection: context_encoder.py, inpainting",
    "train_on_batch",
    f"{WIRINGS} one_label",
    steps=120,
)
def collection_context_encoder(watch: Watch, fault: str | None, steps: int) -> Trained:
    """G fills a hole in the middle; D is shown the filling only."""
    photographs = images.photographs(1000).astype("float32") / 127.5 - 1.0
    low, high = 4, 12
    generator = Sequential(
        [
            Input((16, 16, 3)),
            Conv2D(16, 3, strides=2, padding="same"),
            LeakyReLU(negative_slope=0.2),
            Conv2D(16, 3, strides=2, padding="same"),
            LeakyReLU(negative_slope=0.2),
            UpSampling2D(),
            Conv2D(3, 3, padding="same", activation="tanh"),
        ],
        name="generator",
    )
    discriminator = Sequential(
        [
            Input((8, 8, 3)),
            Conv2D(16, 3, strides=2, padding="same"),
            LeakyReLU(negative_slope=0.2),
            Flatten(),
            Dense(1, activation="sigmoid"),
        ],
        name="discriminator",
    )
    optimizer = Adam(0.0002, 0.5)
    discriminator.compile(loss="binary_crossentropy", optimizer=optimizer, metrics=["accuracy"])
    if fault in ("freeze_and_leave", "freeze_and_undo"):
        discriminator.trainable = False
    masked_img = Input((16, 16, 3))
    gen_missing = generator(masked_img)
    combined = Model(masked_img, [gen_missing, discriminator(gen_missing)])
    combined.compile(
        loss=["mse", "binary_crossentropy"], loss_weights=[0.9, 0.1], optimizer=Adam(0.0005, 0.5)
    )
    if fault == "freeze_and_undo":
        discriminator.trainable = True
    valid, fake = np.ones((16, 1)), np.zeros((16, 1))
    missing = photographs[:, low:high, low:high].copy()
    masked = photographs.copy()
    masked[:, low:high, low:high] = 0
    with watch.watching(generator=generator, discriminator=discriminator, combined=combined):
        for _ in range(steps):
            idx = np.random.randint(0, len(photographs), 16)
            gen_missing = generator.predict_on_batch(masked[idx])
            switch(discriminator, True, fault)
            discriminator.train_on_batch(missing[idx], valid)
            discriminator.train_on_batch(gen_missing, valid if fault == "one_label" else fake)
            switch(discriminator, False, fault)
            combined.train_on_batch(masked[idx], [missing[idx], valid])

    def draw(count: int) -> tuple[np.ndarray, None]:
        return as_numpy(generator(masked[np.arange(count) % len(masked)], training=False)), None

    return Trained([generator, discriminator], draw, missing)
