"""The camel GAN's loop as the book's first edition writes it: one class, ``set_trainable``."""

from __future__ import annotations

from typing import Any

import images
import numpy as np
from corpus import Trained, Watch, from_noise, stranger
from keras.layers import (
    Conv2D,
    Dense,
    Dropout,
    Flatten,
    Input,
    Reshape,
    UpSampling2D,
)
from keras.models import Model, Sequential
from keras.optimizers import RMSprop

WIRINGS = "freeze_and_leave freeze_and_undo never_frozen"


class FirstEdition:
    """The book's first edition: ``set_trainable``, ``d_losses`` as lists."""

    def __init__(self, fault: str | None) -> None:
        self.z_dim, self.fault = 16, fault
        self.d_losses: list[list[float]] = []
        self.g_losses: list[Any] = []
        self.discriminator = Sequential(
            [
                Input((16, 16, 1), name="discriminator_input"),
                Conv2D(12, 5, strides=2, padding="same", activation="relu"),
                Dropout(0.4),
                Conv2D(12, 5, strides=2, padding="same", activation="relu"),
                Dropout(0.4),
                Flatten(),
                Dense(1, activation="sigmoid"),
            ]
        )
        self.generator = Sequential(
            [
                Input((self.z_dim,), name="generator_input"),
                Dense(8 * 8 * 16, activation="relu"),
                Reshape((8, 8, 16)),
                UpSampling2D(),
                Conv2D(12, 5, padding="same", activation="relu"),
                Conv2D(1, 5, padding="same", activation="sigmoid"),
            ]
        )
        self.discriminator.compile(
            optimizer=RMSprop(0.0008), loss="binary_crossentropy", metrics=["accuracy"]
        )
        if fault in WIRINGS.split()[:2]:
            self.set_trainable(self.discriminator, False)
        model_input = Input((self.z_dim,), name="model_input")
        self.model = Model(model_input, self.discriminator(self.generator(model_input)))
        self.model.compile(
            optimizer=RMSprop(0.0004), loss="binary_crossentropy", metrics=["accuracy"]
        )
        if fault == "freeze_and_undo":
            self.set_trainable(self.discriminator, True)

    def set_trainable(self, m: Any, val: bool) -> None:
        m.trainable = val
        for layer in m.layers:
            layer.trainable = val

    def train(self, watch: Watch, x_train: np.ndarray, batch_size: int, epochs: int) -> None:
        ones, zeros = np.ones((batch_size, 1)), np.zeros((batch_size, 1))
        nets = {"generator": self.generator, "discriminator": self.discriminator}
        with watch.watching(**nets, combined=self.model):
            for _ in range(epochs):
                if self.fault not in WIRINGS.split():
                    self.set_trainable(self.discriminator, True)
                true_imgs = x_train[np.random.randint(0, x_train.shape[0], batch_size)]
                noise = np.random.normal(0, 1, (batch_size, self.z_dim))
                gen_imgs = self.generator.predict_on_batch(noise)
                real, acc_real = self.discriminator.train_on_batch(true_imgs, ones)
                of_fakes = ones if self.fault == "one_label" else zeros
                fake, acc_fake = self.discriminator.train_on_batch(gen_imgs, of_fakes)
                self.d_losses.append([0.5 * (real + fake), 0.5 * (acc_real + acc_fake)])
                if self.fault not in WIRINGS.split():
                    self.set_trainable(self.discriminator, False)
                noise = np.random.normal(0, 1, (batch_size, self.z_dim))
                wanted = zeros if self.fault == "g_label" else ones
                self.g_losses.append(self.model.train_on_batch(noise, wanted))


@stranger(
    "Foster, 1st ed.: the camel GAN's loop",
    "train_on_batch",
    f"{WIRINGS} one_label g_label bytes",
    steps=260,
)
def book_first_edition(watch: Watch, fault: str | None, steps: int) -> Trained:
    x_train = images.drawings(1500).astype("float32")
    x_train = x_train if fault == "bytes" else x_train / 255.0
    gan = FirstEdition(fault)
    gan.train(watch, x_train, 32, steps)
    return Trained(
        [gan.generator, gan.discriminator], from_noise(gan.generator, gan.z_dim), x_train
    )
