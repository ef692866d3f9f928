"""Reads a run from TensorBoard's event files."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from keras_collapse.core.errors import InputError
from keras_collapse.core.readings.signals import recognise_names
from keras_collapse.core.samples.probe import Probe
from keras_collapse.sources.past_run import LogRow, PastRun

EVENTS = "*tfevents*"
READINGS, SAMPLES = "readings/", "samples/"
"""Tag prefixes of our own `TensorBoardLogger`."""
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
    scalars: dict[str, dict[int, float]] = {}
    for file in event_files(path):
        # Keras writes the numbers of the validation data into this subfolder.
        if "validation" in file.relative_to(path).parts[:-1]:
            continue
        for event in EventFileLoader(str(file)).Load():
            for value in event.summary.value:
                number = _number(value)
                if number is not None:
                    scalars.setdefault(value.tag, {})[int(event.step)] = number
    return _run_of(path, scalars, signals)


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
    path: Path, scalars: Mapping[str, Mapping[int, float]], signals: Mapping[str, str] | None
) -> PastRun:
    """A run from scalars: tag to step to number."""
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
    table: dict[int, dict[str, float]] = {}
    for key in names.keys.values():
        for step, number in named[key].items():
            table.setdefault(step, {})[key] = number
    settings: dict[str, Any] = {"signals": dict(names.keys)}
    epoch_steps = 0
    if not per_epoch and epochs and any("batch_" in tag for tag in by_batch):
        epoch_steps = round(len(table) / max(len(scalars[tag]) for tag in epochs))
    rows = [
        LogRow(step, place // epoch_steps if epoch_steps else None, table[step])
        for place, step in enumerate(sorted(table))
    ]
    return PastRun(rows, per_epoch, settings)


def _run_of_readings(scalars: Mapping[str, Mapping[int, float]]) -> PastRun:
    """A run from the un-averaged readings and sample checks of our `TensorBoardLogger`."""

    def table(prefix: str) -> dict[int, dict[str, float]]:
        found: dict[int, dict[str, float]] = {}
        for tag, steps in scalars.items():
            if tag.startswith(prefix):
                for step, number in steps.items():
                    found.setdefault(step, {})[tag.removeprefix(prefix)] = number
        return dict(sorted(found.items()))

    rows = [LogRow(step, None, numbers) for step, numbers in table(READINGS).items()]
    probes = [Probe(step, numbers) for step, numbers in table(SAMPLES).items()]
    return PastRun(rows, settings={"averaging": "batch"}, probes=probes)


def _plain(tag: str) -> str:
    """Remove prefixes of folders and of Keras: ``"train/batch_d_loss"`` becomes ``"d_loss"``."""
    name = tag.rpartition("train/")[2]
    for prefix in PREFIXES:
        name = name.removeprefix(prefix)
    return name
