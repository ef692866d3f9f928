"""The end of a training waits 2 seconds for MLflow; a process of its own sends the rest."""

from __future__ import annotations

import os
import sqlite3
import subprocess
import sys
from pathlib import Path

import mlflow
import pytest
from mlflow import MlflowClient
from waiting import wait_until

pytestmark = pytest.mark.filterwarnings("ignore::sqlalchemy.exc.SADeprecationWarning")

TRAINING = """
import sys, time
sys.path.insert(0, {here!r})
from pathlib import Path
from test_resumed_runs import *
import mlflow
from keras_collapse.outputs.mlflow.sender_thread import SenderThread
outbox = outbox_of(Path("run"), "first")
thread = SenderThread(outbox)
thread.start()
train(outbox, 0, 19)
put_end(outbox, Path("run"), "FINISHED")
began = time.monotonic()
print(thread.finish())
print(time.monotonic() - began, flush=True)
"""


def test_what_a_locked_store_did_not_take_arrives_after_the_end_of_the_process(
    store: MlflowClient, tmp_path: Path
) -> None:
    lock = sqlite3.connect(tmp_path / "mlflow.db")
    lock.execute("BEGIN EXCLUSIVE")
    done = subprocess.run(
        [sys.executable, "-c", TRAINING.format(here=str(Path(__file__).parent))],
        env=os.environ | {"MLFLOW_TRACKING_URI": mlflow.get_tracking_uri()},
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    lock.rollback()
    lock.close()
    finished, took = done.stdout.split()
    assert finished == "False"
    assert 1.5 < float(took) < 15  # the lock is held for longer
    wait_until(lambda: [run.info.status for run in store.search_runs(["0"])] == ["FINISHED"])
    (run,) = store.search_runs(["0"])
    history = store.get_metric_history(run.info.run_id, "readings/d_loss")
    assert [m.step for m in history] == list(range(20))
