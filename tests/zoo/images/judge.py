"""The oracle of the image zoo: what a classifier of the data's categories makes of the samples.

It shares nothing with the detectors: they see neither labels nor these networks.
"""

from __future__ import annotations

import functools
from dataclasses import dataclass
from pathlib import Path

import keras
import numpy as np
from data import load
from keras import layers

FOLDER = Path(__file__).parent / "samples" / "oracles"
LEARNT = 0.7
"""Share of a data set that its classifier learns from; the rest says what is usual."""
TAUGHT = {
    "grey16": ("digits16", "drawings16"),
    "colour16": ("landscapes16", "petals16", "photos16", "scenery16"),
    "fewdigits28": ("fewdigits28",),
    "colour32": ("landscapes32", "petals32", "photos32", "scenery32"),
    "colour64": ("landscapes64", "petals64", "scenery64"),
}
"""Classifiers, by name, and the data sets whose categories each tells apart."""
PARTS = {"cats16": ("drawings16", (2,)), "uneven16": ("drawings16", (0, 1, 2, 3))}
"""Data sets that consist of another's categories."""
FEATURES, NEIGHBOURS, REFERENCE = 32, 5, 1000
ALIKE = 0.02
"""Root mean square difference of two images, of a range of 2, up to which they are one."""


@dataclass(frozen=True)
class Judged:
    """What the oracle measures in the samples of one check.

    Args:
        covered: (categories,), each category's share of the samples, divided by its share of the
            data.
        foreign: share of the samples that look like another data set's category.
        frechet: Fréchet distance of the classifier's features (Heusel et al. 2017), divided by
            the trace of the data's covariance: a G that repeats the data's mean image has about 1.
        halves: the same of real samples that the classifier did not learn from.
        precision: share of the samples within the manifold of real features (Kynkäänniemi et al.
            2019), relative to that of other real samples.
        spread: mean distance between features of samples, divided by that of real ones.
        repeated: share of the samples that are the same image as another.
        near: median distance of a sample's features to those of the nearest other one, divided by
            that of as many real samples; near 0 for a G that draws a few images of each category.
    """

    covered: tuple[float, ...]
    foreign: float
    frechet: float
    halves: float
    precision: float
    spread: float
    repeated: float
    near: float


class Oracle:
    """Judges samples of one data set.

    Args:
        name: of the data set.
    """

    def __init__(self, name: str) -> None:
        own = load(name)
        whose, labels = PARTS.get(name, (name, tuple(range(len(own.names)))))
        group = next(group for group, names in TAUGHT.items() if whose in names)
        first = sum(len(load(n).names) for n in _before(group, whose))
        self.labels = [first + label for label in labels]
        self.model = _classifier(group)
        self.features = keras.Model(self.model.inputs, self.model.layers[-2].output)
        rest = own.images[int(LEARNT * len(own.images)) :] if name == whose else own.images
        self.shares = np.bincount(own.labels, minlength=len(labels)) / len(own.labels)
        real = self._features(rest[: 2 * REFERENCE])
        self.scale = real.std(axis=0).mean() + 1e-6
        first, second = real[::2], real[1::2]
        self.real, self.trace = first, float(np.trace(np.cov(first.T)))
        self.apart = _mean_distance(first)
        near = np.sqrt(_squares(first, first))
        self.radii = np.partition(near, NEIGHBOURS, axis=1)[:, NEIGHBOURS]
        self.halves = self._frechet(second[:512])
        self.usual = self._precision(second)
        self.between = _nearest(second[:512])

    def judge(self, images: np.ndarray) -> Judged:
        """Measure the samples (n, side, side, channels) of one check."""
        features = self._features(images)
        classes = self.model.predict_on_batch(images).argmax(axis=1)
        counts = np.array([(classes == label).mean() for label in self.labels])
        covered = tuple(map(float, counts / self.shares))
        flat = images.reshape(len(images), -1).astype("float64")
        near = _squares(flat, flat)
        np.fill_diagonal(near, np.inf)
        repeated = (near.min(axis=1) / flat.shape[1] < ALIKE**2).mean()
        return Judged(
            covered,
            float(1 - counts.sum()),
            self._frechet(features),
            self.halves,
            self._precision(features) / self.usual,
            _mean_distance(features) / self.apart,
            float(repeated),
            _nearest(features[:512]) / self.between,
        )

    def _features(self, images: np.ndarray) -> np.ndarray:
        return self.features.predict(images, batch_size=512, verbose=0).astype("float64")

    def _frechet(self, features: np.ndarray) -> float:
        a, b = np.cov(features.T), np.cov(self.real.T)
        gap = np.square(features.mean(axis=0) - self.real.mean(axis=0)).sum()
        values = np.linalg.eigvals(a @ b).real
        root = np.sqrt(np.maximum(values, 0)).sum()
        return float(gap + np.trace(a) + np.trace(b) - 2 * root) / self.trace

    def _precision(self, features: np.ndarray) -> float:
        near = np.sqrt(_squares(features, self.real))
        return float((near <= self.radii).any(axis=1).mean())


@functools.cache
def oracle(name: str) -> Oracle:
    return Oracle(name)


def _before(group: str, name: str) -> tuple[str, ...]:
    names = TAUGHT[group]
    return names[: names.index(name)]


def _classifier(group: str) -> keras.Model:
    FOLDER.mkdir(parents=True, exist_ok=True)
    sets = [load(name) for name in TAUGHT[group]]
    given = x = keras.Input(sets[0].shape)
    for width in (32, 64):
        x = layers.Conv2D(width, 3, padding="same", activation="relu")(x)
        x = layers.MaxPooling2D()(x)
    x = layers.Dropout(0.3)(layers.Flatten()(x))
    x = layers.Dense(FEATURES, activation="relu")(x)
    categories = sum(len(one.names) for one in sets)
    model = keras.Model(given, layers.Dense(categories, activation="softmax")(x))
    path = FOLDER / f"{group}.weights.h5"
    if path.exists():
        model.load_weights(path)
        return model
    keras.utils.set_random_seed(1)
    firsts = [sum(len(load(n).names) for n in _before(group, name)) for name in TAUGHT[group]]
    ends = [int(LEARNT * len(one.images)) for one in sets]
    images = np.concatenate([one.images[:end] for one, end in zip(sets, ends, strict=True)])
    labels = np.concatenate(
        [one.labels[:end] + f for one, end, f in zip(sets, ends, firsts, strict=True)]
    )
    model.compile("adam", "sparse_categorical_crossentropy", metrics=["accuracy"])
    model.fit(images, labels, epochs=6, batch_size=64, verbose=0)
    for name, one, end, first in zip(TAUGHT[group], sets, ends, firsts, strict=True):
        right = model.evaluate(one.images[end:], one.labels[end:] + first, verbose=0)[1]
        print(f"oracle {group}: right on {right:.1%} of unseen images of {name}", flush=True)
    model.save_weights(path)
    return model


def _squares(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    found = np.square(a).sum(1)[:, None] + np.square(b).sum(1) - 2 * a @ b.T
    return np.maximum(found, 0)


def _mean_distance(x: np.ndarray) -> float:
    return float(np.sqrt(_squares(x, x)).sum() / (len(x) * (len(x) - 1)))


def _nearest(x: np.ndarray) -> float:
    apart = _squares(x, x)
    np.fill_diagonal(apart, np.inf)
    return float(np.median(np.sqrt(apart.min(axis=1))))
