"""The probe in real fits: it finds the data, keeps to its time, and says what it saw."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest
from tiny import ring, slow_where_compiled, tiny_gan

import keras_collapse as kc
from keras_collapse.core.journal import read_journal
from keras_collapse.core.records import SamplesChecked, SamplesUnavailable
from keras_collapse.core.samples.diversity import Diversity, RealSample
from keras_collapse.training.networks.discovery import Networks
from keras_collapse.training.probe import prober
from keras_collapse.training.probe.pictures import BLUE, GREY, scatter
from keras_collapse.training.probe.prober import Prober, separation
from keras_collapse.training.probe.real_data import RealData, arrays_of, real_among

pytestmark = pytest.mark.backend()

BACKEND = keras.backend.backend()


def probes(folder: Path) -> list[dict[str, Any]]:
    return [record for record in read_journal(folder) if isinstance(record, SamplesChecked)]


@pytest.fixture(autouse=True)
def every_look(monkeypatch: pytest.MonkeyPatch) -> None:
    """These fits are shorter than the steps between two comparisons."""
    monkeypatch.setattr(prober, "APART", 1)


def test_a_fit_on_an_array_is_probed_without_set_up(tmp_path: Path) -> None:
    monitor = kc.CollapseMonitor(run_dir=tmp_path / "run", verbose=0)
    tiny_gan().fit(ring(512), batch_size=64, epochs=2, verbose=0, callbacks=[monitor])
    found = probes(tmp_path / "run")
    assert [record.step for record in found] == [7, 15]
    values = found[-1].values
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
    gan.fit(ring(512), batch_size=4, epochs=10, verbose=0, callbacks=[monitor])
    [found] = [f for f in monitor.verdict.findings if f.kind == "mode_collapse"]
    assert found.severity == "failed"
    assert found.evidence["duplicate_share"] == 1
    again = kc.diagnose(tmp_path / "run")
    assert [f for f in again.findings if f.kind == "mode_collapse"] == [found]


def test_samples_given_are_taken(tmp_path: Path) -> None:
    monitor = kc.CollapseMonitor(run_dir=tmp_path / "run", verbose=0, real=ring(256) + 5)
    tiny_gan().fit(ring(128), batch_size=64, verbose=0, callbacks=[monitor])
    assert probes(tmp_path / "run")[0].values["precision"] == 0


def test_a_loop_is_probed_with_samples_given(tmp_path: Path) -> None:
    gan = tiny_gan()
    monitor = kc.CollapseMonitor(every=2, run_dir=tmp_path / "run", verbose=0, real=ring(64))
    with monitor.watching(generator=gan.generator, discriminator=gan.discriminator):
        for _ in range(4):
            monitor.update(d_loss=0.7, g_loss=0.7)
    assert [record.step for record in probes(tmp_path / "run")] == [1, 3]


def test_what_is_compared_depends_on_the_steps_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(prober, "APART", 50)
    gan = tiny_gan()
    looking = Prober(Networks(gan.generator, gan.discriminator, (4,)), RealData(ring(256)))
    steps = (9, 19, 58, 59, 99, 130)
    looks = {step: looking.check(step) for step in steps}
    compared = [s for s, look in looks.items() if look and "missing_share" in look.probe.values]
    assert compared == [9, 59, 130]
    between = looks[19]
    assert between is not None
    assert between.samples.shape == (32, 2)
    assert {"fake", "not_finite", "change"} <= between.probe.values.keys()


def test_data_out_of_gs_reach_is_not_compared() -> None:
    g = keras.Sequential([keras.Input((4,)), keras.layers.Dense(2, activation="tanh")])
    looking = Prober(Networks(g, None, (4,)), RealData(100 * ring(256)))
    assert "which G's tanh cannot reach" in looking.unavailable_reason
    look = looking.check(0)
    assert look is not None
    assert look.probe.values["duplicate_share"] == 0  # what needs no data is measured
    assert "missing_share" not in look.probe.values


def test_a_generator_that_draws_nan_is_no_crash() -> None:
    gan = tiny_gan()
    for variable in gan.generator.trainable_variables:
        variable.assign(np.full(variable.shape, np.nan, "float32"))
    looking = Prober(Networks(gan.generator, gan.discriminator, (4,)), RealData(ring(256)))
    look = looking.check(0)
    assert look is not None
    found = look.probe
    assert found is not None
    assert found.values["not_finite"] == prober.DRAWN
    assert "missing_share" not in found.values


def sampled(data: object) -> np.ndarray | None:
    found = real_among(arrays_of(data), (2,), count=100)
    return None if found is None else found.samples


def test_what_is_sampled_is_of_the_data_and_repeats() -> None:
    data = ring(512)
    labels = np.zeros(512)
    for given in (data, (data, labels), {"x": data}, [labels[:, None], data]):
        found, again = sampled(given), sampled(given)
        assert found is not None
        assert again is not None
        assert found.shape == (100, 2)
        assert {row.tobytes() for row in found} <= {row.tobytes() for row in data}
        assert np.array_equal(found, again)


def test_what_is_sampled_of_sorted_data_is_mixed() -> None:
    data = np.arange(1000, dtype="float32")[:, None]
    found = real_among([data], (1,), count=400)
    assert found is not None
    assert abs(found.samples[:100].mean() - 500) < 150


@pytest.mark.parametrize("data", [None, 3, "data", iter([ring(8)]), ring(8)[:, 0], [ring(8), None]])
def test_of_other_data_nothing_is_drawn(data: object) -> None:
    assert real_among(arrays_of(data), (3,)) is None


@pytest.mark.backend("tensorflow")
def test_a_tf_data_pipeline_is_read_at_its_source() -> None:
    import tensorflow as tf

    data = ring(512)
    pipeline = tf.data.Dataset.from_tensor_slices(data).shuffle(100).batch(64).prefetch(2)
    found = sampled(pipeline.repeat(2))
    assert found is not None
    assert {row.tobytes() for row in found} <= {row.tobytes() for row in data}
    assert sampled(pipeline.map(lambda x: 2 * x)) is None


@pytest.mark.parametrize("shape", [(12, 2), (1, 8, 8), (3, 8, 8), (6,)])
def test_samples_of_any_shape_are_compared(shape: tuple[int, ...]) -> None:
    """Sequences, images with their channels first, vectors."""
    size = int(np.prod(shape))
    layers = [keras.Input((4,)), keras.layers.Dense(size), keras.layers.Reshape(shape)]
    if len(shape) == 2:
        layers.append(keras.layers.Conv1D(shape[-1], 3, padding="same"))
    g = keras.Sequential(layers)
    d = keras.Sequential([keras.Input(shape), keras.layers.Flatten(), keras.layers.Dense(1)])
    real = np.random.default_rng(0).normal(size=(256, *shape)).astype("float32")
    look = Prober(Networks(g, d, (4,)), RealData(real)).check(0)
    assert look is not None
    assert look.samples.shape == (32, *shape)
    assert look.probe is not None
    assert {"missing_share", "precision", "separation"} <= look.probe.values.keys()


def test_real_samples_of_another_shape_are_not_compared() -> None:
    gan = tiny_gan()
    looking = Prober(Networks(gan.generator, gan.discriminator, (4,)), RealData(np.zeros((64, 3))))
    assert "shape (3,) and G's (2,)" in looking.unavailable_reason


@slow_where_compiled
def test_why_samples_are_not_compared_is_said_once_and_stands_in_the_verdict(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    gan, monitor = tiny_gan(), kc.CollapseMonitor(run_dir=tmp_path / "run", real=ring(16))
    for _ in range(2):
        gan.fit(ring(512), batch_size=32, epochs=10, verbose=0, callbacks=[monitor])
    why = "too few real samples to compare with. Received: 16. Give at least 32"
    said = capsys.readouterr().out
    assert (
        said.count(f"keras-collapse: cannot compare samples with the training data: {why}.\n") == 1
    )
    assert monitor.verdict.status == "unknown"
    assert monitor.verdict.reason == (
        f"no failure found in 320 steps, but its samples were not compared with data: {why}"
    )
    assert kc.diagnose(tmp_path / "run") == monitor.verdict


def test_separation_is_the_area_under_the_curve() -> None:
    real, fake = np.array([3.0, 2.0, 1.0]), np.array([2.5, 0.0])
    assert separation(real, fake) == pytest.approx(4 / 6)
    assert separation(fake, real) == pytest.approx(4 / 6)
    assert separation(real, real) == 0.5


def test_points_of_the_plane_are_drawn_over_the_data(tmp_path: Path) -> None:
    monitor = kc.CollapseMonitor(run_dir=tmp_path / "run", verbose=0)
    tiny_gan().fit(ring(128), batch_size=64, verbose=0, callbacks=[monitor])
    assert (tmp_path / "run" / "samples.png").exists()
    points = np.array([[0.0, 0.0], [9.0, 9.0], [np.nan, 0.0]])
    picture = scatter(points, ring(256))
    assert picture is not None
    assert (picture == BLUE).all(axis=2).sum() == 25  # the one within the data's range
    assert (picture == GREY).all(axis=2).sum() > 500
    assert scatter(np.zeros((4, 3)), ring(8)) is None


@pytest.mark.parametrize("later", [False, True])
def test_samples_are_compared_by_the_features_given(tmp_path: Path, later: bool) -> None:
    seen = []

    def features(samples: np.ndarray) -> np.ndarray:
        seen.append(samples.shape)
        return np.stack([samples[:, 0], samples[:, 0] ** 2, samples[:, 1]], axis=1)

    given = None if later else features
    monitor = kc.CollapseMonitor(run_dir=tmp_path / "run", verbose=0, features=given)
    if later:  # as a triage's ``train`` may do
        monitor.features = features
    tiny_gan().fit(ring(512), batch_size=64, epochs=1, verbose=0, callbacks=[monitor])
    assert seen == [(512, 2), (256, 2)]
    assert "missing_share" in probes(tmp_path / "run")[0].values


def test_features_that_are_no_numbers_cost_the_comparison_only(tmp_path: Path) -> None:
    monitor = kc.CollapseMonitor(run_dir=tmp_path / "run", verbose=0, features=lambda x: x[0])
    tiny_gan().fit(ring(512), batch_size=64, epochs=1, verbose=0, callbacks=[monitor])
    records = read_journal(tmp_path / "run")
    [reason] = [r.reason for r in records if isinstance(r, SamplesUnavailable)]
    assert "what features() returns must be numbers" in reason


@slow_where_compiled
def test_a_slow_machine_checks_the_same_samples_at_the_same_steps(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    compare = RealSample.compare

    def slowly(self: RealSample, fake: np.ndarray) -> Diversity:
        time.sleep(0.1)
        return compare(self, fake)

    found = []
    for name in ("idle", "busy"):
        if name == "busy":
            monkeypatch.setattr(RealSample, "compare", slowly)
        kc.seed_everything(3)
        monitor = kc.CollapseMonitor(run_dir=tmp_path / name, verbose=0)
        tiny_gan().fit(ring(512), batch_size=64, epochs=6, verbose=0, callbacks=[monitor])
        found.append([(one.step, one.values) for one in probes(tmp_path / name)])
    assert len(found[0]) == 6
    assert found[0] == found[1]
