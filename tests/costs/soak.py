"""An hour of trainings with all outputs, whose memory must stay flat: ``make soak``.

    KERAS_BACKEND=torch python tests/costs/soak.py [--minutes 60] [--leak KIND] [--folder FOLDER]

For one half of the time short trainings follow each other in one process, for the other half there
is a single long one. Each has the monitor with ``keep_best``, the live panel, MLflow on a SQLite
store, and TensorBoard. What `Sample` holds is recorded in ``FOLDER/samples.jsonl``. After the first
tenth of each half nothing may grow by more than its limit. Exits with 1 and a line that says what
grew. ``--leak`` adds a fault of our own, which must be found.
"""

from __future__ import annotations

import argparse
import gc
import json
import os
import statistics
import sys
import tempfile
import threading
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import IO, Any

sys.path.insert(0, str(Path(__file__).parents[1]))

import keras
import psutil
from rich.console import Console
from tiny import ring, tiny_gan

import keras_collapse as kc

SHORT_EPOCHS, EPOCH_STEPS, BATCH = 4, 50, 32
SAMPLES = 100
"""Samples of the long training."""
LEAKS = ("memory", "threads", "files", "temporary", "folder")


@dataclass(frozen=True, slots=True)
class Sample:
    """What one process holds at one time.

    Args:
        rss: its resident memory, in MB.
        threads, files, processes: its threads, its open files, and its child processes.
        temporary: files in the folder for temporary ones.
        bytes_a_step: bytes that the run's folder has for each step since the sample before.
    """

    rss: float
    threads: float
    files: float
    processes: float
    temporary: float
    bytes_a_step: float


LIMITS = Sample(rss=10, threads=0.5, files=0.5, processes=0.5, temporary=0.5, bytes_a_step=20)
"""By how much each may grow."""


def grown(samples: Sequence[Sample]) -> dict[str, tuple[float, float]]:
    """The medians of the first and of the last third of the samples, without the first tenth.

    >>> flat = [Sample(500, 9, 20, 1, 0, 210.0)] * 30
    >>> grown(flat)["rss"]
    (500, 500)
    """
    rest = samples[len(samples) // 10 :]
    third = max(len(rest) // 3, 1)
    return {
        name: (
            statistics.median(getattr(one, name) for one in rest[:third]),
            statistics.median(getattr(one, name) for one in rest[-third:]),
        )
        for name in Sample.__slots__
    }


def what_grew(samples: Sequence[Sample]) -> list[str]:
    """What grew by more than its limit, in words."""
    return [
        f"{name} grew from {before:.1f} to {after:.1f}"
        for name, (before, after) in grown(samples).items()
        if after - before > getattr(LIMITS, name)
    ]


class Gauge:
    """Takes the samples of one half, and writes them to a file.

    Args:
        half: its name.
        temporary: the folder for temporary files.
        record: where the samples go, as lines of JSON.
    """

    def __init__(self, half: str, temporary: Path, record: IO[str]) -> None:
        self.samples: list[Sample] = []
        self.steps = 0
        self._half, self._temporary, self._record = half, temporary, record
        self._process = psutil.Process()
        self._size = self._counted = 0

    def begin_run(self) -> None:
        """Another run's folder, from here on."""
        self._size, self._counted = 0, self.steps

    def take(self, folder: Path) -> None:
        """Take a sample of the process and of the run's folder."""
        gc.collect()
        size = sum(one.stat().st_size for one in folder.rglob("*") if one.is_file())
        steps = max(self.steps - self._counted, 1)
        now = Sample(
            self._process.memory_info().rss / 1e6,
            self._process.num_threads(),
            self._process.num_fds(),
            len(self._process.children(recursive=True)),
            sum(1 for _ in self._temporary.rglob("*")),
            (size - self._size) / steps,
        )
        self._size, self._counted = size, self.steps
        self.samples.append(now)
        line = {"half": self._half, "steps": self.steps, **asdict(now)}
        self._record.write(json.dumps(line) + "\n")
        self._record.flush()


class Count(keras.callbacks.Callback):  # type: ignore[misc]  # Keras has no type hints
    """Counts steps, takes samples of a long training, and ends it."""

    def __init__(self, gauge: Gauge, folder: Path, seconds: float) -> None:
        super().__init__()
        self._gauge, self._folder = gauge, folder
        self._ends = time.monotonic() + seconds
        self._pause = seconds / SAMPLES
        self._next = time.monotonic() + self._pause

    def on_train_batch_end(self, batch: int, logs: Any = None) -> None:
        self._gauge.steps += 1

    def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
        now = time.monotonic()
        if now >= self._next:
            self._gauge.take(self._folder)
            self._next = time.monotonic() + self._pause
        self.model.stop_training = now >= self._ends


class Leak(keras.callbacks.Callback):  # type: ignore[misc]
    """Keeps something of each epoch: the fault that a self-test must find."""

    def __init__(self, kind: str, folder: Path, kept: list[Any]) -> None:
        super().__init__()
        self._kind, self._folder, self._kept = kind, folder, kept

    def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
        match self._kind:
            case "memory":
                self._kept.append(os.urandom(5_000_000))
            case "threads":
                thread = threading.Thread(target=threading.Event().wait, daemon=True)
                thread.start()
            case "files":
                self._kept.append(open(os.devnull))  # noqa: SIM115
            case "temporary":
                os.close(tempfile.mkstemp()[0])
            case "folder":
                self._kept.append(None)
                (self._folder / f"{epoch}.bin").write_bytes(bytes(20_000 * len(self._kept)))


def train(
    folder: Path, uri: str, epochs: int, gauge: Gauge, seconds: float, leaks: Sequence[Any]
) -> None:
    """One training with all outputs.

    Args:
        folder: its run's folder.
        uri: the MLflow store.
        epochs: its epochs at most.
        gauge: takes its samples.
        seconds: after which it ends.
        leaks: a kind of leak, and where it keeps things; or nothing.
    """
    gan = tiny_gan()
    with open(os.devnull, "w") as nowhere:
        panel = Console(file=nowhere, force_terminal=True, width=100, height=40)
        folder.mkdir(parents=True)
        callbacks = [
            kc.SeedControl(1, verbose=0),
            kc.CollapseMonitor(run_dir=folder, keep_best=True, verbose=0),
            kc.LiveMonitor(panel),
            kc.MLflowLogger(tracking_uri=uri),
            kc.TensorBoardLogger(folder.parent / "tensorboard"),
            Count(gauge, folder, seconds),
            *([Leak(leaks[0], folder, leaks[1])] if leaks else []),
        ]
        gan.fit(
            ring(BATCH * EPOCH_STEPS), batch_size=BATCH, epochs=epochs, verbose=0,
            callbacks=callbacks,
        )  # fmt: skip


def soak(seconds: float, leak: str | None, record: IO[str]) -> list[str]:
    """Train for so long; return what grew."""
    with tempfile.TemporaryDirectory() as place:
        here = Path(place)
        temporary = here / "temporary"
        temporary.mkdir()
        os.environ["TMPDIR"] = tempfile.tempdir = str(temporary)
        os.chdir(here)
        uri = f"sqlite:///{here}/mlflow.db"
        leaks = (leak, []) if leak else ()
        halves = {name: Gauge(name, temporary, record) for name in ("short", "long")}
        short, began, count = halves["short"], time.monotonic(), 0
        while time.monotonic() - began < seconds / 2:
            folder = here / "runs" / str(count)
            short.begin_run()
            train(folder, uri, SHORT_EPOCHS, short, 1e9, leaks)
            keras.backend.clear_session()
            short.take(folder)
            count += 1
        train(here / "runs" / "long", uri, 10**9, halves["long"], seconds / 2, leaks)
        tempfile.tempdir = None
        os.chdir("/")
    for name, gauge in halves.items():
        print(f"{name}: {len(gauge.samples)} samples, {gauge.steps:,} steps"
              + f", {count} trainings" * (name == "short"))  # fmt: skip
        for what, (before, after) in grown(gauge.samples).items():
            print(f"  {what:14}{before:10.1f} -> {after:8.1f}")
    return [f"{name}: {one}" for name, gauge in halves.items() for one in what_grew(gauge.samples)]


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--minutes", type=float, default=60)
    parser.add_argument("--leak", choices=LEAKS)
    parser.add_argument("--folder", type=Path, default=Path("build/soak"))
    given = parser.parse_args()
    given.folder.mkdir(parents=True, exist_ok=True)
    with (given.folder / "samples.jsonl").open("w") as record:
        found = soak(given.minutes * 60, given.leak, record)
    print("; ".join(found) or "nothing grew")
    return 1 if found else 0


if __name__ == "__main__":
    raise SystemExit(main())
