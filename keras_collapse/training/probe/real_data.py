"""The data a person trains on, found without drawing from it: a second draw would disturb it."""

from __future__ import annotations

import math
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import keras
import numpy as np

from keras_collapse.core.guard import guarded
from keras_collapse.core.samples.diversity import LEAST_SAMPLES
from keras_collapse.training.networks.conditioning import Condition, labels_like
from keras_collapse.training.networks.discovery import Networks

REAL = 1024
"""Real samples that G's are compared with."""
MOST_BYTES = 2**28
"""Memory that samples from passing batches may take: they are wanted for one look after another,
beside a training that may need the rest."""
SEED = 20190528  # any number: what is drawn is fixed so that looks can be compared
MOST_FRAMES = 40
"""Calls between our hook and Keras' ``fit``, at most; there are five or so."""
WITHOUT_EFFECT = ("Shuffle", "Batch", "Prefetch", "Repeat", "Cache", "Options", "ParallelBatch")
"""Stages of a ``tf.data`` pipeline that change no sample."""


@dataclass(frozen=True, slots=True, eq=False)
class RealData:
    """Some of the real data.

    Args:
        samples: float32 (n, *sample), as D is shown them.
        labels: of these samples, as G takes them; None where it takes none, or none were found.
        condition: how G takes them.
    """

    samples: np.ndarray
    labels: np.ndarray | None = None
    condition: Condition | None = None


def find_real(networks: Networks, given: Any = None, model: Any = None) -> RealData | None:
    """The samples given, with their labels where they were given too; else some of the data.

    Args:
        networks: with the generator they are compared with.
        given: an array, or ``(samples, labels)``; None where none were.
        model: whose ``fit`` begins, to take some of what it was given; None in a loop.
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
    """What the ``fit`` that is now running was given, by argument; empty where none is found."""
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
    """The arrays that data consist of.

    Args:
        data: an array, several, or a ``tf.data`` pipeline over arrays whose stages change no
            sample. Of anything else (generators, pipelines with a map, ...) there are none, since
            drawing could change what the training sees.
    """
    if isinstance(data, tuple | list):
        return [array for part in data for array in arrays_of(part)]
    if isinstance(data, dict):
        return arrays_of(list(data.values()))
    if isinstance(data, np.ndarray) or keras.ops.is_tensor(data):
        return [data] if len(data.shape) > 0 else []
    while type(data).__module__.startswith("tensorflow.python.data"):
        kind = type(data).__name__.strip("_").removesuffix("Dataset").removesuffix("V2")
        if kind == "TensorSlice":
            return arrays_of(list(data._tensors))
        if kind not in WITHOUT_EFFECT or not hasattr(data, "_input_dataset"):
            return []
        data = data._input_dataset
    return []


def real_among(
    arrays: Sequence[Any],
    shape: tuple[int, ...],
    conditions: Sequence[Condition] = (),
    count: int = REAL,
) -> RealData | None:
    """Some real samples and their labels, drawn with a generator of our own.

    Args:
        arrays: the first whose rows have a sample's shape holds the samples; among the others are
            the labels.
        shape: of one sample.
        conditions: the ways in which labels may be wanted.
        count: how many samples at most.

    Returns:
        In an order of their own, so that any first ones are as mixed as all; None where there are
        no samples.
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
    """Labels for an input of this shape; numbers that are all one are targets of D's."""
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
    """Keeps the first real samples of the batches that pass by, where data cannot be drawn from.

    No sample is kept twice: a loop that picks its rows at random comes upon them again.

    Args:
        shape: of one sample.

    Attributes:
        done: no more are wanted: there are enough, or a batch brought nothing new.
    """

    def __init__(self, shape: tuple[int, ...]) -> None:
        self.done = False
        self.shape = shape
        self.most = max(LEAST_SAMPLES, min(REAL, MOST_BYTES // (4 * math.prod(shape))))
        self._known: set[int] = set()
        self._batches: list[list[np.ndarray]] = []

    @property
    def arrays(self) -> list[np.ndarray]:
        """What was kept: the samples, and what stood beside them, row by row."""
        return [np.concatenate(parts) for parts in zip(*self._batches, strict=True)]

    def take(self, batch: Any) -> None:
        """See a batch: arrays or tensors, nested as they may be. Its fault ends the keeping."""
        if not self.done:
            guarded(self, self._take, batch, off=self._stop)

    def _take(self, batch: Any) -> None:
        parts = [part for part in keras.tree.flatten(batch) if getattr(part, "shape", ())]
        first = next((p for p in parts if tuple(p.shape[1:]) == self.shape), None)
        if first is None:
            return self._stop(self)
        samples = np.asarray(keras.ops.convert_to_numpy(first), "float32")
        fresh = self._fresh(samples)
        beside = [
            np.asarray(keras.ops.convert_to_numpy(p))[fresh]
            for p in parts
            if p is not first and len(p.shape) <= 2 and len(p) == len(samples)
        ]
        kept = [samples[fresh], *beside]
        if fresh and (not self._batches or len(kept) == len(self._batches[0])):
            self._batches.append(kept)
        self.done = not fresh or len(self._known) >= self.most
        return None

    def _fresh(self, samples: np.ndarray) -> list[int]:
        """The rows that were not seen before, as many as are still wanted."""
        fresh = []
        for row, sample in enumerate(samples):
            name = hash(sample.tobytes())
            if name not in self._known and len(self._known) < self.most:
                self._known.add(name)
                fresh.append(row)
        return fresh

    def _stop(self, _: object) -> None:
        self.done = True
