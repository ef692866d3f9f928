"""A run that has ended, as its log tells it, and the verdict on it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from keras_collapse.core.examiner import Examiner
from keras_collapse.core.findings import Finding, Verdict
from keras_collapse.core.readings.averaging import Averaging, batch_size_of
from keras_collapse.core.readings.log_reader import FLOAT32_ROUNDING, Reader
from keras_collapse.core.readings.reading import Reading
from keras_collapse.core.samples.probe import Probe

EPOCH_STEPS = 20
"""Training steps an epoch is taken to have at least, where a log has one row per epoch."""


@dataclass(frozen=True, slots=True)
class LogRow:
    """One line of a log: what `Reader.read` takes."""

    step: int
    epoch: int | None
    logs: Mapping[str, float]
    rounding: Mapping[str, float] | None = None


@dataclass(frozen=True, slots=True)
class PastRun:
    """A run that has ended, as its log tells it.

    Args:
        rows: its log, in order.
        per_epoch: one row an epoch, so a "step" is an epoch.
        settings: of the `Reader`, as the run itself had them.
        reports: findings that rest on no reading, as the run itself had them.
        probes: looks at its samples, in order.
        blind: why its samples were not compared with data; empty where they were.
        notes: what a person should know about the source, such as a line left out.
    """

    rows: Sequence[LogRow]
    per_epoch: bool = False
    settings: Mapping[str, Any] = field(default_factory=dict)
    reports: Sequence[Finding] = ()
    probes: Sequence[Probe] = ()
    blind: str = ""
    notes: Sequence[str] = field(default_factory=tuple)


def readings_of(run: PastRun) -> list[Reading]:
    """A past run's readings, averaging undone."""
    return [reading for _, readings in _read_rows(run, _reader(run)) for reading in readings]


def _reader(run: PastRun) -> Reader:
    return Reader(**run.settings, relative_rounding=FLOAT32_ROUNDING)


def _read_rows(run: PastRun, reader: Reader) -> Iterator[tuple[int, Sequence[Reading]]]:
    """Each row's step and the readings that it completes; at the end those still held back."""
    step = -1
    for row in run.rows:
        step = row.step
        yield step, reader.read(step, row.logs, row.epoch, row.rounding)
    yield step, reader.close()


def examine(run: PastRun) -> Verdict:
    """The verdict on a past run: the very way that live numbers go."""
    reader = _reader(run)
    examiner = Examiner(row_steps=EPOCH_STEPS if run.per_epoch else 1)
    examiner.blind = run.blind
    probes = list(run.probes)
    for step, readings in _read_rows(run, reader):
        for reading in readings:
            examiner.update(reading)
        while probes and probes[0].step <= step:
            examiner.look(probes.pop(0))
    for finding in (*reader.findings(), *run.reports):
        examiner.report(finding)
    averaging = reader.averaging
    if run.per_epoch and averaging == Averaging.BATCH:
        shares = [v for row in run.rows for k, v in row.logs.items() if "acc" in k.lower()]
        averaging = Averaging.LAST if batch_size_of(shares) else Averaging.EPOCH
    return examiner.verdict(averaging)
