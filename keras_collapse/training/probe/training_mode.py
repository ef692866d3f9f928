"""G in training mode next to G in inference mode, which batch norm may make two generators."""

from __future__ import annotations

from typing import Any

import keras
import numpy as np

from keras_collapse.training.networks.layers import batch_norms
from keras_collapse.training.networks.preserve_state import preserve_state
from keras_collapse.training.networks.sampling import no_gradients

ROUNDING = 1e-4
"""Share of the samples' size up to which their differences are float32 arithmetic: rows of a batch
need not be added in one order, and batch norm divides by their tiny variance."""


def draw_in_training_mode(generator: Any, inputs: Any) -> np.ndarray:
    """Draw G's samples as its training step does, and leave everything unchanged.

    Moving averages and seeds are restored, bit by bit. See `infer` for where it may be called.

    Args:
        generator: the network.
        inputs: of it, nested arrays (n, ...).

    Returns:
        The samples as float32 (n, ...).
    """
    with preserve_state(generator.non_trainable_variables), no_gradients():
        tensors = keras.tree.map_structure(keras.ops.convert_to_tensor, inputs)
        samples = keras.ops.convert_to_numpy(generator(tensors, training=True))
    return np.asarray(samples, dtype=np.float32)


def mode_gap(generator: Any, inputs: Any, samples: np.ndarray) -> float | None:
    """How far G's samples in training mode are from those in inference mode.

    Args:
        generator: the network.
        inputs: of it, nested arrays (n, ...).
        samples: what it makes of them in inference mode, float32 (n, ...).

    Returns:
        The mean distance of both samples of one input, as a share of the mean distance of two
        inputs' samples in training mode: 0 for one generator, about 1 for unrelated samples. None
        if G has no batch norm, or gives the same to all inputs.
    """
    if not batch_norms(generator):
        return None
    trained = draw_in_training_mode(generator, inputs).reshape(len(samples), -1)
    apart = np.linalg.norm(trained - samples.reshape(len(samples), -1), axis=1).mean()
    others = np.linalg.norm(trained - np.roll(trained, 1, axis=0), axis=1).mean()
    rounding = ROUNDING * np.linalg.norm(samples.reshape(len(samples), -1), axis=1).mean()
    return float(apart / others) if others > rounding and np.isfinite(apart) else None
