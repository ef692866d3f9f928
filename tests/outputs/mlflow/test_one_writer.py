"""Each fit has one writer, and one that ended well is never called FAILED."""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import Any

import keras
import mlflow
import pytest
from paths import remove
from tiny import once, ring, tiny_gan
from waiting import wait_until

import keras_collapse as kc
from keras_collapse.core.examiner import Examiner
from keras_collapse.core.journal import read_journal
from keras_collapse.core.records import StepLogs
from keras_collapse.outputs.mlflow.sync import sync
from keras_collapse.training.hooks.batches import BatchesSeen

pytestmark = [
    once,
    pytest.mark.filterwarnings("ignore::sqlalchemy.exc.SADeprecationWarning"),
]


def fit(*callbacks: Any, epochs: int = 3) -> list[warnings.WarningMessage]:
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        history = tiny_gan().fit(ring(64), batch_size=32, epochs=epochs, verbose=0,
                                 callbacks=list(callbacks))  # fmt: skip
    assert len(history.epoch) == epochs
    return caught


def steps(store: mlflow.MlflowClient, run_id: str | None) -> list[int]:
    assert run_id is not None
    return [m.step for m in store.get_metric_history(run_id, "readings/d_loss")]


def test_two_monitors_and_one_logger_log_each_reading_once(store: mlflow.MlflowClient) -> None:
    first, second, logger = kc.CollapseMonitor(), kc.CollapseMonitor(), kc.MLflowLogger()
    caught = fit(first, logger, second)
    assert len([w for w in caught if "two CollapseMonitors" in str(w.message)]) == 1
    assert steps(store, logger.run_id) == list(range(6))
    assert first.verdict.steps == second.verdict.steps == 6
    assert first.run_dir != second.run_dir
    run = store.get_run(str(logger.run_id))
    assert run.data.tags["collapse.run_dir"] == str(first.run_dir)


def test_a_monitor_that_is_twice_in_the_list_counts_each_step_once(
    store: mlflow.MlflowClient, capsys: pytest.CaptureFixture[str]
) -> None:
    monitor, logger = kc.CollapseMonitor(every=2), kc.MLflowLogger()
    fit(monitor, logger, monitor, logger)
    assert steps(store, logger.run_id) == list(range(6))
    assert monitor.verdict.steps == 6
    assert monitor.run_dir is not None
    records = list(read_journal(monitor.run_dir))
    assert [r.step for r in records if isinstance(r, StepLogs)] == list(range(6))
    kinds = [r.kind for r in records]
    assert (kinds.count("fit"), kinds.count("epoch"), kinds.count("end")) == (1, 3, 1)
    assert capsys.readouterr().out.count("this run in MLflow") <= 1


def test_a_monitor_that_switched_itself_off_does_not_fail_the_run(
    store: mlflow.MlflowClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: Any) -> None:
        raise RuntimeError("ours")

    monkeypatch.setattr(Examiner, "update", fail)
    logger, monitor = kc.MLflowLogger(), kc.CollapseMonitor(verbose=0)
    caught = fit(logger, monitor)
    assert any("switched itself off" in str(w.message) for w in caught)
    run = store.get_run(str(logger.run_id))
    assert run.info.status == "FINISHED"
    assert run.data.tags["collapse.verdict"] == "unknown"
    assert "switched itself off" in monitor.verdict.reason
    assert "collapse.ended" not in run.data.tags
    (line,) = sync(Path(str(monitor.run_dir)))
    assert ": 0 items" in line


class Deletes(keras.callbacks.Callback):  # type: ignore[misc]
    def __init__(self, monitor: kc.CollapseMonitor, logger: kc.MLflowLogger) -> None:
        super().__init__()
        self.monitor, self.logger = monitor, logger

    def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
        if epoch == 1:
            wait_until(lambda: self.logger.run_id is not None)
            remove(Path(str(self.monitor.run_dir)))


def test_a_deleted_folder_leaves_a_run_that_ended_as_its_fit_did(
    store: mlflow.MlflowClient,
) -> None:
    logger, monitor = kc.MLflowLogger(), kc.CollapseMonitor(verbose=0)
    fit(logger, monitor, Deletes(monitor, logger))
    assert logger._thread is not None
    logger._thread.join(120)
    run = store.get_run(str(logger.run_id))
    assert run.info.status == "FINISHED"
    assert "the log is incomplete" in run.data.tags["collapse.ended"]
    assert run.data.tags["collapse.verdict"] == "unknown"


class Panic(BaseException):
    """As libraries in Rust raise."""


@pytest.mark.parametrize("where", [(BatchesSeen, "_first"), (BatchesSeen, "_take")])
@pytest.mark.parametrize("error", [RuntimeError("ours"), Panic("ours")])
def test_an_error_at_the_sight_of_a_batch_does_not_reach_the_fit(
    monkeypatch: pytest.MonkeyPatch, where: tuple[type, str], error: BaseException
) -> None:
    seen, name = where
    original = seen.__init__  # type: ignore[misc]

    def init(self: Any, *arguments: Any) -> None:
        def fail(*_: Any) -> bool:
            raise error

        original(self, *arguments)
        setattr(self, name, fail)

    monkeypatch.setattr(seen, "__init__", init)
    monitor = kc.CollapseMonitor(verbose=0)
    caught = fit(monitor)
    assert len([w for w in caught if "The sight of batches" in str(w.message)]) == 1
    assert monitor.verdict.steps == 6


def test_an_error_when_an_output_takes_its_model_does_not_reach_the_fit(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def fail(*_: Any) -> None:
        raise RuntimeError("ours")

    monkeypatch.setattr(keras.callbacks.Callback, "set_model", fail)
    with pytest.warns(UserWarning, match="ours"):
        kc.LiveMonitor().set_model(object())


def test_a_folder_that_is_gone_when_the_fit_ends_leaves_a_finished_run(
    store: mlflow.MlflowClient,
) -> None:
    class Last(keras.callbacks.Callback):  # type: ignore[misc]
        def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
            if epoch == 2:
                remove(Path(str(monitor.run_dir)))

    logger, monitor = kc.MLflowLogger(), kc.CollapseMonitor(verbose=0)
    fit(logger, monitor, Last())
    for run in store.search_runs(["0"]):
        assert run.info.status == "FINISHED"
