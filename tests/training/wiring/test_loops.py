"""A watched loop: its own numbers, untouched training, everything that a fit gets."""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest
from mlflow import MlflowClient
from programs import BATCH, ONES, REAL, ZEROS, latents, networks, toggling
from tiny import slow_where_compiled

import keras_collapse as kc
from keras_collapse.core.journal import read_journal
from keras_collapse.core.readings.reading import Reading
from keras_collapse.outputs.subscriber import Subscriber

pytestmark = pytest.mark.backend()


class Ear(Subscriber):
    def __init__(self) -> None:
        super().__init__()
        self.readings: list[Reading] = []

    def on_reading(self, reading: Reading) -> None:
        self.readings.append(reading)


def quiet(**settings: Any) -> kc.CollapseMonitor:
    return kc.CollapseMonitor(verbose=0, **settings)


def steps(parts: tuple[Any, Any, Any], count: int) -> list[list[Any]]:
    """The loop itself, with the cure in it; what each call returned."""
    g, d, gan = parts
    flags = toggling(d)
    returned = []
    for _ in range(count):
        flags["before_d"]()
        on_real = d.train_on_batch(REAL, ONES)
        on_fake = d.train_on_batch(g.predict(latents(), verbose=0), ZEROS)
        flags["before_g"]()
        returned.append([on_real, on_fake, gan.train_on_batch(latents(), ONES)])
    return returned


def values(parts: tuple[Any, Any, Any]) -> list[np.ndarray]:
    kept = [v for m in parts for v in m.variables]
    return [np.array(keras.ops.convert_to_numpy(v.value)) for v in kept]


def test_readings_are_each_batchs_own_numbers() -> None:
    """Evaluated apart: without dropout a step's loss is what D says before that step."""
    kc.seed_everything(1)
    g, d, gan = parts = networks(metrics=["accuracy"])
    for layer in d.layers:
        if isinstance(layer, keras.layers.Dropout):
            layer.rate = 0.0
    ear, expected = Ear(), []
    with quiet().watching(generator=g, discriminator=d, combined=gan, callbacks=[ear]):
        for _ in range(6):
            score = keras.ops.convert_to_numpy(d(REAL, training=False))
            expected.append(float(-np.log(score).mean()))
            steps(parts, 1)
    got = [reading.values["d_loss_real"] for reading in ear.readings]
    assert np.allclose(got, expected, atol=1e-4)
    assert [reading.step for reading in ear.readings] == list(range(6))
    assert set(ear.readings[0].values) == {
        "d_loss", "d_loss_real", "d_loss_fake", "d_acc", "d_acc_real", "d_acc_fake",
        "g_loss", "g_acc",
    }  # fmt: skip
    last = ear.readings[-1]
    assert last.values["d_acc"] == pytest.approx(
        (last.values["d_acc_real"] + last.values["d_acc_fake"]) / 2
    )


@slow_where_compiled
def test_running_means_are_said_to_be_what_they_are() -> None:
    monitor = quiet()
    g, d, gan = parts = networks()
    with monitor.watching(generator=g, discriminator=d, combined=gan):
        steps(parts, 3)
    kinds = [finding.kind for finding in monitor.verdict.findings]
    old = tuple(map(int, keras.__version__.split(".")[:2])) < (3, 15)
    assert ("cumulative_metrics" in kinds) is old


@pytest.mark.usefixtures("as_users_compile")
def test_the_loop_is_trained_to_the_same_bits_and_sees_the_same_numbers() -> None:
    def train(watched: bool) -> tuple[list[Any], list[np.ndarray]]:
        kc.seed_everything(2)
        g, d, gan = parts = networks()
        if not watched:
            return steps(parts, 5), values(parts)
        with quiet(every=2).watching(generator=g, discriminator=d, combined=gan):
            returned = steps(parts, 5)
        return returned, values(parts)

    (bare_said, bare), (said, watched) = train(False), train(True)
    assert np.array_equal(np.array(bare_said, "float64"), np.array(said, "float64"))
    assert all(np.array_equal(a, b) for a, b in zip(bare, watched, strict=True))


@slow_where_compiled
def test_a_loop_gets_journal_seeds_and_mlflow(store: MlflowClient, tmp_path: Path) -> None:
    kc.seed_everything(4)
    g, d, gan = parts = networks()
    monitor, logger = quiet(run_dir=tmp_path / "run"), kc.MLflowLogger()
    callbacks = [kc.SeedControl(4, verbose=0), logger]
    with monitor.watching(generator=g, discriminator=d, combined=gan, callbacks=callbacks):
        steps(parts, 8)
    run = store.get_run(logger.run_id)
    assert run.info.status == "FINISHED"
    assert run.data.params["seed"] == "4"
    assert [m.step for m in store.get_metric_history(logger.run_id, "readings/g_loss")] == list(
        range(8)
    )
    assert run.data.tags["collapse.verdict"] == monitor.verdict.status
    assert kc.diagnose(tmp_path / "run") == monitor.verdict
    records = [record.kind for record in read_journal(tmp_path / "run")]
    assert records.count("logs") == 8
    assert records[-1] == "end"


def test_an_exception_leaves_the_models_as_they_were() -> None:
    g, d, gan = parts = networks()

    def train() -> None:
        with quiet().watching(generator=g, discriminator=d, combined=gan):
            steps(parts, 1)
            raise RuntimeError("mine")

    with pytest.raises(RuntimeError, match="mine"):
        train()
    assert "train_on_batch" not in vars(d)
    assert "train_on_batch" not in vars(gan)


def test_raise_leaves_the_loop_at_the_leaking_step() -> None:
    g, d, gan = networks()

    def train() -> None:
        with quiet(on_failure="raise").watching(generator=g, discriminator=d, combined=gan):
            for _ in range(3):
                d.train_on_batch(REAL, ONES)
                d.train_on_batch(g.predict(latents(), verbose=0), ZEROS)
                gan.train_on_batch(latents(), ONES)

    with pytest.raises(kc.CollapseError) as caught:
        train()
    assert caught.value.finding.kind == "discriminator_leak"
    assert caught.value.finding.first_step == 0


def test_update_takes_the_numbers_of_any_loop(tmp_path: Path) -> None:
    monitor = quiet(run_dir=tmp_path / "run")
    for _ in range(400):
        monitor.update(disc_loss=np.float32(0.73), d_real_acc=1.0, d_fake_acc=0.0)
    assert monitor.verdict.status == "failed"
    assert monitor.verdict.cause is not None
    assert monitor.verdict.cause.kind == "discriminator_pinned"
    monitor.on_train_end()
    assert kc.diagnose(tmp_path / "run") == monitor.verdict


def test_update_in_a_watched_loop_of_ones_own_steps() -> None:
    g, d, _ = networks()
    monitor = quiet()
    with monitor.watching(generator=g, discriminator=d):
        for _ in range(3):
            monitor.update(d_loss=0.69, g_loss=0.7)
    assert monitor.verdict.steps == 3


def test_names_that_nobody_knows_are_said_once() -> None:
    monitor = quiet()
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        for _ in range(30):
            monitor.update(alpha=BATCH, beta=2.0)
    assert len(caught) == 1
    assert "alpha" in str(caught[0].message)
