"""Held-out samples are found in a fit, and what they show is told without changing the training."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest
from keras import layers
from tiny import once, ring, slow_where_compiled, tiny_gan

import keras_collapse as kc
from keras_collapse.core.journal import read_journal
from keras_collapse.core.records import SamplesChecked
from keras_collapse.core.samples import memorisation
from keras_collapse.training.networks.discovery import networks_of
from keras_collapse.training.probe import held_out, prober
from keras_collapse.training.probe.held_out import Data, Memorisation, find_data
from keras_collapse.training.probe.real_data import RealData

pytestmark = pytest.mark.backend()


@pytest.fixture(autouse=True)
def every_check(monkeypatch: pytest.MonkeyPatch) -> None:
    """These fits are shorter than the steps between comparisons, and too short to draw much."""
    monkeypatch.setattr(prober, "APART", 1)
    monkeypatch.setattr(memorisation, "FEWEST", 2)


def fitted(folder: Path, epochs: int = 2, given: Any = None, **of_fit: Any) -> dict[str, float]:
    """The numbers of the last check of a fit."""
    monitor = kc.CollapseMonitor(run_dir=folder, verbose=0, held_out=given)
    keras.utils.set_random_seed(0)
    data = of_fit.pop("data", ring(256))
    batch = None if of_fit.pop("batched", False) else 64
    tiny_gan().fit(data, batch_size=batch, epochs=epochs, verbose=0, callbacks=[monitor], **of_fit)
    checks = [r for r in read_journal(folder) if isinstance(r, SamplesChecked)]
    return dict(checks[-1].values)


@slow_where_compiled
def test_the_validation_data_of_a_fit_are_held_out_samples(tmp_path: Path) -> None:
    none = fitted(tmp_path / "none")
    assert "d_score_held_out" not in none
    assert "copied_share" in none
    found = fitted(tmp_path / "some", validation_data=(ring(100, seed=1),), validation_freq=9)
    same = fitted(tmp_path / "same", given=ring(100, seed=1))
    assert {k: found[k] for k in ("d_score_held_out", "d_overfits")} == pytest.approx(
        {k: same[k] for k in ("d_score_held_out", "d_overfits")}
    )
    assert 0.3 < found["d_overfits"] < 0.7


@once
def test_what_validation_split_takes_away_is_held_out(tmp_path: Path) -> None:
    far = np.concatenate([ring(192), ring(64) + 100])  # the last quarter is nothing like the rest
    found = fitted(tmp_path / "run", data=far, validation_split=0.25, validation_freq=9)
    assert abs(found["d_score_held_out"] - found["d_score_real"]) > 0.01


@once
def test_batches_of_a_small_data_set_are_all_of_it(tmp_path: Path) -> None:
    import tensorflow as tf

    for size, known in ((256, True), (2048, False)):
        batches = tf.data.Dataset.from_tensor_slices(ring(size)).map(lambda x: x).batch(64)
        found = fitted(tmp_path / str(size), data=batches, batched=True, epochs=2)
        assert ("copied_share" in found) == known


def test_a_large_training_set_is_not_searched() -> None:
    g, d = tiny_gan().generator, tiny_gan().discriminator
    with_nan = np.concatenate([ring(40), np.full((3, 2), np.nan, "float32")])
    found = find_data(networks_of(g, d), ring(64), with_nan)
    assert (found.training, len(found.held_out if found.held_out is not None else ())) == (None, 40)
    assert Memorisation(found).measure(RealData(ring(2000)), ring(256, 1)) == {}


def test_held_out_samples_of_another_shape_are_refused_by_name() -> None:
    networks = networks_of(tiny_gan().generator, tiny_gan().discriminator)
    with pytest.warns(UserWarning, match=r"samples of the shape \(2,\). Received: \(40, 3\)"):
        found = find_data(networks, ring(64), np.zeros((40, 3)))
    assert found.real is not None
    assert found.held_out is None


def d_by_heart(training: np.ndarray) -> Any:
    """A D that scores what it was trained on 1 and anything else 0."""

    class ByHeart(layers.Layer):
        def call(self, x: Any) -> Any:
            apart = keras.ops.abs(x[:, None] - keras.ops.convert_to_tensor(training)[None])
            return keras.ops.cast(keras.ops.min(keras.ops.sum(apart, -1), 1) < 1e-6, "float32")

    inputs = keras.Input((2,))
    return keras.Model(inputs, ByHeart()(inputs))


def test_a_d_that_knows_its_data_by_heart_is_measured() -> None:
    training, others = ring(200), ring(200, seed=1)
    checked = Memorisation(Data(held_out=others), d_by_heart(training))
    found = checked.measure(RealData(training), ring(256, seed=2))
    assert (found["d_overfits"], found["d_held_out_gap"]) == (1.0, 1.0)
    assert found["copied_share"] < 0.1
    copies = checked.measure(RealData(training), training + 1e-4)
    assert copies["copied_share"] > 0.5


@slow_where_compiled
def test_its_own_error_costs_only_these_numbers(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_: Any) -> None:
        raise ZeroDivisionError

    monkeypatch.setattr(held_out, "TrainingSet", broken)
    with pytest.warns(UserWarning, match="Memorisation has switched itself off"):
        found = fitted(tmp_path / "run")
    assert "missing_share" in found
    assert "copied_share" not in found


@pytest.mark.first_step
def test_the_training_is_the_same_with_held_out_samples(tmp_path: Path) -> None:
    weights = []
    for given in (None, ring(100, seed=1)):
        keras.utils.set_random_seed(1)
        gan = tiny_gan()
        callbacks = []
        if given is not None:
            callbacks = [kc.CollapseMonitor(run_dir=tmp_path, verbose=0, held_out=given)]
        gan.fit(ring(128), batch_size=32, epochs=2, verbose=0, callbacks=callbacks)
        weights.append([np.asarray(w) for w in gan.get_weights()])
    assert all((a == b).all() for a, b in zip(*weights, strict=True))
