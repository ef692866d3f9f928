"""GANs as classes with ``build_generator`` and a ``train`` loop of ``train_on_batch``."""

from __future__ import annotations

from typing import Any

import images
import keras
import numpy as np
from corpus import Trained, Watch, from_noise, stranger
from keras import ops
from keras.layers import (
    BatchNormalization,
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
from keras.optimizers import Adam, RMSprop

WIRINGS = "freeze_and_leave freeze_and_undo never_frozen"


class GAN:
    """The shortest of the collection: dense networks, halves averaged by hand."""

    img_shape: tuple[int, ...] = (16, 16, 1)

    def __init__(self, fault: str | None = None) -> None:
        self.fault = fault
        self.latent_dim = 20
        self.discriminator = self.build_discriminator()
        self.discriminator.compile(**self.discriminator_settings())
        self.generator = self.build_generator()
        z = Input(shape=(self.latent_dim,))
        img = self.generator(z)
        if fault in ("freeze_and_leave", "freeze_and_undo"):
            self.discriminator.trainable = False
        self.combined = Model(z, self.discriminator(img))
        self.combined.compile(**self.combined_settings())
        if fault == "freeze_and_undo":
            self.discriminator.trainable = True

    def discriminator_settings(self) -> dict[str, Any]:
        loss: Any = "binary_crossentropy"
        if self.fault == "sigmoid_twice":
            loss = keras.losses.BinaryCrossentropy(from_logits=True)
        rate = 0.0 if self.fault == "d_rate_zero" else 0.0002
        return {"loss": loss, "optimizer": Adam(rate, 0.5), "metrics": ["accuracy"]}

    def combined_settings(self) -> dict[str, Any]:
        rate = {"cold_start": 0.1, "g_rate_zero": 0.0}.get(self.fault or "", 0.0002)
        loss: Any = "binary_crossentropy"
        if self.fault == "sigmoid_twice":
            loss = keras.losses.BinaryCrossentropy(from_logits=True)
        return {"loss": loss, "optimizer": Adam(rate, 0.5)}

    def build_generator(self) -> Model:
        model = Sequential()
        model.add(Input(shape=(self.latent_dim,)))
        for width in (64, 128):
            model.add(Dense(width))
            model.add(LeakyReLU(negative_slope=0.2))
            model.add(BatchNormalization(momentum=0.8))
        model.add(Dense(int(np.prod(self.img_shape)), activation="tanh"))
        model.add(Reshape(self.img_shape))
        noise = Input(shape=(self.latent_dim,))
        return Model(noise, model(noise))

    def build_discriminator(self) -> Model:
        model = Sequential()
        model.add(Input(shape=self.img_shape))
        model.add(Flatten())
        model.add(Dense(128))
        model.add(LeakyReLU(negative_slope=0.2))
        model.add(Dense(64))
        model.add(LeakyReLU(negative_slope=0.2))
        model.add(Dense(1, activation="sigmoid"))
        img = Input(shape=self.img_shape)
        return Model(img, model(img))

    def data(self) -> np.ndarray:
        X_train = images.drawings(1000).astype("float32")
        return X_train if self.fault == "bytes" else X_train / 127.5 - 1.0

    def switch(self, on: bool) -> None:
        """What Keras 3 needs before each step; the faulty wirings lack it."""
        if self.fault not in WIRINGS.split():
            self.discriminator.trainable = on

    def train(self, watch: Watch, epochs: int, batch_size: int = 32) -> Trained:
        X_train = self.data()
        valid = np.ones((batch_size, 1))
        fake = valid if self.fault == "one_label" else np.zeros((batch_size, 1))
        wanted = np.zeros((batch_size, 1)) if self.fault == "g_label" else valid
        models = {"generator": self.generator, "discriminator": self.discriminator}
        with watch.watching(**models, combined=self.combined):
            for _ in range(epochs):
                idx = np.random.randint(0, X_train.shape[0], batch_size)
                imgs = X_train[idx]
                noise = np.random.normal(0, 1, (batch_size, self.latent_dim))
                gen_imgs = self.generator.predict(noise, verbose=0)
                self.switch(True)
                d_loss_real = self.discriminator.train_on_batch(imgs, valid)
                d_loss_fake = self.discriminator.train_on_batch(gen_imgs, fake)
                0.5 * np.add(d_loss_real, d_loss_fake)
                noise = np.random.normal(0, 1, (batch_size, self.latent_dim))
                self.switch(False)
                self.combined.train_on_batch(noise, wanted)
        return self.left(X_train)

    def left(self, X_train: np.ndarray) -> Trained:
        return Trained(
            [self.generator, self.discriminator],
            from_noise(self.generator, self.latent_dim),
            X_train,
            optimizers=[self.discriminator.optimizer, self.combined.optimizer],
        )


@stranger(
    "Keras-GAN collection: gan.py",
    "train_on_batch",
    f"{WIRINGS} one_label g_label bytes sigmoid_twice d_rate_zero g_rate_zero cold_start",
    steps=260,
)
def collection_gan(watch: Watch, fault: str | None, steps: int) -> Trained:
    return GAN(fault).train(watch, steps)


class DCGAN(GAN):
    """The convolutional one; its D has batch norm only as the fault, since D is frozen for G."""

    def build_generator(self) -> Model:
        model = Sequential()
        model.add(Input(shape=(self.latent_dim,)))
        model.add(Dense(16 * 4 * 4, activation="relu"))
        model.add(Reshape((4, 4, 16)))
        for width in (16, 8):
            model.add(UpSampling2D())
            model.add(Conv2D(width, kernel_size=3, padding="same"))
            model.add(BatchNormalization(momentum=0.8))
            model.add(keras.layers.Activation("relu"))
        model.add(Conv2D(1, kernel_size=3, padding="same"))
        model.add(keras.layers.Activation("tanh"))
        return model

    def build_discriminator(self) -> Model:
        model = Sequential()
        model.add(Input(shape=self.img_shape))
        model.add(Conv2D(8, kernel_size=3, strides=2, padding="same"))
        model.add(LeakyReLU(negative_slope=0.2))
        model.add(Dropout(0.25))
        model.add(Conv2D(16, kernel_size=3, strides=2, padding="same"))
        if self.fault == "frozen_norm":
            model.add(BatchNormalization(momentum=0.8))
        model.add(LeakyReLU(negative_slope=0.2))
        model.add(Dropout(0.25))
        model.add(Flatten())
        model.add(Dense(1, activation="sigmoid"))
        return model


@stranger(
    "Keras-GAN collection: dcgan.py",
    "train_on_batch",
    f"{WIRINGS} frozen_norm one_label g_label bytes",
    steps=120,
)
def collection_dcgan(watch: Watch, fault: str | None, steps: int) -> Trained:
    return DCGAN(fault).train(watch, steps)


class LSGAN(GAN):
    """Least squares, no metrics, a linear D."""

    def build_discriminator(self) -> Model:
        model = Sequential()
        model.add(Input(shape=self.img_shape))
        model.add(Flatten())
        model.add(Dense(64))
        model.add(LeakyReLU(negative_slope=0.2))
        model.add(Dense(1))
        return model

    def discriminator_settings(self) -> dict[str, Any]:
        return {"loss": "mse", "optimizer": Adam(0.0002, 0.5), "metrics": ["accuracy"]}

    def combined_settings(self) -> dict[str, Any]:
        return {"loss": "mse", "optimizer": Adam(0.0002, 0.5)}


@stranger(
    "Keras-GAN collection: lsgan.py",
    "train_on_batch",
    f"{WIRINGS} one_label g_label bytes",
    steps=120,
)
def collection_lsgan(watch: Watch, fault: str | None, steps: int) -> Trained:
    return LSGAN(fault).train(watch, steps)


def wasserstein_loss(y_true: Any, y_pred: Any) -> Any:
    return ops.mean(y_true * y_pred)


class WGAN(LSGAN):
    """A critic with clipped weights, five steps to one of G, labels −1 and 1."""

    n_critic, clip_value = 5, 0.05

    def discriminator_settings(self) -> dict[str, Any]:
        return {"loss": wasserstein_loss, "optimizer": RMSprop(5e-4), "metrics": ["accuracy"]}

    def combined_settings(self) -> dict[str, Any]:
        return {"loss": wasserstein_loss, "optimizer": RMSprop(5e-4), "metrics": ["accuracy"]}

    def train(self, watch: Watch, epochs: int, batch_size: int = 32) -> Trained:
        X_train = self.data()
        valid = -np.ones((batch_size, 1))
        fake = valid if self.fault == "one_label" else np.ones((batch_size, 1))
        wanted = -valid if self.fault == "g_label" else valid
        critic = self.discriminator
        with watch.watching(generator=self.generator, discriminator=critic, combined=self.combined):
            for _ in range(epochs):
                for _ in range(self.n_critic):
                    idx = np.random.randint(0, X_train.shape[0], batch_size)
                    noise = np.random.normal(0, 1, (batch_size, self.latent_dim))
                    gen_imgs = self.generator.predict(noise, verbose=0)
                    self.switch(True)
                    critic.train_on_batch(X_train[idx], valid)
                    critic.train_on_batch(gen_imgs, fake)
                    for layer in critic.layers:
                        weights = layer.get_weights()
                        clip = self.clip_value
                        layer.set_weights([np.clip(w, -clip, clip) for w in weights])
                self.switch(False)
                self.combined.train_on_batch(noise, wanted)
        return self.left(X_train)


@stranger(
    "Keras-GAN collection: wgan.py, clipped weights",
    "train_on_batch",
    f"{WIRINGS} one_label g_label bytes",
    steps=40,
)
def collection_wgan(watch: Watch, fault: str | None, steps: int) -> Trained:
    return WGAN(fault).train(watch, steps)
