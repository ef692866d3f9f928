"""The probe in real fits: it finds the data, keeps to its time, and says what it saw."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest
from tiny import ring, tiny_gan

import keras_collapse as kc
from keras_collapse.core.journal import read_journal
from keras_collapse.training import prober
from keras_collapse.training.models import Networks
from keras_collapse.training.prober import Prober, separation
from keras_collapse.training.real_data import samples_of

BACKEND = keras.backend.backend()


def probes(folder: Path) -> list[dict[str, Any]]:
    return [record for record in read_journal(folder) if record["record"] == "probe"]


@pytest.fixture(autouse=True)
def every_look(monkeypatch: pytest.MonkeyPatch) -> None:
    """These fits are too short for a look's share of their time."""
    monkeypatch.setattr(prober, "SHARE", 1e9)


def test_a_fit_on_an_array_is_probed_without_set_up(tmp_path: Path) -> None:
    monitor = kc.CollapseMonitor(run_dir=tmp_path / "run", verbose=0)
    tiny_gan().fit(ring(512), batch_size=64, epochs=2, verbose=0, callbacks=[monitor])
    found = probes(tmp_path / "run")
    assert [record["step"] for record in found] == [7, 15]
    values = found[-1]["values"]
    assert values["modes_real"] == 8
    assert 0 < values["missing_share"] <= 1
    assert 0.5 <= values["separation"] <= 1
    assert {"d_score_real", "d_score_fake", "d_acc_real", "d_acc_fake"} <= values.keys()


def test_a_collapsed_generator_is_named_live_and_afterwards(tmp_path: Path) -> None:
    gan = tiny_gan()
    for variable in gan.generator.trainable_variables:
        variable.assign(0 * variable)
    gan.generator.trainable = False
    monitor = kc.CollapseMonitor(run_dir=tmp_path / "run", verbose=0)
    gan.fit(ring(512), batch_size=4, epochs=9, verbose=0, callbacks=[monitor])
    [found] = [f for f in monitor.verdict.findings if f.kind == "mode_collapse"]
    assert found.severity == "failed"
    assert found.evidence["duplicate_share"] == 1
    again = kc.diagnose(tmp_path / "run")
    assert [f for f in again.findings if f.kind == "mode_collapse"] == [found]


def test_samples_given_are_taken(tmp_path: Path) -> None:
    monitor = kc.CollapseMonitor(run_dir=tmp_path / "run", verbose=0, real=ring(256) + 5)
    tiny_gan().fit(ring(128), batch_size=64, verbose=0, callbacks=[monitor])
    assert probes(tmp_path / "run")[0]["values"]["precision"] == 0


def test_a_loop_is_probed_with_samples_given(tmp_path: Path) -> None:
    gan = tiny_gan()
    monitor = kc.CollapseMonitor(every=2, run_dir=tmp_path / "run", verbose=0, real=ring(64))
    with monitor.watching(generator=gan.generator, discriminator=gan.discriminator):
        for _ in range(4):
            monitor.update(d_loss=0.7, g_loss=0.7)
    assert [record["step"] for record in probes(tmp_path / "run")] == [1, 3]


def test_a_look_beyond_its_share_of_the_time_is_a_picture_only(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    gan = tiny_gan()
    looking = Prober(Networks(gan.generator, gan.discriminator, (4,)), ring(256))
    assert looking.look(0).probe is not None
    monkeypatch.setattr(prober, "SHARE", 1e-9)
    assert looking.look(1).probe is None
    assert looking.look(1).samples.shape == (32, 2)


def test_data_out_of_gs_reach_is_not_compared() -> None:
    g = keras.Sequential([keras.Input((4,)), keras.layers.Dense(2, activation="tanh")])
    looking = Prober(Networks(g, None, (4,)), 100 * ring(256))
    assert "out of reach of G's tanh" in looking.blind
    assert looking.look(0).probe is None


def test_a_generator_that_draws_nan_is_no_crash() -> None:
    gan = tiny_gan()
    for variable in gan.generator.trainable_variables:
        variable.assign(np.full(variable.shape, np.nan, "float32"))
    looking = Prober(Networks(gan.generator, gan.discriminator, (4,)), ring(256))
    found = looking.look(0).probe
    assert found is not None
    assert found.values["not_finite"] == prober.DRAWN
    assert "missing_share" not in found.values


def test_what_is_sampled_is_of_the_data_and_repeats() -> None:
    data = ring(512)
    labels = np.zeros(512)
    for given in (data, (data, labels), {"x": data}, [labels[:, None], data]):
        found = samples_of(given, (2,), 100, seed=1)
        assert found is not None
        assert found.shape == (100, 2)
        assert {row.tobytes() for row in found} <= {row.tobytes() for row in data}
        assert np.array_equal(found, samples_of(given, (2,), 100, seed=1))  # type: ignore[arg-type]


@pytest.mark.parametrize("data", [None, 3, "data", iter([ring(8)]), ring(8)[:, 0], [ring(8), None]])
def test_of_other_data_nothing_is_drawn(data: object) -> None:
    assert samples_of(data, (3,), 10, seed=0) is None


@pytest.mark.skipif(BACKEND != "tensorflow", reason="tf.data")
def test_a_tf_data_pipeline_is_read_at_its_source() -> None:
    import tensorflow as tf

    data = ring(512)
    pipeline = tf.data.Dataset.from_tensor_slices(data).shuffle(100).batch(64).prefetch(2)
    found = samples_of(pipeline.repeat(2), (2,), 100, seed=0)
    assert found is not None
    assert {row.tobytes() for row in found} <= {row.tobytes() for row in data}
    assert samples_of(pipeline.map(lambda x: 2 * x), (2,), 100, seed=0) is None


def test_separation_is_the_area_under_the_curve() -> None:
    real, fake = np.array([3.0, 2.0, 1.0]), np.array([2.5, 0.0])
    assert separation(real, fake) == pytest.approx(4 / 6)
    assert separation(fake, real) == pytest.approx(4 / 6)
    assert separation(real, real) == 0.5
