"""The state of a training, as tests of what is saved and restored compare it."""

from __future__ import annotations

from typing import Any

import keras
import numpy as np
from tiny import weights

EPOCH = 16
"""Steps of an epoch of 512 samples in batches of 32."""


class States(keras.callbacks.Callback):
    """Keeps G's weights and all variables as they are at the end of each epoch, by step."""

    def __init__(self) -> None:
        super().__init__()
        self.generator: dict[int, list[np.ndarray]] = {}
        self.all: dict[int, list[np.ndarray]] = {}

    def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
        step = (epoch + 1) * EPOCH - 1
        self.generator[step] = arrays(self.model.generator)
        self.all[step] = weights(self.model)


def arrays(owner: Any) -> list[np.ndarray]:
    """The weights of a model, or the variables of an optimizer."""
    is_model = isinstance(owner, keras.layers.Layer)
    variables = owner.weights if is_model else owner.variables
    return [np.array(keras.ops.convert_to_numpy(v.value)) for v in variables]


def equal(one: list[np.ndarray], other: list[np.ndarray]) -> bool:
    """Whether both have the same values, bit for bit."""
    return len(one) == len(other) and all(map(np.array_equal, one, other))


def drawn_data(generator: Any) -> np.ndarray:
    """Samples of an untrained G, float32 (512, ...): it is good at once, so checks are healthy."""
    latents = np.random.default_rng(5).standard_normal((512, 4)).astype("float32")
    return np.array(keras.ops.convert_to_numpy(generator(latents, training=False)))
