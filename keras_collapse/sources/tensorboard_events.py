"""TensorBoard's event files."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from keras_collapse.core.errors import InputError
from keras_collapse.core.readings.signals import recognise_names
from keras_collapse.core.samples.probe import Probe
from keras_collapse.sources.past_run import LogRow, PastRun

EVENTS = "*tfevents*"
OURS, SAMPLES = "readings/", "samples/"
PREFIXES = ("epoch_", "batch_", "evaluation_")


def event_files(path: Path) -> list[Path]:
    """The event files of a path: itself, or all below it."""
    return sorted(path.rglob(EVENTS)) if path.is_dir() else [path]


def read_events(path: Path, signals: Mapping[str, str] | None) -> PastRun:
    """The scalars of a GAN; those of batches where there are any, else those of epochs.

    Raises:
        InputError: the ``tensorboard`` package is missing, or there is no such scalar.
    """
    try:
        from tensorboard.backend.event_processing.event_file_loader import EventFileLoader
    except ImportError:
        raise InputError(
            "TensorBoard's files are read with its own package. Do: "
            "pip install 'keras-collapse[tensorboard]'"
        ) from None
    scalars: dict[str, dict[int, float]] = {}
    for file in event_files(path):
        if "validation" in file.relative_to(path).parts[:-1]:  # where Keras puts them
            continue
        for event in EventFileLoader(str(file)).Load():
            for value in event.summary.value:
                number = _number(value)
                if number is not None:
                    scalars.setdefault(value.tag, {})[int(event.step)] = number
    return _run_of(path, scalars, signals)


def _number(value: Any) -> float | None:
    """A scalar, in the form of either version; None where it is something else."""
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
    if any(tag.startswith(OURS) for tag in scalars):
        return _ours(scalars)
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
                f"no scalar in {str(path)!r}. Give a file of TensorBoard's, or a folder with some."
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
        # Keras' own callback: means since the epoch began.
        settings["hint"] = "epoch"
        epoch_steps = round(len(table) / max(len(scalars[tag]) for tag in epochs))
    rows = [
        LogRow(step, place // epoch_steps if epoch_steps else None, table[step])
        for place, step in enumerate(sorted(table))
    ]
    return PastRun(rows, per_epoch, settings)


def _ours(scalars: Mapping[str, Mapping[int, float]]) -> PastRun:
    """What our own `TensorBoardLogger` wrote: readings as they were judged, and looks."""

    def table(before: str) -> dict[int, dict[str, float]]:
        found: dict[int, dict[str, float]] = {}
        for tag, steps in scalars.items():
            if tag.startswith(before):
                for step, number in steps.items():
                    found.setdefault(step, {})[tag.removeprefix(before)] = number
        return dict(sorted(found.items()))

    rows = [LogRow(step, None, numbers) for step, numbers in table(OURS).items()]
    probes = [Probe(step, numbers) for step, numbers in table(SAMPLES).items()]
    return PastRun(rows, settings={"averaging": "batch"}, probes=probes)


def _plain(tag: str) -> str:
    """``"train/batch_d_loss"`` to ``"d_loss"``."""
    name = tag.rpartition("train/")[2]
    for prefix in PREFIXES:
        name = name.removeprefix(prefix)
    return name
