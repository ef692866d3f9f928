"""MLflow, on a real SQLite store: what a team sees of a run."""

from __future__ import annotations

import csv
import io
import re
import shutil
import subprocess
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import keras
import mlflow
import numpy as np
import pytest
from mlflow import MlflowClient
from tiny import diverging_gan, once, ring, slow_where_compiled, tiny_gan, weights

import keras_collapse as kc
from keras_collapse.core.errors import InputError
from keras_collapse.core.readings.signals import SIGNALS
from keras_collapse.outputs.mlflow import sender_thread
from keras_collapse.outputs.mlflow.outbox import FOLDER, Outbox
from keras_collapse.outputs.mlflow.sync import sync
from keras_collapse.outputs.terminal.watch import watched_mlflow_run

pytestmark = [
    pytest.mark.backend(),
    pytest.mark.filterwarnings("ignore::sqlalchemy.exc.SADeprecationWarning"),
]


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
    monitor, run_id = train(epochs=10)
    history = store.get_metric_history(run_id, "readings/d_loss")
    assert [m.step for m in history] == list(range(160))
    assert len({m.timestamp for m in history}) > 1
    metrics = set(store.get_run(run_id).data.metrics)
    rates = {f"training/{name}.learning_rate" for name in ("optimizer", "d_optimizer")}
    own = {name for name in metrics if not name.startswith(("samples/", "system/"))}
    readings = {f"readings/{signal}" for signal in SIGNALS}
    assert own == {*readings, *rates, "training/epoch", "collapse.severity"}
    rates_seen = store.get_metric_history(run_id, "training/d_optimizer.learning_rate")
    assert [m.step for m in rates_seen] == list(range(15, 160, 16))
    checks = store.get_metric_history(run_id, "samples/missing_share")
    assert checks[0].step == 15
    values = [m.value for m in history[:16]]
    assert np.std(values) > 0
    assert monitor.verdict.steps == 160


@slow_where_compiled
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
    # What a run table can be sorted by, and a name that says it.
    assert run.data.metrics["collapse.severity"] == 3
    assert run.data.metrics["collapse.first_step"] == monitor.verdict.cause.first_step
    assert str(run.info.run_name).startswith("✘ divergence")


@slow_where_compiled
def test_parameters_seed_and_versions(store: MlflowClient) -> None:
    user = ("-c", "user.name=me", "-c", "user.email=me@example.org")
    subprocess.run(["git", "init", "-q"], check=True)
    subprocess.run(["git", *user, "commit", "-q", "--allow-empty", "-m", "x"], check=True)
    _, run_id = train(kc.SeedControl(8, verbose=0), epochs=2)
    run = store.get_run(run_id)
    params = run.data.params
    assert params["seed"] == "8"
    assert params["backend"] == keras.backend.backend()
    assert params["version.keras"] == keras.__version__
    assert params["version.keras_collapse"] == kc.__version__
    assert params["epochs"] == "2"
    assert float(params["d_optimizer.learning_rate"]) == pytest.approx(1e-3)
    assert "NumPy" in params["seed.enforced"]
    assert run.data.tags["collapse.run_dir"].startswith("collapse_runs")
    assert params["batch_size"] == "32"
    assert params["discriminator.dropout"] == "0.3"
    assert params["generator.layers"].startswith("Dense 16, BatchNormalization")
    assert params["model.latent_dim"] == "4"
    assert len(run.data.tags["mlflow.source.git.commit"]) == 40
    (data,) = run.inputs.dataset_inputs
    assert data.dataset.digest == params["data.digest"]
    files = {file.path for file in store.list_artifacts(run_id)}
    assert {"journal.jsonl", "model"} <= files
    summary = mlflow.artifacts.load_text(f"runs:/{run_id}/model/generator.txt")
    assert "Total params: 178" in summary


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
    assert {"samples.png", "samples_start.png"} <= set(names)
    note = store.get_run(logger.run_id).data.tags["mlflow.note.content"]
    verdict, _, titles, _, shown, *_ = note.splitlines()
    assert verdict.startswith("**UNKNOWN")
    assert titles == "| first samples | latest samples |"
    for name in ("samples_start.png", "samples.png"):
        assert f"![](get-artifact?path={name}&run_uuid={logger.run_id})" in shown
    images = [f.path for f in store.list_artifacts(logger.run_id, "images")]
    steps = {int(re.findall(r"step\D(\d+)", name)[0]) for name in images}
    assert steps == {1, 3, 5}


def test_the_active_run_of_a_person_is_used_and_left_open(store: MlflowClient) -> None:
    with mlflow.start_run(), mlflow.start_run(nested=True) as run:
        _, run_id = train(epochs=2)
        assert run_id == run.info.run_id
        assert mlflow.active_run() is not None
        assert store.get_run(run_id).info.status == "RUNNING"
    assert len(store.search_runs(["0"])) == 2
    assert store.get_run(run_id).info.status == "FINISHED"


@once
def test_a_name_that_was_given_stays_with_a_symbol_where_something_was_found(
    store: MlflowClient,
) -> None:
    for make, name in ((tiny_gan, "mine"), (diverging_gan, "✘ mine")):
        logger = kc.MLflowLogger(run_name="mine")
        callbacks = [kc.CollapseMonitor(verbose=0), logger]
        make().fit(ring(64), batch_size=32, epochs=9, verbose=0, callbacks=callbacks)
        assert logger.run_id is not None
        run = store.get_run(logger.run_id)
        assert run.info.run_name == name
        assert 0 < run.info.end_time - run.info.start_time < 60_000


@slow_where_compiled
def test_two_fits_of_a_monitor_are_one_run(store: MlflowClient) -> None:
    gan, monitor, logger = tiny_gan(), kc.CollapseMonitor(verbose=0), kc.MLflowLogger()
    for _ in range(2):
        gan.fit(ring(64), batch_size=32, epochs=2, verbose=0, callbacks=[monitor, logger])
    assert len(store.search_runs(["0"])) == 1
    history = store.get_metric_history(logger.run_id, "readings/d_loss")
    assert [m.step for m in history] == list(range(8))


@once
def test_a_run_can_be_watched_from_the_tracking_server(store: MlflowClient) -> None:
    monitor, run_id = train(epochs=5)
    found = watched_mlflow_run(run_id, None)
    found.read()
    assert found.over
    assert found.state.step == 79
    assert found.state.status[0] == monitor.verdict.status
    assert len(found.state.curves["d_loss"].values) == 80
    assert found.state.curves["missing_share"].values
    store.set_terminated(run_id, "KILLED")
    killed = watched_mlflow_run(run_id, None)
    killed.read()
    assert "KILLED" in killed.line


@once
def test_a_run_that_no_server_knows_cannot_be_watched(store: MlflowClient) -> None:  # noqa: ARG001
    with pytest.raises(InputError, match="cannot read run 'nobody'"):
        watched_mlflow_run("nobody", None)


@once
def test_an_experiment_is_created_for_model_training_and_a_users_is_left_alone(
    store: MlflowClient,
) -> None:
    store.create_experiment("mine", tags={"team": "vision"})
    kind = {"mlflow.experimentKind": "custom_model_development"}
    for name, tags in (("camels", kind), ("mine", {"team": "vision"})):
        logger = kc.MLflowLogger(experiment=name, run_name="first")
        callbacks = [kc.CollapseMonitor(verbose=0), logger]
        tiny_gan().fit(ring(64), batch_size=32, verbose=0, callbacks=callbacks)
        experiment = store.get_experiment_by_name(name)
        assert experiment is not None
        (run,) = store.search_runs([experiment.experiment_id])
        assert run.info.run_name == "first"
        known = {k: v for k, v in experiment.tags.items() if k in ("team", *kind)}
        assert known == tags


@once
def test_a_sample_check_has_eight_charts_and_all_its_statistics_in_an_artifact(
    store: MlflowClient,
) -> None:
    _, run_id = train(epochs=3)
    run = store.get_run(run_id)
    charts = {name for name in run.data.metrics if name.startswith("samples/")}
    assert 0 < len(charts) <= 8
    text = mlflow.artifacts.load_text(f"{run.info.artifact_uri}/sample_checks.csv")
    rows = list(csv.DictReader(io.StringIO(text)))
    assert rows[0]["step"] == "15"
    assert len(rows[0]) > 20
    for name in charts:
        history = store.get_metric_history(run_id, name)
        compared = [row for row in rows if row[name.removeprefix("samples/")]]  # time allowing
        assert [m.step for m in history] == [int(row["step"]) for row in compared]
        values = [float(row[name.removeprefix("samples/")]) for row in compared]
        assert [m.value for m in history] == pytest.approx(values)


@once
def test_a_store_that_fails_costs_nothing_and_what_it_missed_can_be_sent_later(
    prepared_store: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(sender_thread, "AGAIN_SECONDS", (300.0, 300.0))

    def run(callbacks: list[Any]) -> list[np.ndarray]:
        kc.seed_everything(8)
        gan = tiny_gan()
        gan.fit(ring(), batch_size=32, epochs=2, verbose=0, callbacks=callbacks)
        return weights(gan)

    uri = f"sqlite:///{tmp_path}/later/mlflow.db"
    logger = kc.MLflowLogger(tracking_uri=uri)
    monitor = kc.CollapseMonitor(verbose=0)
    (tmp_path / "later").write_text("no folder yet")
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        watched = run([monitor, logger])
    assert len([w for w in caught if "MLflow does not answer" in str(w.message)]) == 1
    assert all(np.array_equal(a, b) for a, b in zip(run([]), watched, strict=True))
    assert f"keras-collapse sync {monitor.run_dir}" in capsys.readouterr().out

    (tmp_path / "later").unlink()
    (tmp_path / "later").mkdir()
    shutil.copy(prepared_store, tmp_path / "later" / "mlflow.db")
    assert monitor.run_dir is not None
    (line,) = sync(monitor.run_dir)
    assert "its training is running" in line
    Outbox(monitor.run_dir / FOLDER).release()  # as if it had ended
    (line,) = sync(monitor.run_dir)
    assert "items sent" in line
    store = mlflow.MlflowClient(uri)
    (found,) = store.search_runs(["0"])
    assert found.info.status == "FINISHED"
    assert [m.step for m in store.get_metric_history(found.info.run_id, "readings/d_loss")] == [
        *range(32)
    ]
    (line,) = sync(monitor.run_dir)
    assert " 0 items" in line


@once
@pytest.mark.parametrize("given", ["id", "name"])
def test_a_training_that_is_started_again_goes_on_in_its_run(
    store: MlflowClient, tmp_path: Path, given: str
) -> None:
    def part(folder: str, epochs: int, first: int, **arguments: Any) -> kc.MLflowLogger:
        gan, logger = tiny_gan(), kc.MLflowLogger(run_name="mine", **arguments)
        monitor = kc.CollapseMonitor(run_dir=tmp_path / folder, verbose=0)
        gan.fit(ring(64), batch_size=32, epochs=epochs, initial_epoch=first, verbose=0,
                callbacks=[monitor, logger])  # fmt: skip
        return logger

    before = part("first", 3, 0)
    assert before.run_id is not None
    store.set_terminated(before.run_id, "KILLED")
    # Its last checkpoint was of the end of the second epoch, so the third is trained once more.
    more: Any = {"run_id": before.run_id} if given == "id" else {"resume": True}
    after = part("second", 5, 2, **more)
    assert after.run_id == before.run_id
    history = store.get_metric_history(before.run_id, "readings/d_loss")
    assert [m.step for m in history] == list(range(10))
    assert store.get_run(before.run_id).info.status == "FINISHED"


@slow_where_compiled
def test_with_autologging_no_name_is_used_twice(store: MlflowClient) -> None:
    mlflow.keras.autolog(log_models=False)
    try:
        _, run_id = train(epochs=3)
    finally:
        mlflow.keras.autolog(disable=True)
    (run,) = store.search_runs(["0"])
    assert run.info.run_id == run_id
    assert run.info.status == "FINISHED"
    assert [m.step for m in store.get_metric_history(run_id, "d_loss")] == [0, 1, 2]
    ours = store.get_metric_history(run_id, "readings/d_loss")
    assert [m.step for m in ours] == list(range(48))


@pytest.mark.usefixtures("store")
def test_without_a_monitor_it_says_what_is_missing() -> None:
    gan = tiny_gan()
    with pytest.warns(UserWarning, match=r"Put a CollapseMonitor\(\)"):
        gan.fit(ring(64), batch_size=32, epochs=2, verbose=0, callbacks=[kc.MLflowLogger()])
