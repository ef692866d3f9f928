"""Loops of ``train_on_batch``: labels that are noisy or of both kinds, rates of zero, logits."""

from __future__ import annotations

from typing import Any

import keras
import numpy as np
import pytest
from keras import layers
from tiny import ring

import keras_collapse as kc

pytestmark = pytest.mark.backend()

DATA = ring(512)
HALF = 16
RNG = np.random.default_rng(0)


def networks(last: str | None = "sigmoid", d_rate: float = 1e-3, g_rate: float = 1e-3) -> Any:
    g = keras.Sequential([keras.Input((4,)), layers.Dense(8, "relu"), layers.Dense(2)])
    d = keras.Sequential([keras.Input((2,)), layers.Dense(8, "relu"), layers.Dense(1, last)])
    d.compile(keras.optimizers.Adam(d_rate), "binary_crossentropy")
    d.trainable = False
    gan = keras.Sequential([g, d])
    gan.compile(keras.optimizers.Adam(g_rate), "binary_crossentropy")
    return g, d, gan


def constant(value: float, count: int = HALF) -> np.ndarray:
    return np.full((count, 1), value, "float32")


def noisy(low: float, high: float, flip: float | None = None) -> np.ndarray:
    labels = RNG.uniform(low, high, (HALF, 1)).astype("float32")
    if flip is not None:
        labels[RNG.integers(HALF)] = flip
    return labels


def train(parts: Any, real: Any, fake: Any, of_g: float = 1.0, together: bool = False) -> set[str]:
    """Kinds found in three steps; ``real`` and ``fake`` make the labels of a half batch."""
    g, d, gan = parts
    monitor = kc.CollapseMonitor(verbose=0)
    with monitor.watching(generator=g, discriminator=d, combined=gan):
        for _ in range(3):
            one_step(parts, real(), fake(), of_g, together)
    return {f.kind for f in monitor.verdict.findings} - {"cumulative_metrics"}


def one_step(
    parts: Any, real: Any = None, fake: Any = None, of_g: float = 1.0, together: bool = False
) -> None:
    g, d, gan = parts
    real, fake = ones() if real is None else real, zeros() if fake is None else fake
    x = DATA[RNG.integers(0, len(DATA), HALF)]
    fakes = g.predict(RNG.normal(size=(HALF, 4)).astype("float32"), verbose=0)
    d.trainable = True
    if together:
        d.train_on_batch(np.concatenate([x, fakes]), np.concatenate([real, fake]))
    else:
        d.train_on_batch(x, real)
        d.train_on_batch(fakes, fake)
    d.trainable = False
    latents = RNG.normal(size=(2 * HALF, 4)).astype("float32")
    gan.train_on_batch(latents, constant(of_g, 2 * HALF))


def ones() -> np.ndarray:
    return constant(1.0)


def zeros() -> np.ndarray:
    return constant(0.0)


@pytest.mark.parametrize("together", [False, True])
def test_labels_are_read_row_by_row(together: bool) -> None:
    assert train(networks(), ones, zeros, together=together) == set()
    assert train(networks(), ones, ones, together=together) == {"discriminator_objective"}
    wrong = train(networks(), ones, zeros, of_g=0.0, together=together)
    assert wrong == {"generator_objective"}


def test_smoothed_and_flipped_labels_are_two_labels() -> None:
    real, fake = (lambda: noisy(0.7, 1.0, 0.0)), (lambda: noisy(0.0, 0.3, 1.0))
    assert train(networks(), real, fake) == set()
    assert train(networks(), real, real) == {"discriminator_objective"}
    assert train(networks(), real, fake, of_g=0.0) == {"generator_objective"}


@pytest.mark.parametrize("network", ["discriminator", "generator"])
def test_a_rate_of_zero_is_found_at_once(network: str) -> None:
    parts = networks(**{f"{network[0]}_rate": 0.0})
    assert train(parts, ones, zeros) == {f"{network}_frozen"}


def test_logits_are_found_though_they_lie_between_0_and_1() -> None:
    parts = networks(last=None)
    parts[1].layers[-1].bias.assign([0.5])
    parts[1].layers[-1].kernel.assign(1e-3 * np.ones((8, 1)))
    assert train(parts, ones, zeros) == {"loss_activation_mismatch"}


def test_a_warm_up_that_begins_at_zero_is_no_frozen_network() -> None:
    g, d, gan = parts = networks(g_rate=0.0)
    monitor = kc.CollapseMonitor(verbose=0)
    with monitor.watching(generator=g, discriminator=d, combined=gan):
        for step in range(3):
            gan.optimizer.learning_rate = step * 1e-4
            one_step(parts)
    assert {f.kind for f in monitor.verdict.findings} <= {"cumulative_metrics"}
