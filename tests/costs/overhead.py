"""What callbacks cost a ``fit``: ``make bench-overhead``.

    KERAS_BACKEND=jax python tests/costs/overhead.py [--seconds 330] [--rounds 30]

A round runs the same ``fit`` once with each of the callbacks, at two lengths, in random order, in
one process; a callback is used again in the next round. Records are kept in
``tests/costs/overhead/BACKEND.json``, so that a second call goes on where the first one stopped;
``overhead_page.py`` makes docs/benchmarks/overhead.md from them.

Callbacks that send from a thread are waited for, so that their CPU time counts in full; the wall
time is that of ``fit`` alone.
"""

from __future__ import annotations

import argparse
import contextlib
import gc
import importlib.util
import json
import os
import random
import resource
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[2] / "examples"))

import keras
import ring_gan
from overhead_page import BUSY, EPOCH_STEPS, FIRST, LENGTHS, LONGER_WAIT, RECORDS, WAIT, Record
from rich.console import Console

import keras_collapse as kc
from keras_collapse.outputs.mlflow import budget

BATCH = 128
STORE = "sqlite:///mlflow.db"
MLFLOW, MLFLOW_ASYNC, WANDB = "MlflowCallback", "MlflowCallback, async", "WandbMetricsLogger"
SLOW = (FIRST, MLFLOW, MLFLOW_ASYNC)
SLOW_EVERY = 4
"""Rounds of which one measures those that take seconds, too."""
WITH_MLFLOW = "monitor, MLflow"
DRAIN_SECONDS = 60.0
"""Longest wait for a thread that still sends after a fit."""


class Empty(keras.callbacks.Callback):
    """What any callback with a batch hook costs."""

    def on_train_batch_end(self, batch: int, logs: Any = None) -> None:
        pass


class Busy(Empty):
    """A known cost, of which the measurement must find what it is."""

    def __init__(self, seconds: float) -> None:
        super().__init__()
        self.seconds = seconds

    def on_train_batch_end(self, batch: int, logs: Any = None) -> None:
        until = time.thread_time() + self.seconds
        while time.thread_time() < until:
            pass


def monitor(folder: Path) -> kc.CollapseMonitor:
    return kc.CollapseMonitor(run_dir=folder / "run", verbose=0)


def readings_only(folder: Path) -> kc.CollapseMonitor:
    made = monitor(folder)
    made._session.check_samples = lambda step: None  # else there is one at each epoch's end
    return made


def panel(folder: Path) -> kc.LiveMonitor:
    terminal = (folder / "terminal").open("w")
    return kc.LiveMonitor(Console(file=terminal, force_terminal=True, width=120, height=40))


def mlflows_own(_: Path) -> Any:
    from mlflow.keras import MlflowCallback

    return MlflowCallback(log_every_epoch=False, log_every_n_steps=1)


def wandbs_own(_: Path) -> Any:
    import wandb
    from wandb.integration.keras import WandbMetricsLogger

    with wandb.init(mode="offline"):  # it has to be made within a run, and is used again in others
        return WandbMetricsLogger(log_freq=1)


MAKE: dict[str, Callable[[Path], list[Any]]] = {
    "nothing": lambda folder: [],
    "an empty callback": lambda folder: [Empty()],
    WAIT: lambda folder: [Busy(BUSY)],
    LONGER_WAIT: lambda folder: [Busy(2 * BUSY)],
    FIRST: lambda folder: [monitor(folder)],
    "monitor, readings": lambda folder: [readings_only(folder)],
    "monitor": lambda folder: [monitor(folder)],
    "monitor, panel": lambda folder: [monitor(folder), panel(folder)],
    WITH_MLFLOW: lambda folder: [monitor(folder), kc.MLflowLogger(tracking_uri=STORE)],
    "CSVLogger": lambda folder: [keras.callbacks.CSVLogger(folder / "log.csv")],
    "TensorBoard": lambda folder: [keras.callbacks.TensorBoard(folder / "tb", update_freq=1)],
    MLFLOW: lambda folder: [mlflows_own(folder)],
    MLFLOW_ASYNC: lambda folder: [mlflows_own(folder)],
    WANDB: lambda folder: [wandbs_own(folder)],
}


def variants() -> list[str]:
    """Return the names of those that can be measured here."""
    names = list(MAKE)
    if keras.backend.backend() != "tensorflow":
        names.remove("TensorBoard")
    for package, needing in (("mlflow", (MLFLOW, MLFLOW_ASYNC)), ("wandb", (WANDB,))):
        if importlib.util.find_spec(package) is None:
            names = [name for name in names if name not in needing]
    return names


@contextlib.contextmanager
def others_run(name: str) -> Iterator[None]:
    """An active run for MLflow's and Weights & Biases' callbacks; its start and end count too."""
    if name in (MLFLOW, MLFLOW_ASYNC):
        import mlflow

        mlflow.config.enable_async_logging(name == MLFLOW_ASYNC)
        mlflow.set_tracking_uri(STORE)
        with mlflow.start_run():
            yield
        mlflow.flush_async_logging()
        mlflow.config.enable_async_logging(False)
    elif name == WANDB:
        import wandb

        with wandb.init(mode="offline"):
            yield
    else:
        yield


def spent() -> tuple[float, float]:
    """Return CPU seconds of this thread, and of the process with its children."""
    children = resource.getrusage(resource.RUSAGE_CHILDREN)
    return time.thread_time(), time.process_time() + children.ru_utime + children.ru_stime


def measure(
    gan: Any, batches: dict[str, Any], name: str, epochs: int, callbacks: list[Any]
) -> Record:
    """Run one fit of the batches of `without_pauses`; return its seconds."""
    gc.collect()
    before, began = spent(), time.perf_counter()
    with others_run(name):
        gan.fit(**batches, epochs=epochs, shuffle=False, verbose=0, callbacks=callbacks)
        fitted = time.perf_counter() - began
    wall = time.perf_counter() - began if name in (MLFLOW, WANDB) else fitted
    main = time.thread_time() - before[0]
    for thread in threading.enumerate():
        if thread.name == "keras-collapse-mlflow":
            thread.join(DRAIN_SECONDS)
    return {
        "variant": name,
        "epochs": epochs,
        "wall": wall,
        "main": main,
        "all": spent()[1] - before[1],
    }


def without_pauses(data: Any, batch: int) -> dict[str, Any]:
    """Return the data as arguments of ``fit``.

    On TensorFlow they are a pipeline that is not tuned while it runs, since tuned ones pause now
    and then between epochs: see docs/reliability.md.
    """
    if keras.backend.backend() != "tensorflow":
        return {"x": data, "batch_size": batch}
    import tensorflow as tf

    options = tf.data.Options()
    options.autotune.enabled = False
    return {"x": tf.data.Dataset.from_tensor_slices(data).batch(batch).with_options(options)}


class Rounds:
    """The rounds of a bench, kept in a file, until there are enough or the time is over.

    Args:
        name: of the file of records.
        options: ``rounds`` and ``seconds``.
    """

    def __init__(self, name: str, options: argparse.Namespace) -> None:
        self._path, self._most = RECORDS / f"{name}.json", options.rounds
        self._until = time.monotonic() + options.seconds
        known = self._path.exists()
        self._rounds: list[list[Record]] = json.loads(self._path.read_text()) if known else []

    def __len__(self) -> int:
        return len(self._rounds)

    @property
    def go_on(self) -> bool:
        return len(self) < self._most and time.monotonic() < self._until

    def keep(self, records: list[Record]) -> None:
        """Add a round."""
        self._rounds.append(records)
        self._path.parent.mkdir(exist_ok=True)
        lines = ",\n".join(json.dumps(_short(one)) for one in self._rounds)
        self._path.write_text(f"[\n{lines}\n]\n")
        took = sum(record["wall"] for record in records)
        print(f"{len(self)} of {self._most} rounds, {took:.1f} s", flush=True)


def options_parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=330.0, help="stop after this time")
    parser.add_argument("--rounds", type=int, default=30)
    return parser


def main() -> None:
    rounds = Rounds(keras.backend.backend(), options_parser().parse_args())
    budget.LEAST_SECONDS = 0.0  # what is granted once to each run would pay for the whole fit
    keras.utils.set_random_seed(0)
    gan, _ = ring_gan.build(seed=0)
    points = without_pauses(ring_gan.draw(EPOCH_STEPS * BATCH), BATCH)
    every = [(name, n) for name in variants() for n in LENGTHS if name != FIRST or n == LENGTHS[0]]
    shuffle = random.Random(len(rounds)).shuffle
    callbacks: dict[str, list[Any]] = {}
    with tempfile.TemporaryDirectory() as temporary:
        os.chdir(temporary)
        os.environ["WANDB_SILENT"] = "true"
        warm = False
        while rounds.go_on:
            order = [one for one in every if one[0] not in SLOW or len(rounds) % SLOW_EVERY == 0]
            shuffle(order)
            records = []
            for name, epochs in order:
                if name not in callbacks or name == FIRST:
                    callbacks[name] = MAKE[name](Path(tempfile.mkdtemp(dir=temporary)))
                elif name == WITH_MLFLOW:  # else what is saved in other fits could be spent here
                    callbacks[name][1] = kc.MLflowLogger(tracking_uri=STORE)
                records.append(measure(gan, points, name, epochs, callbacks[name]))
            if warm:  # the first round compiles and imports
                rounds.keep(records)
            warm = True


def _short(records: list[Record]) -> list[Record]:
    """Round times to 10 µs."""
    return [{k: round(v, 5) if isinstance(v, float) else v for k, v in r.items()} for r in records]


if __name__ == "__main__":
    main()
