"""Sampling G without the training noticing, and the samples as one picture."""

from __future__ import annotations

import contextlib
from typing import Any

import keras
import numpy as np

from keras_collapse.training.networks.preserve_state import preserve_state


def infer(network: Any, inputs: Any) -> Any:
    """What a network makes of an array, or several, in inference mode, with nothing left changed.

    Call it in the main thread and, on JAX during a fit, only after ``callback.model`` was read.
    """
    with preserve_state(network.non_trainable_variables), no_gradients():
        tensors = keras.tree.map_structure(keras.ops.convert_to_tensor, inputs)
        return network(tensors, training=False)


def draw(generator: Any, inputs: Any) -> np.ndarray:
    """G's samples for these inputs; see `infer`.

    Args:
        generator: the network.
        inputs: latents, float32 (n, *latent_shape); of a conditional generator with their labels.

    Returns:
        The samples as float32 (n, ...).
    """
    samples = keras.ops.convert_to_numpy(infer(generator, inputs))
    return np.asarray(samples, dtype=np.float32)


def no_gradients() -> contextlib.AbstractContextManager[object]:
    """Where gradients are recorded unasked, as in PyTorch, record none."""
    if keras.backend.backend() == "torch":
        import torch

        nothing: contextlib.AbstractContextManager[object] = torch.no_grad()
        return nothing
    return contextlib.nullcontext()
