"""The data a person trains on, found without drawing from it: a second draw would disturb it."""

from __future__ import annotations

import sys
from typing import Any

import keras
import numpy as np

MOST_FRAMES = 40
"""Calls between our hook and Keras' ``fit``, at most; there are five or so."""
WITHOUT_EFFECT = ("Shuffle", "Batch", "Prefetch", "Repeat", "Cache", "Options", "ParallelBatch")
"""Stages of a ``tf.data`` pipeline that change no sample."""


def data_of_fit(model: Any) -> Any:
    """What the ``fit`` that is now running was given as data; None where no ``fit`` is found."""
    frame = sys._getframe()
    for _ in range(MOST_FRAMES):
        if frame.f_back is None:
            return None
        frame = frame.f_back
        if frame.f_code.co_name == "fit" and "x" in frame.f_code.co_varnames:
            local = frame.f_locals
            if local.get("self") is model:
                return local.get("x")
    return None


def samples_of(data: Any, shape: tuple[int, ...], count: int, seed: int) -> np.ndarray | None:
    """Some real samples, drawn with a generator of our own.

    Args:
        data: what ``fit`` was given: an array, several, or a ``tf.data`` pipeline over arrays
            whose stages change no sample. Of anything else (generators, pipelines with a map,
            ...) nothing is drawn, since drawing could change what the training sees.
        shape: of one sample.
        count: how many at most.
        seed: of the draw.

    Returns:
        float32 (n, *shape), or None.
    """
    for array in _arrays(data):
        if tuple(array.shape[1:]) == shape and len(array):
            rows = np.random.default_rng(seed).permutation(len(array))[:count]
            rows.sort()  # a memory map is read forwards
            return np.asarray(_rows(array, rows), dtype="float32")
    return None


def _rows(array: Any, rows: np.ndarray) -> Any:
    if isinstance(array, np.ndarray):
        return array[rows]
    return keras.ops.convert_to_numpy(keras.ops.take(array, rows, axis=0))


def _arrays(data: Any) -> list[Any]:
    if isinstance(data, tuple | list):
        return [array for part in data for array in _arrays(part)]
    if isinstance(data, dict):
        return _arrays(list(data.values()))
    if isinstance(data, np.ndarray) or keras.ops.is_tensor(data):
        return [data] if len(data.shape) > 1 else []
    while type(data).__module__.startswith("tensorflow.python.data"):
        kind = type(data).__name__.strip("_").removesuffix("Dataset").removesuffix("V2")
        if kind == "TensorSlice":
            return _arrays(list(data._tensors))
        if kind not in WITHOUT_EFFECT or not hasattr(data, "_input_dataset"):
            return []
        data = data._input_dataset
    return []
