"""Real samples, found without drawing from the training data: a second draw would change it."""

from __future__ import annotations

import math
import sys
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Any

import keras
import numpy as np

from keras_collapse.core.guard import guarded
from keras_collapse.core.samples.diversity import LEAST_SAMPLES
from keras_collapse.training.networks.conditioning import Condition, labels_like
from keras_collapse.training.networks.discovery import Networks
from keras_collapse.training.networks.keras_internals import pipeline_stages

REAL = 1024
"""Real samples that G's are compared with."""
MOST_BYTES = 2**28
"""Memory that samples kept from batches may take: they stay for the whole training, which may need
the rest."""
SEED = 20190528  # any fixed number, so that sample checks can be compared
MOST_FRAMES = 40
"""Frames searched between our hook and Keras' ``fit``; there are about five."""
WITHOUT_EFFECT = ("Shuffle", "Batch", "Prefetch", "Repeat", "Cache", "Options", "ParallelBatch")
"""Stages of a ``tf.data`` pipeline that leave every sample as it is."""


@dataclass(frozen=True, slots=True, eq=False)
class RealData:
    """Some of the real data.

    Args:
        samples: float32 (n, *sample), as D is shown them.
        labels: the samples' labels as G takes them; None if it takes none, or none were found.
        condition: how G takes labels.
    """

    samples: np.ndarray
    labels: np.ndarray | None = None
    condition: Condition | None = None


def find_real(networks: Networks, given: Any = None, model: Any = None) -> RealData | None:
    """The samples that the user gave, with labels if there are any; else some of ``fit``'s data.

    Args:
        networks: with the generator whose samples are compared with them.
        given: an array, or ``(samples, labels)``; None if the user gave none.
        model: the model whose ``fit`` begins; None in a loop.
    """
    shape = networks.sample_shape
    if given is None and model is not None and shape is not None:
        given = fit_given(model)
        return real_among(arrays_of((given.get("x"), given.get("y"))), shape, networks.conditions)
    arrays = arrays_of(given)
    if not arrays:
        return None
    own, count = tuple(arrays[0].shape[1:]), len(arrays[0])
    return real_among(arrays, own, networks.conditions, count)


def fit_given(model: Any) -> dict[str, Any]:
    """The arguments of the ``fit`` that is now running, by name; empty if there is none."""
    frame = sys._getframe()
    for _ in range(MOST_FRAMES):
        if frame.f_back is None:
            return {}
        frame = frame.f_back
        if frame.f_code.co_name == "fit" and "x" in frame.f_code.co_varnames:
            local = frame.f_locals
            if local.get("self") is model:
                return dict(local)
    return {}


def arrays_of(data: Any) -> list[Any]:
    """The arrays that data consists of.

    Args:
        data: an array, several, or a ``tf.data`` pipeline over arrays whose stages leave every
            sample as it is. For anything else (generators, pipelines with a map, ...) there are
            none, since drawing could change what the training sees.
    """
    if isinstance(data, tuple | list):
        return [array for part in data for array in arrays_of(part)]
    if isinstance(data, dict):
        return arrays_of(list(data.values()))
    if isinstance(data, np.ndarray) or keras.ops.is_tensor(data):
        return [data] if len(data.shape) > 0 else []
    for kind, tensors in pipeline_stages(data):
        if kind == "TensorSlice":
            return arrays_of(tensors or [])
        if kind not in WITHOUT_EFFECT:
            return []
    return []


def real_among(
    arrays: Sequence[Any],
    shape: tuple[int, ...],
    conditions: Sequence[Condition] = (),
    count: int = REAL,
) -> RealData | None:
    """Draw some real samples and their labels with a generator of our own.

    Args:
        arrays: the first one whose rows have a sample's shape holds the samples; the labels are
            looked for among the others.
        shape: the shape of one sample.
        conditions: the ways in which G may take labels.
        count: the number of samples, at most.

    Returns:
        Samples in random order, so that the first ones are as mixed as all; None if there are no
        samples.
    """
    samples = next((a for a in arrays if tuple(a.shape[1:]) == shape and len(a)), None)
    if samples is None:
        return None
    rows = np.random.default_rng(SEED).permutation(len(samples))[:count]
    drawn = np.asarray(_rows(samples, rows), dtype="float32")
    for condition in conditions:
        for array in arrays:
            if array is not samples and len(array) == len(samples):
                labels = _labels(array, rows, condition.label_shape)
                if labels is not None:
                    return RealData(drawn, labels, condition)
    return RealData(drawn)


def _labels(array: Any, rows: np.ndarray, shape: tuple[int, ...]) -> np.ndarray | None:
    """Labels for an input of this shape; numbers that are all equal are D's targets, not labels."""
    if tuple(array.shape[1:]) not in ((), (1,), shape):
        return None
    found = _rows(array, rows)
    return labels_like(found, shape) if (found != found[:1]).any() else None


def _rows(array: Any, rows: np.ndarray) -> np.ndarray:
    order = np.argsort(rows)  # a memory map is read forwards
    if isinstance(array, np.ndarray):
        found = array[rows[order]]
    else:
        found = keras.ops.convert_to_numpy(keras.ops.take(array, rows[order], axis=0))
    return np.asarray(found)[np.argsort(order)]


class BatchReservoir:
    """Keeps the first real samples of the batches of a training.

    No sample is kept twice: a loop that picks its rows at random meets them again.

    Args:
        shape: the shape of one sample.
        place: the part of a batch that holds the samples; None for the first of that shape.
        inputs: parts of a batch that G is given, kept whatever their shape.

    Attributes:
        done: whether there are enough samples, or a batch brought nothing new.
        most: the number of samples that are enough.
    """

    def __init__(
        self, shape: tuple[int, ...], place: int | None = None, inputs: Collection[int] = ()
    ) -> None:
        self.done = False
        self.shape = shape
        self.most = max(LEAST_SAMPLES, min(REAL, MOST_BYTES // (4 * math.prod(shape))))
        self._place, self._inputs = place, inputs
        self._known: set[int] = set()
        self._batches: list[dict[int, np.ndarray]] = []

    def __len__(self) -> int:
        return len(self._known)

    @property
    def parts(self) -> dict[int, np.ndarray]:
        """The parts of the batches by their place, row by row."""
        places = self._batches[0] if self._batches else ()
        return {place: np.concatenate([one[place] for one in self._batches]) for place in places}

    @property
    def arrays(self) -> list[np.ndarray]:
        """The samples, then the other parts of the same batches, row by row."""
        parts = self.parts
        return [parts.pop(self._place), *parts.values()] if self._place in parts else []

    def take(self, batch: Any) -> None:
        """Take a batch of nested arrays or tensors; an error ends the collection."""
        if not self.done:
            guarded(self, self._take, batch, off=self._stop)

    def _take(self, batch: Any) -> None:
        parts = [part for part in keras.tree.flatten(batch) if len(getattr(part, "shape", ()))]
        if self._place is None:
            fits = [tuple(part.shape[1:]) == self.shape for part in parts]
            self._place = fits.index(True) if True in fits else None
        place = self._place
        if place is None or place >= len(parts):
            return self._stop(self)
        samples = np.asarray(keras.ops.convert_to_numpy(parts[place]), "float32")
        fresh = self._fresh(samples)
        kept = {place: samples[fresh]}
        for other, part in enumerate(parts):
            wanted = len(part.shape) <= 2 or other in self._inputs
            if other != place and wanted and len(part) == len(samples):
                kept[other] = np.asarray(keras.ops.convert_to_numpy(part))[fresh]
        if fresh and (not self._batches or kept.keys() == self._batches[0].keys()):
            self._batches.append(kept)
        self.done = not fresh or len(self._known) >= self.most
        return None

    def _fresh(self, samples: np.ndarray) -> list[int]:
        """The rows that were not seen before, as many as are still needed."""
        fresh = []
        for row, sample in enumerate(samples):
            name = hash(sample.tobytes())
            if name not in self._known and len(self._known) < self.most:
                self._known.add(name)
                fresh.append(row)
        return fresh

    def _stop(self, _: object) -> None:
        self.done = True
