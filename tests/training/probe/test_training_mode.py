"""G in training mode is measured without a trace, and differs where batch norm makes it differ."""

from __future__ import annotations

from typing import Any

import keras
import numpy as np
import pytest
from keras import layers
from tiny import ring, tiny_gan, weights

import keras_collapse as kc
from keras_collapse.training.networks.sampling import draw
from keras_collapse.training.probe.training_mode import draw_in_training_mode, mode_gap

pytestmark = pytest.mark.backend()

LATENTS = np.random.default_rng(5).standard_normal((64, 4)).astype("float32")
DATA = ring(256)


class Measuring(keras.callbacks.Callback):
    """Measures after each epoch, in the midst of a fit."""

    def __init__(self) -> None:
        super().__init__()
        self.gaps: list[float | None] = []

    def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
        g = self.model.generator
        self.gaps.append(mode_gap(g, LATENTS, draw(g, LATENTS)))


def trained(callbacks: list[Any]) -> list[np.ndarray]:
    kc.seed_everything(3)
    gan = tiny_gan(noise=layers.Dropout(0.2))
    gan.fit(DATA, batch_size=64, epochs=3, verbose=0, callbacks=callbacks)
    return weights(gan)


def generator(momentum: float | None) -> keras.Model:
    norm = [] if momentum is None else [layers.BatchNormalization(momentum=momentum)]
    parts = [keras.Input((4,)), layers.Dense(16), *norm, layers.ReLU(), layers.Dense(2)]
    return keras.Sequential(parts)


@pytest.mark.first_step
@pytest.mark.slow("jax")
def test_a_fit_is_trained_to_the_same_bits() -> None:
    measuring = Measuring()
    bare, watched = trained([]), trained([measuring])
    assert all(np.array_equal(a, b) for a, b in zip(bare, watched, strict=True))
    assert all(gap is not None and gap > 0 for gap in measuring.gaps)


def test_nothing_of_g_changes_and_a_second_measure_is_the_same() -> None:
    g = generator(0.5)
    before = [np.array(keras.ops.convert_to_numpy(v.value)) for v in g.variables]
    first, second = (draw_in_training_mode(g, LATENTS) for _ in range(2))
    after = [np.array(keras.ops.convert_to_numpy(v.value)) for v in g.variables]
    assert all(np.array_equal(a, b) for a, b in zip(before, after, strict=True))
    assert np.array_equal(first, second)
    assert first.dtype == np.float32


def test_moving_averages_that_lag_behind_make_another_g() -> None:
    late, quick = generator(0.99), generator(0.5)
    for g in (late, quick):
        for weight in g.layers[0].weights:
            weight.assign(3 + keras.ops.convert_to_numpy(weight.value))
        for _ in range(20):
            g(LATENTS, training=True)
    gaps = [mode_gap(g, LATENTS, draw(g, LATENTS)) for g in (late, quick)]
    assert gaps[0] is not None
    assert gaps[1] is not None
    assert gaps[0] > 0.5
    assert gaps[1] < 0.05


def test_without_batch_norm_or_differences_there_is_no_answer() -> None:
    assert mode_gap(generator(None), LATENTS, LATENTS[:, :2]) is None
    g = generator(0.9)
    same = np.repeat(LATENTS[:1], 8, axis=0)
    assert mode_gap(g, same, draw(g, same)) is None
