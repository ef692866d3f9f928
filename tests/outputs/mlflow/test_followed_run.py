"""A run with both our readings and autologging's epochs, whose names differ only by a prefix."""

from __future__ import annotations

import mlflow
import pytest

from keras_collapse.core.errors import InputError
from keras_collapse.outputs.followers import mlflow as follower_module
from keras_collapse.outputs.followers.mlflow import MLflowFollower
from keras_collapse.outputs.mlflow.mlflow_internals import latest_metrics
from keras_collapse.outputs.run_state import RunState
from keras_collapse.sources import examine, read

OURS, AUTOLOG = 0.5, 9.0


@pytest.fixture
def run_id(store: mlflow.MlflowClient) -> str:
    found = store.create_run("0").info.run_id
    for epoch in range(3):
        store.log_metric(found, "d_loss", AUTOLOG, step=epoch)
    for step in range(48):
        store.log_metric(found, "readings/d_loss", OURS, step=step)
    return found


def test_it_is_followed_by_our_readings(
    store: mlflow.MlflowClient, run_id: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(follower_module, "ASK_SECONDS", 0.0)
    state = RunState()
    follower = MLflowFollower(run_id, None, state)
    follower.read()
    assert state.step == 47
    store.log_metric(run_id, "readings/d_loss", OURS, step=48)
    store.log_metric(run_id, "d_loss", AUTOLOG, step=100)
    follower.read()
    assert state.step == 48
    assert set(state.curves["d_loss"].values) == {OURS}


def test_it_is_diagnosed_by_our_readings(run_id: str) -> None:
    readings = examine(read(f"mlflow:{run_id}")).readings
    assert [reading.step for reading in readings] == list(range(48))
    assert {reading.values["d_loss"] for reading in readings} == {OURS}


def test_the_latest_metrics_are_found_without_mlflows_private_attribute(
    store: mlflow.MlflowClient, run_id: str
) -> None:
    run = store.get_run(run_id)
    known = {(m.key, m.step, m.value) for m in latest_metrics(store, run)}
    assert known == {("d_loss", 2, AUTOLOG), ("readings/d_loss", 47, OURS)}
    del run.data._metric_objs
    assert {(m.key, m.step, m.value) for m in latest_metrics(store, run)} == known


def test_a_password_in_an_error_of_mlflow_is_not_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(uri: str) -> None:
        raise mlflow.MlflowException(f"cannot reach {uri}")

    monkeypatch.setattr(mlflow, "MlflowClient", fail)
    with pytest.raises(InputError, match=r"postgresql://\*\*\*@db/mlflow") as error:
        read("mlflow:a1b2", tracking_uri="postgresql://me:hunter2@db/mlflow")
    assert "hunter2" not in str(error.value)
