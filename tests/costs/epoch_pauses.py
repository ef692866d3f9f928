"""Pauses between epochs on TensorFlow, without any callback that does something.

    KERAS_BACKEND=tensorflow python tests/costs/epoch_pauses.py

At the end of an epoch TensorFlow deletes its iterator, and waits for the thread that tunes the
pipeline, which sometimes sleeps on. Prints how many epochs end with such a pause, with the pipeline
that Keras makes of an array and with one that is not tuned.
"""

from __future__ import annotations

import time
from typing import Any

import keras
import numpy as np
from overhead import without_pauses

BATCH, STEPS, EPOCHS = 32, 400, 60
PAUSE_SECONDS = 0.06
"""Between two epochs; 0.01 are usual."""


class Gaps(keras.callbacks.Callback):  # type: ignore[misc]
    """Times between the end of an epoch and the first step of the next."""

    def __init__(self) -> None:
        super().__init__()
        self.seconds: list[float] = []
        self._ended: float | None = None

    def on_train_batch_begin(self, batch: int, logs: Any = None) -> None:
        if self._ended is not None:
            self.seconds.append(time.perf_counter() - self._ended)
            self._ended = None

    def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
        self._ended = time.perf_counter()


def main() -> None:
    keras.utils.set_random_seed(0)
    model = keras.Sequential([keras.layers.Dense(64, "relu"), keras.layers.Dense(1)])
    model.compile("adam", "mse")
    inputs = np.random.default_rng(0).random((BATCH * STEPS, 8), dtype="float32")
    targets = inputs[:, :1]
    ways: dict[str, dict[str, Any]] = {
        "an array": {"x": inputs, "y": targets, "batch_size": BATCH},
        "not tuned": without_pauses((inputs, targets), BATCH),
    }
    for name, data in ways.items():
        gaps, began = Gaps(), time.perf_counter()
        model.fit(**data, epochs=EPOCHS, shuffle=False, verbose=0, callbacks=[gaps])
        took = time.perf_counter() - began
        long = [gap for gap in gaps.seconds if gap > PAUSE_SECONDS]
        print(
            f"{name}: {len(long)} of {len(gaps.seconds)} epochs end with a pause, "
            f"{sum(long):.1f} s of {took:.1f} s; the longest takes {max(long, default=0.0):.2f} s"
        )


if __name__ == "__main__":
    main()
