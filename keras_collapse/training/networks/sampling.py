"""Sampling from G without changing the training."""

from __future__ import annotations

import contextlib
from typing import Any

import keras
import numpy as np

from keras_collapse.training.networks.preserve_state import preserve_state


def infer(network: Any, inputs: Any) -> Any:
    """Call a network in inference mode on an array, or several, and leave everything unchanged.

    Call it in the main thread and, on JAX during a fit, only after ``callback.model`` was read.
    """
    with preserve_state(network.non_trainable_variables), no_gradients():
        tensors = keras.tree.map_structure(keras.ops.convert_to_tensor, inputs)
        return network(tensors, training=False)


def draw(generator: Any, inputs: Any) -> np.ndarray:
    """Draw G's samples for these inputs; see `infer`.

    Args:
        generator: the network.
        inputs: latents, float32 (n, *latent_shape), for a conditional generator with labels.

    Returns:
        The samples as float32 (n, ...).
    """
    samples = keras.ops.convert_to_numpy(infer(generator, inputs))
    return np.asarray(samples, dtype=np.float32)


def no_gradients() -> contextlib.AbstractContextManager[object]:
    """A context in which no gradients are recorded; only PyTorch records them unasked."""
    if keras.backend.backend() == "torch":
        import torch

        nothing: contextlib.AbstractContextManager[object] = torch.no_grad()
        return nothing
    return contextlib.nullcontext()
