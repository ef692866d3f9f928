"""Live, it is known what each number is a mean of, and numbers never overrule it."""

from __future__ import annotations

from typing import Any

import keras
import numpy as np
import pytest

import keras_collapse as kc
from keras_collapse.core.readings.reading import Reading
from keras_collapse.outputs.subscriber import Subscriber

STEPS = 60
EVERY = 5


class Ear(Subscriber):
    """Keeps the readings."""

    def __init__(self) -> None:
        super().__init__()
        self.readings: list[Reading] = []

    def on_reading(self, reading: Reading) -> None:
        self.readings.append(reading)


class Scripted(keras.Model):
    """A GAN without networks whose numbers are given, run uncompiled.

    Args:
        d_loss: D's loss at each step, returned as a tensor.
        g_loss: G's loss, a metric that every fifth step updates.
    """

    def __init__(self, d_loss: np.ndarray, g_loss: np.ndarray) -> None:
        super().__init__()
        self.numbers = d_loss, g_loss
        self.real = keras.metrics.Mean(name="d_loss_real")
        self.fake = keras.metrics.Mean(name="d_loss_fake")
        self.g_loss = keras.metrics.Mean(name="g_loss")
        self.step = 0
        self.built = True

    def train_step(self, data: Any) -> dict[str, Any]:
        d_loss, g_loss = (values[self.step] for values in self.numbers)
        self.real.update_state(0.6 * d_loss)
        self.fake.update_state(0.4 * d_loss)
        if self.step % EVERY == 0:
            self.g_loss.update_state(g_loss)
        self.step += 1
        return {
            "d_loss": keras.ops.convert_to_tensor(d_loss, "float32"),
            "d_loss_real": self.real.result(),
            "d_loss_fake": self.fake.result(),
            "g_loss": self.g_loss.result(),
        }


@pytest.fixture
def readings() -> list[Reading]:
    d_loss = 0.4 + 1 / np.arange(1, STEPS + 1)  # decays as a running mean does
    g_loss = np.random.default_rng(0).uniform(0.7, 2.0, STEPS)
    model = Scripted(d_loss, g_loss)
    model.compile(run_eagerly=True)
    ear = Ear()
    monitor = kc.CollapseMonitor(verbose=0)
    model.fit(np.zeros((STEPS // 2, 2)), epochs=2, batch_size=1, verbose=0, shuffle=False,
              callbacks=[monitor, ear])  # fmt: skip
    return ear.readings


@pytest.mark.backend("tensorflow", "torch")  # JAX's train_step has no state to script
def test_metrics_are_means_of_their_epoch_and_tensors_are_their_batches(
    readings: list[Reading],
) -> None:
    d_loss = 0.4 + 1 / np.arange(1, STEPS + 1)
    g_loss = np.random.default_rng(0).uniform(0.7, 2.0, STEPS)
    assert [reading.step for reading in readings] == list(range(STEPS))
    for reading in readings:
        step = reading.step
        # The tensor is the sum of its halves, which are metrics: it is halved.
        assert reading.values["d_loss"] == pytest.approx(d_loss[step] / 2, abs=1e-4)
        assert reading.values["d_loss_real"] == pytest.approx(0.6 * d_loss[step], abs=1e-4)
        latest = g_loss[step - step % EVERY]
        assert reading.values["g_loss"] == pytest.approx(latest, abs=1e-4)


@pytest.mark.backend("tensorflow")
def test_numbers_passed_to_update_are_their_steps_own() -> None:
    monitor = kc.CollapseMonitor(verbose=0)
    for step in range(300):  # the drifting losses of a loop
        monitor.update(d_loss=0.4 + 0.3 / (step + 1), g_loss=0.7 + step / 1000)
    assert monitor.verdict.averaging == "batch"
    assert monitor.verdict.findings == ()
