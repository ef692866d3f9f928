"""Sending to MLflow takes at most 2 % of a training, whatever the length of its steps."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import mlflow
import pytest
from tiny import once, ring, tiny_gan

import keras_collapse as kc
from keras_collapse.core.readings.reading import Reading
from keras_collapse.outputs.mlflow import budget as budget_module
from keras_collapse.outputs.mlflow.budget import (
    IMAGES_SHARE,
    LEAST_SECONDS,
    METRIC_SECONDS,
    METRICS_SHARE,
    TRIED,
    Budget,
    ReadingPoints,
    budgets,
)
from keras_collapse.outputs.mlflow.outbox import FOLDER, Outbox
from keras_collapse.outputs.mlflow.sender import Sender
from keras_collapse.sources import examine, read

SIGNALS = ("d_loss", "g_loss", "d_acc", "g_acc")
ROUND_SECONDS = 2.0


def train(
    step_seconds: float, seconds: float, metric_seconds: float, cpu: float = 1.0
) -> tuple[list[Reading], float]:
    """Pretend a training and a store; return the points sent, and the seconds this took."""
    now = [0.0, 0.0]
    budget = Budget(METRICS_SHARE, METRIC_SECONDS, TRIED, clock=lambda: (now[0], now[1]))
    points = ReadingPoints(budget)
    sent: list[Reading] = []
    waiting = 0
    took, step, next_round = 0.0, 0, ROUND_SECONDS
    while now[0] < seconds:
        now[0] += step_seconds
        now[1] += step_seconds * cpu
        values = dict.fromkeys(SIGNALS, float(step))
        if (point := points.add(Reading(step, 1, values))) is not None:
            sent.append(point)
            budget.put(len(point.values))
            waiting += len(point.values)
        step += 1
        if now[0] >= next_round:
            budget.sent(waiting, waiting * metric_seconds)
            took += waiting * metric_seconds
            waiting, next_round = 0, next_round + ROUND_SECONDS
    return sent, took


@pytest.mark.parametrize("step_seconds", [0.001, 0.01, 0.1])
@pytest.mark.parametrize("metric_seconds", [5e-5, 1e-4, 3e-4])
@pytest.mark.parametrize("cpu", [0.3, 1.0])
def test_the_budget_is_kept_and_used(
    step_seconds: float, metric_seconds: float, cpu: float
) -> None:
    seconds = 100.0
    _, took = train(step_seconds, seconds, metric_seconds, cpu)
    granted = METRICS_SHARE * max(seconds * cpu, LEAST_SECONDS)
    # That a store is dearer than expected shows once it has taken what is granted at once.
    dearer = max(metric_seconds / METRIC_SECONDS - 1, 0)
    assert took <= granted + dearer * METRICS_SHARE * LEAST_SECONDS
    everything = seconds / step_seconds * len(SIGNALS) * metric_seconds
    assert took >= 0.8 * min(everything, granted)


def test_slow_steps_are_all_sent_and_fast_ones_as_means_of_as_few_as_fit() -> None:
    slow, _ = train(0.1, 100.0, 1e-4)
    assert [point.step for point in slow] == list(range(len(slow)))
    fast, _ = train(0.001, 100.0, 1e-4)
    assert 20 < 100_000 / len(fast) < 40  # 0.4 ms a step, of which 15 µs are granted
    before = -1
    for point in fast:
        assert point.steps == point.step - before
        assert point.values["d_loss"] == pytest.approx((before + 1 + point.step) / 2)
        before = point.step


def test_pictures_have_a_budget_of_their_own() -> None:
    now = [0.0]
    budget = Budget(IMAGES_SHARE, 0.03, 1, clock=lambda: (now[0], now[0]))
    shown = 0
    for _ in range(1000):  # a sample check every tenth of a second
        now[0] += 0.1
        if budget.allows(1):
            shown += 1
            budget.put(1)
            budget.sent(1, 0.025)
    assert 15 <= shown <= IMAGES_SHARE * 100 / 0.025
    assert set(budgets()) == {"metrics", "image"}


def test_what_is_sent_is_measured(store: mlflow.MlflowClient, tmp_path: Path) -> None:
    run_id = store.create_run("0").info.run_id
    wanted = {"run_name": None, "resume": False, "token": "mine"}
    outbox = Outbox(tmp_path / FOLDER, run_id=run_id, own=True, began=0, wanted=wanted,
                    tracking_uri=mlflow.get_tracking_uri(), continues=False)  # fmt: skip
    budget = outbox.budgets["metrics"]
    for step in range(50):
        outbox.put("metrics", step=step, values=dict.fromkeys(SIGNALS, 1.0))
    assert budget._put == 200
    Sender(outbox).send()
    assert budget._sent == 200
    assert 0 < budget._spent < 5
    assert budget.cost == pytest.approx((budget._spent + TRIED * METRIC_SECONDS) / (200 + TRIED))


def test_a_run_of_means_is_assessed_by_all_of_its_steps(store: mlflow.MlflowClient) -> None:
    run_id = store.create_run("0").info.run_id
    for step in range(9, 1000, 10):
        for half, value in (("real", 1.0), ("fake", 0.0)):
            store.log_metric(run_id, f"readings/d_acc_{half}", value, step=step)
    found = examine(read(f"mlflow:{run_id}"))
    assert {reading.steps for reading in found.readings[1:]} == {10}
    assert found.verdict.status == "failed"
    assert found.verdict.cause is not None
    assert found.verdict.cause.evidence["steps"] > 900


@once
def test_what_did_not_fit_is_sent_at_the_end_as_one_mean(
    store: mlflow.MlflowClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(budget_module, "METRICS_SHARE", 0.0)
    seen: list[Any] = []
    monitor, logger = kc.CollapseMonitor(verbose=0), kc.MLflowLogger()
    logger_reading = logger.on_reading
    monkeypatch.setattr(logger, "on_reading", lambda r: (seen.append(r), logger_reading(r)))
    tiny_gan().fit(ring(256), batch_size=32, epochs=1, verbose=0, callbacks=[monitor, logger])
    assert len(seen) == 8
    assert logger.run_id is not None
    (point,) = store.get_metric_history(logger.run_id, "readings/d_loss")
    assert point.step == 7
    assert point.value == pytest.approx(sum(r.values["d_loss"] for r in seen) / 8)
