"""What a network's layers are: its last activation, its batch norms."""

from __future__ import annotations

from typing import Any

import numpy as np

from keras_collapse.training.networks.keras_internals import sublayers

REACH = {"tanh": (-1.0, 1.0), "sigmoid": (0.0, 1.0), "relu": (0.0, np.inf)}
"""The range of a last activation."""
SLACK = 0.05
"""How far data may lie outside of that range, as antialiased or slightly noisy images do."""


def last_activation(network: Any) -> str | None:
    """The name of a network's last activation; None if it is linear or unknown."""
    for layer in reversed(getattr(network, "layers", [])):
        if getattr(layer, "layers", None):
            return last_activation(layer)
        activation = getattr(layer, "activation", None)
        if activation is not None:
            name = getattr(activation, "__name__", "")
            return None if name == "linear" else name
        if layer.weights:
            return None
    return None


_PASSES_ON = ("Flatten", "Reshape", "Dropout", "Identity", "InputLayer")
"""Layers after which an output is what it was before them."""


def ends_linear(network: Any) -> bool:
    """Whether a network certainly ends in a layer without an activation, so that it gives logits.

    Of a subclassed network this is not known: its ``call`` may apply a sigmoid.
    """
    if type(network).__name__ not in ("Sequential", "Functional"):
        return False
    steps = network.layers if type(network).__name__ == "Sequential" else network.operations
    last = next((one for one in reversed(steps) if type(one).__name__ not in _PASSES_ON), None)
    if getattr(last, "layers", None):
        return ends_linear(last)
    return getattr(getattr(last, "activation", None), "__name__", "") == "linear"


def batch_norms(network: Any, frozen: bool = False) -> list[Any]:
    """The network's batch-norm layers, nested ones too; frozen ones only on request."""
    return [
        layer
        for layer in sublayers(network)
        if type(layer).__name__ == "BatchNormalization" and (frozen or layer.trainable)
    ]


def uneven_convolutions(network: Any) -> int:
    """The number of transposed convolutions whose kernel is not divisible by their stride."""
    return sum(
        any(size % stride for size, stride in zip(layer.kernel_size, layer.strides, strict=True))
        for layer in sublayers(network)
        if type(layer).__name__ == "Conv2DTranspose"
    )
