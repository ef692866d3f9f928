"""G is sampled with what its training step gives it: uniform latents, labels, images."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest
from keras import layers
from tiny import GAN

import keras_collapse as kc
from keras_collapse.core.journal import read_journal
from keras_collapse.core.records import SamplesChecked, SamplesUnavailable
from keras_collapse.training.probe import prober
from keras_collapse.training.probe.g_inputs import inputs_seen
from keras_collapse.training.wiring.step_seen import StepSeen

RNG = np.random.default_rng(0)


def seen(*given: np.ndarray, batch: tuple[np.ndarray, ...] = ()) -> StepSeen:
    return StepSeen(None, None, given=[list(given)], structure=[0] * len(given), batch=batch)


@pytest.mark.parametrize(("low", "high"), [(-1.0, 1.0), (0.0, 1.0)])
def test_uniform_latents_are_drawn_from_their_range(low: float, high: float) -> None:
    found = inputs_seen(seen(RNG.uniform(low, high, (32, 8)).astype("float32")))
    assert found is not None
    [drawn] = found.draw(2000, 0)
    assert drawn.shape == (2000, 8)
    assert drawn.dtype == np.float32
    assert low <= drawn.min() <= low + 0.01
    assert high - 0.01 <= drawn.max() <= high


@pytest.mark.parametrize("scale", [1.0, 0.02, 5.0])
def test_normal_latents_are_drawn_with_their_scale(scale: float) -> None:
    found = inputs_seen(seen((scale * RNG.standard_normal((32, 8))).astype("float32")))
    assert found is not None
    [drawn] = found.draw(2000, 0)
    assert drawn.std() == pytest.approx(scale, rel=0.2)


def test_one_hot_labels_beside_latents_in_one_input_stay_labels() -> None:
    labels = np.eye(3)[RNG.integers(0, 3, 32)]
    given = np.concatenate([RNG.standard_normal((32, 4)), labels], axis=1).astype("float32")
    found = inputs_seen(seen(given))
    assert found is not None
    [drawn] = found.draw(256, 0)
    assert np.isin(drawn[:, 4:], (0, 1)).all()
    assert (drawn[:, 4:].sum(axis=1) == 1).all()
    assert len(np.unique(drawn[:, :4])) > 1000


def test_images_of_the_batch_are_taken_from_later_batches_and_never_repeated() -> None:
    images = RNG.uniform(-1, 1, (4, 8, 8, 1)).astype("float32")
    found = inputs_seen(seen(images, batch=(images, images + 1)))
    assert found is not None
    assert found.places == {0}
    more = RNG.uniform(-1, 1, (40, 8, 8, 1)).astype("float32")
    [drawn] = found.draw(256, 0, {0: more})
    assert np.array_equal(drawn, more)


class Translating(GAN):
    """Draws points from other points, as a network that translates images does."""

    def _draw(self, size: Any) -> Any:
        return self.generator(self.given, training=True)

    def _one_step(self, data: Any) -> Any:
        self.given, real = data
        return super()._one_step(real)


class Uniform(GAN):
    """Draws its latents from [0, 1)."""

    def _draw(self, size: Any) -> Any:
        latents = keras.random.uniform((size, 4), seed=self.seed_generator)
        return self.generator(latents, training=True)


def networks(width: int) -> tuple[keras.Model, keras.Model]:
    g = keras.Sequential([keras.Input((width,)), layers.Dense(2)], name="generator")
    d = keras.Sequential(
        [keras.Input((2,)), layers.Dense(8, "relu"), layers.Dense(1, "sigmoid")],
        name="discriminator",
    )
    return g, d


@pytest.mark.backend
def test_a_generator_of_images_is_given_images_of_the_batches(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(prober, "APART", 1)
    side, channels = 8, 1
    x = keras.Input((side, side, channels))
    g = keras.Model(x, layers.Conv2D(channels, 3, padding="same")(x), name="generator")
    y = keras.Input((side, side, channels))
    d = keras.Model(y, layers.Dense(1, "sigmoid")(layers.Flatten()(y)), name="discriminator")
    gan = Translating(g, d, seed=1)
    gan.compile(d_optimizer=keras.optimizers.Adam(1e-3), g_optimizer=keras.optimizers.Adam(1e-3))
    sketches = RNG.uniform(-1, 1, (96, side, side, channels)).astype("float32")
    monitor = kc.CollapseMonitor(run_dir=tmp_path / "run", verbose=0)
    gan.fit(sketches, 0.5 * sketches, batch_size=8, epochs=2, verbose=0, callbacks=[monitor])
    records = list(read_journal(tmp_path / "run"))
    [*_, check] = [r for r in records if isinstance(r, SamplesChecked)]
    assert check.values["fake"] == check.values["real"] == 96
    assert records[-1] is not None
    assert not [r.reason for r in records if isinstance(r, SamplesUnavailable)][-1]
