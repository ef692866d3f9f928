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


def batch_norms(network: Any, frozen: bool = False) -> list[Any]:
    """The network's batch-norm layers, nested ones too; frozen ones only on request."""
    return [
        layer
        for layer in sublayers(network)
        if type(layer).__name__ == "BatchNormalization" and (frozen or layer.trainable)
    ]
