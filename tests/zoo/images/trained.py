"""Descriptions of images by small networks that are trained on the data, as a person might give
them to `CollapseMonitor(features=...)`. They share no weights and no seed with the oracle.
"""

from __future__ import annotations

from abc import abstractmethod

import keras
import numpy as np
from data import Images
from describe import Description
from keras import layers

FEATURES, EPOCHS, SEED = 32, 15, 5


class Trained(Description):
    """The last hidden layer of a small network that learns to classify the real images."""

    def learn(self, data: Images) -> None:
        images, targets = self.task(data)
        keras.utils.set_random_seed(SEED)
        given = x = keras.Input(images.shape[1:])
        for width in (16, 32):
            x = layers.Conv2D(width, 5, strides=2, padding="same")(x)
            x = layers.LeakyReLU(negative_slope=0.2)(x)
        hidden = layers.Dense(FEATURES, activation="tanh")(layers.Flatten()(x))
        answers = layers.Dense(int(targets.max()) + 1, activation="softmax")(hidden)
        model = keras.Model(given, answers)
        model.compile("adam", "sparse_categorical_crossentropy")
        model.fit(images, targets, epochs=EPOCHS, batch_size=64, verbose=0)
        self._features = keras.Model(given, hidden)

    @abstractmethod
    def task(self, data: Images) -> tuple[np.ndarray, np.ndarray]:
        """Images, and the numbers of the classes to tell them apart by."""

    def groups(self, images: np.ndarray) -> list[np.ndarray]:
        found = self._features.predict_on_batch(images)
        return [np.asarray(keras.ops.convert_to_numpy(found))]


class Rotations(Trained):
    """A network that tells by how many quarter turns an image is rotated (Gidaris et al. 2018): it
    needs no labels.
    """

    def task(self, data: Images) -> tuple[np.ndarray, np.ndarray]:
        turned = [np.rot90(data.images, k, axes=(1, 2)) for k in range(4)]
        return np.concatenate(turned), np.repeat(np.arange(4), len(data.images))


class Categories(Rotations):
    """A classifier of the data's categories; of rotations where there is one category only."""

    def task(self, data: Images) -> tuple[np.ndarray, np.ndarray]:
        return super().task(data) if len(data.names) == 1 else (data.images, data.labels)
