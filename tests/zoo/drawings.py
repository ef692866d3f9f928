"""Drawings whose kinds are known, and an oracle of kinds and quality that was shown no detector.

Two data sets of 14 x 14 pixels: the embedded camels of eight kinds, and four categories of real
Quick, Draw! drawings mixed, where `KERAS_COLLAPSE_DATA` says where those are.
"""

from __future__ import annotations

import os
import sys
from functools import cached_property
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).parents[2] / "examples"))

import camel_drawings
from toys import DUE

SIDE = 14
KNOWN, TRIED = 6144, 1024
"""Drawings that the oracle learns from, and those that say how it does on others."""
CATEGORIES = ("apple", "bicycle", "cat", "diamond")


class Drawings:
    """Labelled drawings as float32 (n, 196) in [-1, 1].

    Args:
        name: of the data set.
    """

    size = SIDE * SIDE
    judged = 512

    def __init__(self, name: str) -> None:
        self.name = name
        self.modes = len(camel_drawings.KINDS) if name == "camels" else len(CATEGORIES)

    def draw(self, count: int, rng: np.random.Generator) -> np.ndarray:
        """Drawings, repeated where there are fewer."""
        images = self._labelled[0]
        return images[rng.integers(len(images), size=count)]

    def judge(self, samples: np.ndarray) -> tuple[int, float]:
        """Kinds with at least a quarter of their due among samples of high quality, and the share
        of such samples.
        """  # fmt: skip
        kinds, good = self.modes_of(samples)
        counts = np.bincount(kinds[good], minlength=self.modes)
        return int((counts >= DUE * len(samples) / self.modes).sum()), float(good.mean())

    def modes_of(self, samples: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """The kind of each drawing, and whether it is of high quality."""
        return self._oracle.judge(np.clip(samples, -1, 1))

    @cached_property
    def _labelled(self) -> tuple[np.ndarray, np.ndarray]:
        if self.name == "camels":
            images, labels = camel_drawings.draw(KNOWN + TRIED, seed=5)
        else:
            folder = Path(os.environ["KERAS_COLLAPSE_DATA"])
            kinds = [np.load(folder / f"quickdraw_{kind}_3000.npz") for kind in CATEGORIES]
            parts = [kind[next(iter(kind))].reshape(-1, 28, 28) for kind in kinds]
            images = np.concatenate(parts)
            labels = np.repeat(np.arange(len(parts)), [len(part) for part in parts])
            order = np.random.default_rng(5).permutation(len(images))[: KNOWN + TRIED]
            images, labels = images[order], labels[order]
        small = images.reshape(-1, SIDE, 2, SIDE, 2).mean(axis=(2, 4)) / 127.5 - 1
        return small.reshape(len(small), -1).astype("float32"), labels

    @cached_property
    def _oracle(self) -> Oracle:
        images, labels = self._labelled
        return Oracle(images[:KNOWN], labels[:KNOWN], images[KNOWN:])


DRAWINGS = {name: Drawings(name) for name in ("camels", "quickdraw")}


class Oracle:
    """Says of which kind a drawing is, and whether it could be one at all.

    Kinds by a support vector machine. A drawing is of high quality if it has as much ink, lies as
    near to a real one and is as sharp as all but one in fifty real ones (each bound two-sided).

    Args:
        images, labels: (n, 196) and (n,), to learn from.
        others: (m, 196), real ones not learnt from: what is usual.
    """

    def __init__(self, images: np.ndarray, labels: np.ndarray, others: np.ndarray) -> None:
        from sklearn.svm import SVC

        self._images = images
        self.kinds = SVC(C=10.0).fit(images, labels)
        usual = self._features(others)
        self._low, self._high = np.quantile(usual, [0.01, 0.99], axis=0)

    def judge(self, samples: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        finite = np.isfinite(samples).all(axis=1)
        samples = np.where(finite[:, None], samples, 0.0)
        features = self._features(samples)
        good = ((features >= self._low) & (features <= self._high)).all(axis=1)
        return self.kinds.predict(samples), good & finite

    def _features(self, samples: np.ndarray) -> np.ndarray:
        """Distance to the nearest real drawing, ink, and how much of the paper is neither."""
        squares = (
            (samples**2).sum(1)[:, None] + (self._images**2).sum(1) - 2 * samples @ self._images.T
        )
        near = np.sqrt(np.maximum(squares.min(axis=1), 0))
        ink = (samples + 1).mean(axis=1) / 2
        return np.stack([near, ink, np.abs(samples).mean(axis=1)], axis=1)
