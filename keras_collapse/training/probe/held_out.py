"""Detect memorisation with held-out samples and the training set, if they are known."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import keras
import numpy as np

from keras_collapse.core.errors import InputError
from keras_collapse.core.guard import guarded
from keras_collapse.core.samples.diversity import Features
from keras_collapse.core.samples.memorisation import (
    FEWEST,
    MOST_TRAINING,
    TrainingSet,
    held_out_scores,
)
from keras_collapse.training.networks.conditioning import given_to_d
from keras_collapse.training.networks.discovery import Networks
from keras_collapse.training.networks.layers import last_activation
from keras_collapse.training.networks.sampling import infer
from keras_collapse.training.probe.real_data import (
    MOST_BYTES,
    REAL,
    RealData,
    arrays_of,
    find_real,
    fit_given,
    real_among,
)

SCORED = 256
"""Samples of each kind that D scores: the share of pairs then has a standard error of 0.026."""


@dataclass(frozen=True, slots=True)
class Data:
    """The data of a training that is known when it begins.

    Args:
        real: some of it; None if it was not found.
        training: all of it, as ``fit`` is given it, if that is small; else None.
        held_out: samples that are not trained on, float32 (m, *sample); None if there are none.
        features: what is compared of samples; see `RealSample`.
    """

    real: RealData | None = None
    training: Any = None
    held_out: np.ndarray | None = None
    features: Features | None = None


def find_data(
    networks: Networks,
    real: Any = None,
    held_out: Any = None,
    features: Features | None = None,
    model: Any = None,
) -> Data:
    """The samples that the user gave, else those that the running ``fit`` was given.

    Args:
        networks: with the generator whose samples are compared with them.
        real: see `find_real`.
        held_out: an array; None if the user gave none: then ``validation_data`` is used, or what
            ``validation_split`` takes away.
        features: what the user gave to compare samples by.
        model: the model whose ``fit`` begins; None in a loop.
    """
    shape = networks.sample_shape
    given = fit_given(model) if model is not None else {}
    if shape is None:
        return Data(find_real(networks, real, model), features=features)
    training = next((a for a in arrays_of(given.get("x")) if tuple(a.shape[1:]) == shape), None)
    if training is not None and len(training) > min(MOST_TRAINING, MOST_BYTES / math.prod(shape)):
        training = None
    held = guarded("held_out", _held_out, shape, held_out, given.get("validation_data"))
    return Data(find_real(networks, real, model), training, held, features)


def _held_out(shape: tuple[int, ...], given: Any, of_fit: Any) -> np.ndarray | None:
    found = real_among(arrays_of(of_fit if given is None else given), shape)
    if found is None and given is not None:
        received = getattr(given, "shape", None) or type(given).__name__
        raise InputError(f"held_out must be samples of the shape {shape}. Received: {received}")
    if found is None:
        return None
    finite = np.isfinite(found.samples).reshape(len(found.samples), -1).all(axis=1)
    return np.asarray(found.samples[finite])


class Memorisation:
    """Measures whether fakes repeat the training data, and whether D overfits.

    Args:
        data: the data known when the training begins.
        judge: the discriminator; None if it is not known.
    """

    def __init__(self, data: Data, judge: Any = None) -> None:
        self._data, self._judge = data, judge
        self._set: TrainingSet | None = None

    def measure(self, real: RealData, samples: np.ndarray) -> dict[str, float]:
        """Return the numbers of `TrainingSet.measure` and `held_out_scores` that are known.

        Args:
            real: some of the training data. If it is less than could be kept, it is all of it.
            samples: of G, float32 (m, *sample).
        """
        held, training = self._data.held_out, self._data.training
        if training is None and len(real.samples) < REAL:
            training = real.samples
        enough = held is not None and len(held) >= FEWEST
        found: dict[str, float] = {}
        if training is not None and len(training) >= FEWEST:
            if self._set is None:
                self._set = TrainingSet(_flat(training), _flat(held) if enough else None)
            found |= self._set.measure(_flat(samples))
        if held is None or not enough or self._judge is None:
            return found
        scores = [_scored(self._judge, x[:SCORED]) for x in (real.samples, held, samples)]
        known = [one for one in scores if one is not None and np.isfinite(one).all()]
        if len(known) < len(scores):
            return found
        on_real, on_held_out, on_fake = known
        sigmoid = last_activation(self._judge) == "sigmoid"
        return found | held_out_scores(on_real, on_held_out, on_fake, sigmoid)


def _flat(samples: Any) -> np.ndarray:
    """As float32 (n, numbers)."""
    x = keras.ops.convert_to_numpy(samples) if keras.ops.is_tensor(samples) else samples
    return np.asarray(x, "float32").reshape(len(x), -1)


def _scored(judge: Any, samples: np.ndarray) -> np.ndarray | None:
    """D's mean score of each sample (n,); None if it takes labels or gives several answers."""
    inputs = given_to_d(judge, samples, None)
    scores = infer(judge, inputs[0]) if len(inputs) == 1 else None
    if scores is None or isinstance(scores, list | tuple | dict):
        return None
    numbers = np.asarray(keras.ops.convert_to_numpy(scores), "float64")
    return np.asarray(numbers.reshape(len(numbers), -1).mean(axis=1))
