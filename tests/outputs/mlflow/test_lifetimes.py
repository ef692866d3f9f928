"""One logger, or one model, in several fits: each fit has its own run and its own end."""

from __future__ import annotations

import gc
import warnings
from pathlib import Path
from typing import Any

import keras
import mlflow
import pytest
from tiny import once, ring, tiny_gan

import keras_collapse as kc

pytestmark = [
    once,
    pytest.mark.filterwarnings("ignore::sqlalchemy.exc.SADeprecationWarning"),
]


class Fault(keras.callbacks.Callback):  # type: ignore[misc]
    def __init__(self, error: BaseException) -> None:
        super().__init__()
        self.error = error

    def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
        raise self.error


def fit(gan: keras.Model, *callbacks: Any) -> None:
    gan.fit(ring(64), batch_size=32, epochs=2, verbose=0, callbacks=list(callbacks))


def steps(store: mlflow.MlflowClient, run_id: str | None) -> list[int]:
    assert run_id is not None
    return [m.step for m in store.get_metric_history(run_id, "readings/d_loss")]


def test_two_fits_of_a_model_with_new_callbacks_are_two_runs(store: mlflow.MlflowClient) -> None:
    gan, run_ids = tiny_gan(), []
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        for _ in range(2):
            logger = kc.MLflowLogger()
            fit(gan, kc.CollapseMonitor(verbose=0), logger)
            run_ids.append(logger.run_id)
    assert {run.info.run_id for run in store.search_runs(["0"])} == set(run_ids)
    assert len(set(run_ids)) == 2
    for run_id in run_ids:
        assert steps(store, run_id) == [0, 1, 2, 3]
        assert store.get_run(run_id).info.status == "FINISHED"
    assert not [w for w in caught if "MLflow" in str(w.message)]


def test_one_logger_with_two_monitors_logs_two_runs(store: mlflow.MlflowClient) -> None:
    logger, run_ids = kc.MLflowLogger(), []
    for _ in range(2):
        fit(tiny_gan(), kc.CollapseMonitor(verbose=0), logger)
        run_ids.append(logger.run_id)
    assert len(set(run_ids)) == 2
    for run_id in run_ids:
        assert steps(store, run_id) == [0, 1, 2, 3]
        assert store.get_run(run_id).info.status == "FINISHED"


def test_one_logger_stays_with_the_users_active_run(store: mlflow.MlflowClient) -> None:
    logger = kc.MLflowLogger()
    with mlflow.start_run() as active:
        for _ in range(2):
            fit(tiny_gan(), kc.CollapseMonitor(verbose=0), logger)
            assert logger.run_id == active.info.run_id
        assert store.get_run(active.info.run_id).info.status == "RUNNING"
    fit(tiny_gan(), kc.CollapseMonitor(verbose=0), logger)
    assert logger.run_id != active.info.run_id
    assert len(store.search_runs(["0"])) == 2
    assert sorted(steps(store, active.info.run_id)) == [0, 0, 1, 1, 2, 2, 3, 3]


@pytest.mark.parametrize("same_monitor", [True, False])
def test_a_fit_that_failed_does_not_spoil_the_next_one(
    store: mlflow.MlflowClient, same_monitor: bool
) -> None:
    logger, monitor, gan = kc.MLflowLogger(), kc.CollapseMonitor(verbose=0), tiny_gan()
    with pytest.raises(ValueError, match="mine"):
        fit(gan, monitor, logger, Fault(ValueError("mine")))
    failed = logger._outbox
    assert failed is not None
    fit(gan, monitor if same_monitor else kc.CollapseMonitor(verbose=0), logger)
    last = logger.run_id
    del logger, monitor
    gc.collect()
    assert last is not None
    assert store.get_run(last).info.status == "FINISHED"
    if not same_monitor:
        first = store.get_run(failed.state["run_id"])
        assert first.info.status == "FAILED"
        assert first.data.tags["collapse.ended"] == "fit did not end"
    assert len(store.search_runs(["0"])) == (1 if same_monitor else 2)


def test_a_dropped_logger_ends_its_run_with_the_verdict_so_far(
    store: mlflow.MlflowClient, tmp_path: Path
) -> None:
    logger, monitor = kc.MLflowLogger(), kc.CollapseMonitor(verbose=0, run_dir=tmp_path / "run")
    gan = tiny_gan()
    with pytest.raises(ValueError, match="mine"):
        fit(gan, monitor, logger, Fault(ValueError("mine")))
    run_id = logger.run_id
    del logger, gan, monitor
    keras.backend.clear_session()
    gc.collect()
    (run,) = store.search_runs(["0"])
    assert run_id in (None, run.info.run_id)
    assert run.info.status == "FAILED"
    assert run.data.tags["collapse.verdict"] == "unknown"
    assert str(run.info.run_name).startswith("? unknown")
