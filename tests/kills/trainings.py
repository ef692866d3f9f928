"""``kill -9`` of trainings, in numbers: ``make kills``.

    KERAS_BACKEND=torch python tests/kills/trainings.py [--kills 50] [--seed 0]

Each training (a tiny GAN, the monitor, the MLflow logger on a SQLite store) is a process that is
killed at a random time, in the middle of whatever it does. Then ``sync`` is called, twice. It must
hold that

- the journal can be read, and lacks no step that was finished a second and a bit before the kill,
- MLflow has points up to the last step of the journal at least, and none twice,
- the run is KILLED and has the verdict that ``diagnose`` gives, and nothing waits any more.

Exits with 1 if anything of this does not hold.
"""

from __future__ import annotations

import multiprocessing
import os
import signal
import sys
import tempfile
import time
from collections import Counter
from multiprocessing.sharedctypes import Synchronized
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[1]))

import keras
import mlflow
from counts import options, told
from tiny import ring, tiny_gan

import keras_collapse as kc
from keras_collapse.core.errors import InputError
from keras_collapse.core.journal import FLUSH_SECONDS, BrokenLine, read_journal
from keras_collapse.core.records import StepLogs
from keras_collapse.outputs.mlflow.outbox import Outbox, outboxes
from keras_collapse.outputs.mlflow.sync import sync

LATEST = 4.0
"""Seconds after its first step at which a training is killed at the latest."""
BEGINNINGS = 5
"""Kills of which one may come before the first step."""
SLACK = 0.5
"""Seconds that a record may take to the disk on a busy machine, besides `FLUSH_SECONDS`."""
CONTEXT = multiprocessing.get_context("fork")


class Count(keras.callbacks.Callback):  # type: ignore[misc]
    """Tells the killer which steps were finished when."""

    def __init__(self, steps: Synchronized[int], times: Any) -> None:
        super().__init__()
        self._steps, self._times = steps, times

    def on_train_batch_end(self, batch: int, logs: Any = None) -> None:
        step = self._steps.value
        if step < len(self._times):
            self._times[step] = time.monotonic()
            self._steps.value = step + 1


def train(folder: Path, uri: str, steps: Synchronized[int], times: Any) -> None:
    os.setsid()
    logger = kc.MLflowLogger(tracking_uri=uri)
    monitor = kc.CollapseMonitor(run_dir=folder, verbose=0)
    tiny_gan().fit(ring(), batch_size=32, epochs=10_000, verbose=0,
                   callbacks=[monitor, logger, Count(steps, times)])  # fmt: skip


def kill_one(folder: Path, uri: str, after: float, from_begin: bool) -> Counter[str]:
    """Train, kill, sync; return what was counted, ``wrong: …`` for what must not be."""
    counted: Counter[str] = Counter({"kills": 1})
    steps, times = CONTEXT.Value("i", 0, lock=False), CONTEXT.Array("d", 100_000, lock=False)
    process = CONTEXT.Process(target=train, args=(folder, uri, steps, times))
    process.start()
    while not from_begin and steps.value == 0:
        time.sleep(0.01)
    time.sleep(after)
    killed = time.monotonic()
    os.kill(process.pid or 0, signal.SIGKILL)
    process.join()
    counted["steps"] += steps.value
    safe = sum(1 for i in range(steps.value) if times[i] < killed - FLUSH_SECONDS - SLACK)
    try:
        records = list(read_journal(folder))
    except InputError:
        counted["killed before the first record"] += 1
        if safe:
            counted["wrong: no journal"] += 1
        return counted
    logs = [record.step for record in records if isinstance(record, StepLogs)]
    counted["steps in journals"] += len(logs)
    counted["wrong: broken lines"] += sum(isinstance(one, BrokenLine) for one in records)
    counted["wrong: steps missing in a journal"] += max(safe - len(logs), 0)
    if logs != list(range(len(logs))):
        counted["wrong: steps of a journal out of order"] += 1
    return counted + _check_mlflow(folder, uri, logs)


def _check_mlflow(folder: Path, uri: str, logs: list[int]) -> Counter[str]:
    counted: Counter[str] = Counter()
    try:
        found = outboxes(folder)
    except InputError:
        counted["killed before anything was to be sent"] += 1
        return counted
    for _ in range(2):
        for line in sync(folder):
            counted["items sent by sync"] += int(line.split(": ")[1].split()[0])
    client = mlflow.MlflowClient(uri)
    for path in found:
        outbox = Outbox(path)
        counted["wrong: items still wait"] += outbox.waiting()
        run_id = outbox.state.get("run_id")
        if run_id is None:
            counted["wrong: no run"] += 1
            continue
        run = client.get_run(run_id)
        counted[f"runs {run.info.status}"] += 1
        if run.info.status != "KILLED":
            counted["wrong: status"] += 1
        points = [m.step for m in client.get_metric_history(run_id, "readings/d_loss")]
        counted["points in MLflow"] += len(points)
        counted["wrong: points twice"] += len(points) - len(set(points))
        if logs and (not points or max(points) < logs[-1]):
            counted["wrong: the last steps are not in MLflow"] += 1
        if logs and run.data.tags.get("collapse.verdict") != str(kc.diagnose(folder).status):
            counted["wrong: verdict"] += 1
    return counted


def main() -> int:
    kills, chance = options(__doc__)
    counted: Counter[str] = Counter()
    with tempfile.TemporaryDirectory() as temporary:
        os.chdir(temporary)
        uri = f"sqlite:///{temporary}/mlflow.db"
        mlflow.MlflowClient(uri).search_experiments()  # the store is made once
        mlflow.set_tracking_uri(uri)
        tiny_gan().fit(ring(64), batch_size=32, verbose=0)  # what is loaded late, once for all
        for number in range(kills):
            after, from_begin = chance.uniform(0.0, LATEST), number % BEGINNINGS == 0
            counted += kill_one(Path(temporary) / f"run-{number}", uri, after, from_begin)
            print(f"{number + 1} of {kills} killed", end="\r", flush=True)
    return told(counted)


if __name__ == "__main__":
    raise SystemExit(main())
