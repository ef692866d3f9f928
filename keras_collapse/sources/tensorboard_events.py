"""Reads a run from TensorBoard's event files."""

from __future__ import annotations

from array import array
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np

from keras_collapse.core.atomic_files import open_regular
from keras_collapse.core.errors import InputError
from keras_collapse.core.readings.signals import recognise_names
from keras_collapse.core.samples.probe import Probe
from keras_collapse.sources.past_run import LogRow, PastRun

EVENTS = "*tfevents*"
READINGS, SAMPLES = "readings/", "samples/"
"""Tag prefixes of our own `TensorBoardLogger`."""
Scalars: TypeAlias = tuple[np.ndarray, np.ndarray]
"""Steps in order, without repetitions, and the number of each."""
PREFIXES = ("epoch_", "batch_", "evaluation_")
"""Tag prefixes of Keras' ``TensorBoard`` callback."""


def event_files(path: Path) -> list[Path]:
    """Return the event files in a folder and its subfolders; a file itself."""
    return sorted(path.rglob(EVENTS)) if path.is_dir() else [path]


def read_events(path: Path, signals: Mapping[str, str] | None) -> PastRun:
    """Read a GAN's scalars: those of batches if there are any, else those of epochs.

    Args:
        path: an event file, or a folder that contains some.
        signals: canonical signal to tag, for names that are not recognised.

    Raises:
        InputError: the ``tensorboard`` package is missing, or no scalar is a signal.
    """
    try:
        from tensorboard.backend.event_processing.event_file_loader import EventFileLoader
    except ImportError:
        raise InputError(
            "reading TensorBoard's event files needs the tensorboard package. Do: "
            "pip install 'keras-collapse[tensorboard]'"
        ) from None
    found: dict[str, tuple[array[int], array[float]]] = {}
    for file in event_files(path):
        # Keras writes the numbers of the validation data into this subfolder.
        if "validation" in file.relative_to(path).parts[:-1]:
            continue
        try:
            open_regular(file).close()
            for event in EventFileLoader(str(file)).Load():
                for value in event.summary.value:
                    number = _number(value)
                    if number is not None:
                        steps, numbers = found.setdefault(value.tag, (array("q"), array("d")))
                        steps.append(event.step)
                        numbers.append(number)
        except InputError:
            raise
        except Exception as error:  # of TensorBoard's and TensorFlow's many kinds
            reason = " ".join(str(error).split())[:200]
            raise InputError(
                f"cannot read {str(file)!r} ({type(error).__name__}: {reason}). Give an event "
                "file that is whole."
            ) from None
    return _run_of(path, {tag: _in_order(*both) for tag, both in found.items()}, signals)


def _in_order(steps: array[int], numbers: array[float]) -> Scalars:
    """Steps in order without repetitions: the number that came last counts."""
    backwards = np.asarray(steps)[::-1]
    unique, places = np.unique(backwards, return_index=True)
    return unique, np.asarray(numbers)[::-1][places]


def _number(value: Any) -> float | None:
    """A scalar of TensorBoard's first or second format; None for anything else."""
    if value.HasField("simple_value"):
        return float(value.simple_value)
    if value.HasField("tensor"):
        from tensorboard.util import tensor_util

        array = tensor_util.make_ndarray(value.tensor)
        if array.size == 1 and array.dtype.kind == "f":
            return float(array.reshape(-1)[0])
    return None


def _run_of(
    path: Path, scalars: Mapping[str, Scalars], signals: Mapping[str, str] | None
) -> PastRun:
    """A run from scalars by tag."""
    if any(tag.startswith(READINGS) for tag in scalars):
        return _run_of_readings(scalars)
    epochs = {tag for tag in scalars if tag.startswith("epoch_")}
    by_batch = {tag: steps for tag, steps in scalars.items() if tag not in epochs}
    named = {_plain(tag): steps for tag, steps in by_batch.items()}
    try:
        names, per_epoch = recognise_names(named, signals), False
    except InputError:
        if not epochs:
            if scalars:
                raise
            raise InputError(
                f"no scalars in {str(path)!r}. Give an event file, or a folder with some."
            ) from None
        named = {_plain(tag): scalars[tag] for tag in epochs}
        names, per_epoch = recognise_names(named, signals), True
    columns = {key: named[key] for key in names.keys.values()}
    steps = _steps_of(columns)
    epoch_steps = 0
    if not per_epoch and epochs and any("batch_" in tag for tag in by_batch):
        epoch_steps = round(len(steps) / max(len(scalars[tag][0]) for tag in epochs))
    settings: dict[str, Any] = {"signals": dict(names.keys)}
    rows = _Rows(steps, columns, epoch_steps)
    return PastRun(rows, list(columns), per_epoch, settings)


def _run_of_readings(scalars: Mapping[str, Scalars]) -> PastRun:
    """A run from the un-averaged readings and sample checks of our `TensorBoardLogger`."""

    def rows(prefix: str) -> _Rows:
        columns = {
            tag.removeprefix(prefix): both
            for tag, both in scalars.items()
            if tag.startswith(prefix)
        }
        return _Rows(_steps_of(columns), columns)

    readings = rows(READINGS)
    probes = [Probe(row.step, row.logs) for row in rows(SAMPLES)]
    names = list(readings.columns)
    return PastRun(readings, names, settings={"averaging": "batch"}, probes=probes)


def _steps_of(columns: Mapping[str, Scalars]) -> np.ndarray:
    """All steps of some columns, in order."""
    steps = [steps for steps, _ in columns.values()]
    return np.unique(np.concatenate(steps)) if steps else np.zeros(0, np.int64)


@dataclass(frozen=True, slots=True)
class _Rows:
    """A row for each step, with the numbers that each column has for it.

    Args:
        steps: all steps, in order.
        columns: log key to its steps and numbers.
        epoch_steps: rows of an epoch; 0 if unknown.
    """

    steps: np.ndarray
    columns: Mapping[str, Scalars]
    epoch_steps: int = 0

    def __iter__(self) -> Iterator[LogRow]:
        places = dict.fromkeys(self.columns, 0)
        for place, step in enumerate(self.steps):
            logs = {}
            for key, (steps, numbers) in self.columns.items():
                at = places[key]
                if at < len(steps) and steps[at] == step:
                    logs[key] = float(numbers[at])
                    places[key] += 1
            epoch = place // self.epoch_steps if self.epoch_steps else None
            yield LogRow(int(step), epoch, logs)


def _plain(tag: str) -> str:
    """Remove prefixes of folders and of Keras: ``"train/batch_d_loss"`` becomes ``"d_loss"``."""
    name = tag.rpartition("train/")[2]
    for prefix in PREFIXES:
        name = name.removeprefix(prefix)
    return name
