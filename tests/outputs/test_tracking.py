"""MLflow, on a real SQLite store: what a team sees of a run."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import keras
import mlflow
import numpy as np
import pytest
from mlflow import MlflowClient
from tiny import diverging_gan, ring, tiny_gan, weights

import keras_collapse as kc
from keras_collapse.core.signals import SIGNALS

pytestmark = pytest.mark.filterwarnings("ignore::sqlalchemy.exc.SADeprecationWarning")


def train(
    *extra: Any, epochs: int = 20, make: Callable[[], keras.Model] = tiny_gan
) -> tuple[kc.CollapseMonitor, str]:
    kc.seed_everything(8)
    gan = make()
    monitor, logger = kc.CollapseMonitor(verbose=0), kc.MLflowLogger()
    callbacks = [logger, *extra, monitor]  # the order in the list does not matter
    gan.fit(ring(), batch_size=32, epochs=epochs, verbose=0, callbacks=callbacks)
    return monitor, logger.run_id


def test_every_reading_is_a_metric_at_its_true_step(store: MlflowClient) -> None:
    monitor, run_id = train()
    history = store.get_metric_history(run_id, "d_loss")
    assert [m.step for m in history] == list(range(320))
    assert len({m.timestamp for m in history}) > 1
    metrics = set(store.get_run(run_id).data.metrics)
    assert {name for name in metrics if not name.startswith("samples/")} == set(SIGNALS)
    looks = store.get_metric_history(run_id, "samples/missing_share")
    assert looks[0].step == 15
    values = [m.value for m in history[:16]]
    assert np.std(values) > 0
    assert monitor.verdict.steps == 320


def test_verdict_and_cause_are_tags_and_the_description_says_why(store: MlflowClient) -> None:
    monitor, run_id = train(epochs=3, make=diverging_gan)
    run = store.get_run(run_id)
    assert monitor.verdict.cause is not None
    assert run.data.tags["collapse.verdict"] == "failed"
    assert run.data.tags["collapse.cause"] == "divergence"
    assert run.data.tags["collapse.first_step"] == str(monitor.verdict.cause.first_step)
    note = run.data.tags["mlflow.note.content"]
    assert monitor.verdict.cause.message in note
    assert "| signal |" in note
    assert run.info.status == "FINISHED"


def test_parameters_seed_and_versions(store: MlflowClient) -> None:
    _, run_id = train(kc.SeedControl(8, verbose=0), epochs=2)
    run = store.get_run(run_id)
    params = run.data.params
    assert params["seed"] == "8"
    assert params["backend"] == keras.backend.backend()
    assert params["version.keras"] == keras.__version__
    assert params["version.keras_collapse"] == kc.__version__
    assert params["epochs"] == "2"
    assert float(params["d_optimizer.learning_rate"]) == pytest.approx(1e-3)
    assert "NumPy" in run.data.tags["collapse.seed.enforced"]


def test_sample_grids_are_one_series_and_a_final_picture(store: MlflowClient) -> None:
    gan = tiny_gan()
    picture = [keras.layers.Dense(64), keras.layers.Reshape((8, 8, 1))]
    gan.generator = keras.Sequential([keras.Input((4,)), *picture], name="generator")
    gan.discriminator = keras.Sequential(
        [
            keras.Input((8, 8, 1)),
            keras.layers.Flatten(),
            keras.layers.Dense(1, activation="sigmoid"),
        ]
    )
    gan.compile(keras.optimizers.RMSprop(1e-3), keras.optimizers.RMSprop(1e-3))
    logger = kc.MLflowLogger()
    data = np.zeros((64, 8, 8, 1), np.float32)
    callbacks = [kc.CollapseMonitor(verbose=0), logger]
    gan.fit(data, batch_size=32, epochs=3, verbose=0, callbacks=callbacks)
    names = [f.path for f in store.list_artifacts(logger.run_id)]
    assert "samples.png" in names
    images = [f.path for f in store.list_artifacts(logger.run_id, "images")]
    steps = {int(re.findall(r"step\D(\d+)", name)[0]) for name in images}
    assert steps == {1, 3, 5}


def test_the_active_run_of_a_person_is_used_and_left_open(store: MlflowClient) -> None:
    with mlflow.start_run() as run:
        _, run_id = train(epochs=2)
        assert run_id == run.info.run_id
        assert mlflow.active_run() is not None
        assert store.get_run(run_id).info.status == "RUNNING"
    assert len(store.search_runs(["0"])) == 1
    assert store.get_run(run_id).info.status == "FINISHED"


def test_two_fits_of_a_monitor_are_one_run(store: MlflowClient) -> None:
    gan, monitor, logger = tiny_gan(), kc.CollapseMonitor(verbose=0), kc.MLflowLogger()
    for _ in range(2):
        gan.fit(ring(64), batch_size=32, epochs=2, verbose=0, callbacks=[monitor, logger])
    assert len(store.search_runs(["0"])) == 1
    history = store.get_metric_history(logger.run_id, "d_loss")
    assert [m.step for m in history] == list(range(8))


def test_an_experiment_can_be_named(store: MlflowClient) -> None:
    gan, logger = tiny_gan(), kc.MLflowLogger(experiment="camels", run_name="first")
    callbacks = [kc.CollapseMonitor(verbose=0), logger]
    gan.fit(ring(64), batch_size=32, verbose=0, callbacks=callbacks)
    experiment = store.get_experiment_by_name("camels")
    assert experiment is not None
    (run,) = store.search_runs([experiment.experiment_id])
    assert run.info.run_name == "first"


def test_a_store_that_fails_is_reported_once_and_costs_nothing_else(tmp_path: Path) -> None:
    def run(callbacks: list[Any]) -> list[np.ndarray]:
        kc.seed_everything(8)
        gan = tiny_gan()
        gan.fit(ring(), batch_size=32, epochs=2, verbose=0, callbacks=callbacks)
        return weights(gan)

    (tmp_path / "file").write_text("")
    broken = kc.MLflowLogger(tracking_uri=f"sqlite:///{tmp_path}/file/x.db")
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        watched = run([kc.CollapseMonitor(verbose=0), broken])
    said = [w for w in caught if "MLflowLogger has switched itself off" in str(w.message)]
    assert len(said) == 1
    bare = run([])
    assert all(np.array_equal(a, b) for a, b in zip(bare, watched, strict=True))


@pytest.mark.usefixtures("store")
def test_without_a_monitor_it_says_what_is_missing() -> None:
    gan = tiny_gan()
    with pytest.warns(UserWarning, match=r"Put a CollapseMonitor\(\)"):
        gan.fit(ring(64), batch_size=32, epochs=2, verbose=0, callbacks=[kc.MLflowLogger()])


ENDED = """
import os, signal, sys, warnings
sys.path.insert(0, {here!r})
warnings.simplefilter("ignore")
signal.signal(signal.SIGINT, signal.default_int_handler)  # ignored in a background job
import keras
from tiny import ring, tiny_gan
import keras_collapse as kc

class End(keras.callbacks.Callback):
    def on_epoch_end(self, epoch, logs=None):
        if epoch == 2:
            {how}

gan = tiny_gan()
gan.fit(ring(64), batch_size=32, epochs=9, verbose=0,
        callbacks=[kc.CollapseMonitor(verbose=0), kc.MLflowLogger(), End()])
"""


@pytest.mark.parametrize(
    ("how", "status", "said"),
    [
        ("raise ValueError('mine')", "FAILED", "ValueError: mine"),
        ("signal.raise_signal(signal.SIGINT)", "KILLED", "KeyboardInterrupt"),
    ],
)
def test_a_run_that_did_not_end_well_is_never_finished(
    store: MlflowClient, how: str, status: str, said: str
) -> None:
    program = ENDED.format(here=str(Path(__file__).parents[1]), how=how)
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=False,
        env=os.environ | {"MLFLOW_TRACKING_URI": mlflow.get_tracking_uri()},
    )  # fmt: skip
    assert done.returncode not in (0, -signal.SIGKILL)
    (run,) = store.search_runs(["0"])
    assert run.info.status == status, done.stderr
    assert said in run.data.tags["collapse.ended"]
