"""A past run as read from its log, and the verdict on it."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from keras_collapse.core.advice import Setting
from keras_collapse.core.errors import InputError
from keras_collapse.core.examiner import Examiner
from keras_collapse.core.findings import ROLLED_BACK, Finding, KeptGenerator, Status, Verdict
from keras_collapse.core.readings.columns import Columns
from keras_collapse.core.readings.inference import Averaging, batch_size_of
from keras_collapse.core.readings.log_reader import FLOAT32_ROUNDING, Reader
from keras_collapse.core.readings.reading import Reading
from keras_collapse.core.readings.signals import listed, recognise_names
from keras_collapse.core.samples.probe import Probe

EPOCH_STEPS = 20
"""Training steps that an epoch is assumed to have at least, if a log has one row per epoch."""
MOST_SHARES = 5000
"""Different accuracies of a log that are kept: more than any batch size that is tried can give."""


@dataclass(slots=True)  # not frozen: there is one for each step
class LogRow:
    """One line of a log, by log key: the arguments of `Reader.read`."""

    step: int
    epoch: int | None
    logs: Mapping[str, float]
    rounding: Mapping[str, float] | None = None


@dataclass(frozen=True, slots=True)
class LogColumns:
    """Lines of a log whose steps have no gap, in columns; iterates over its `LogRow`.

    Args:
        first_step: the step of the first line.
        epochs: of each line; None if unknown.
        logs: log key to its numbers, one for each line, at least one.
        rounding: log key to the largest error of each number.
    """

    first_step: int
    epochs: Sequence[int] | None
    logs: Mapping[str, Sequence[float]]
    rounding: Mapping[str, float] | None = None

    def __iter__(self) -> Iterator[LogRow]:
        keys, epochs = list(self.logs), self.epochs
        lines = zip(*self.logs.values(), strict=True)
        for place, numbers in enumerate(lines):
            epoch = None if epochs is None else epochs[place]
            logs = dict(zip(keys, numbers, strict=True))
            yield LogRow(self.first_step + place, epoch, logs, self.rounding)

    @property
    def last(self) -> LogRow:
        """The last line."""
        logs = {key: numbers[-1] for key, numbers in self.logs.items()}
        step = self.first_step + len(next(iter(self.logs.values()))) - 1
        return LogRow(step, self.epochs[-1] if self.epochs else None, logs, self.rounding)


class BlockedRows(Iterable[LogRow], ABC):
    """The rows of a long log, which can be read in blocks."""

    @abstractmethod
    def blocks(self) -> Iterator[LogColumns | Sequence[LogRow]]:
        """The rows in blocks: columns where each line has all numbers."""

    def __iter__(self) -> Iterator[LogRow]:
        for block in self.blocks():
            yield from block


@dataclass(slots=True)
class RunContext:
    """The contents of a run folder besides its numbers.

    Args:
        folder: the run folder.
        facts: parameters of its fits by name; later fits replace earlier ones.
        command: the command that started it; empty if unknown.
        cwd: the folder in which it was started.
        began: its start in Unix seconds; None if unknown.
        picture_steps: file name of a saved picture to the training step that it shows.
    """

    folder: Path
    facts: dict[str, Any] = field(default_factory=dict)
    command: str = ""
    cwd: str = ""
    began: float | None = None
    picture_steps: dict[str, int] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class PastRun:
    """A past run as read from its log.

    Args:
        rows: the lines of its log, in order, at least one. They can be iterated more than once;
            most sources are read anew each time, so that a long log takes no memory.
        names: its log keys.
        per_epoch: whether each row is an epoch, so that steps count epochs.
        settings: the arguments of its `Reader`.
        reports: its findings that rest on no reading, such as those of the wiring.
        probes: its sample checks, in order.
        unavailable_reason: why its samples were not compared with data; empty if they were.
        log_only: whether it is a mere log, and not the record of a monitored run, whose samples
            are compared with data where that is possible.
        objective, scale: the objective of its losses, if that is known; see `CrossEntropy.know`.
        setting: how it was trained, and what of its wiring was checked, as far as that is known.
        notes: remarks on the source, such as a skipped line.
        context: the other contents of a run folder; None for other sources.
        kept: the saved weights of G, the best first.
    """

    rows: Iterable[LogRow]
    names: Sequence[str]
    per_epoch: bool = False
    settings: Mapping[str, Any] = field(default_factory=dict)
    reports: Sequence[Finding] = ()
    probes: Sequence[Probe] = ()
    unavailable_reason: str = ""
    log_only: bool = True
    objective: str | None = None
    scale: float | None = None
    setting: Setting = field(default_factory=Setting)
    notes: Sequence[str] = field(default_factory=tuple)
    context: RunContext | None = None
    kept: Sequence[KeptGenerator] = ()


@dataclass(frozen=True, slots=True)
class Examination:
    """The verdict on a past run, and its readings, with the averaging undone.

    Args:
        verdict: on the run.
        readings: empty if they were not kept.
        several_epochs: whether the rows are of several epochs.
    """

    verdict: Verdict
    readings: Sequence[Reading]
    several_epochs: bool = False


def examine(
    run: PastRun,
    keep_readings: bool = True,
    on_readings: Callable[[Sequence[Reading]], None] | None = None,
) -> Examination:
    """Turn a past run into readings and pass them to the detectors, as for a live run.

    Where the numbers do not show how they were averaged, they are assessed both as single batches'
    and as running means, and a verdict needs that both agree.

    Args:
        run: the run.
        keep_readings: whether to return the readings; those of a long run take much memory.
        on_readings: called with the next readings, some at a time.

    Raises:
        InputError: no row contains a signal, or a log key that was given for one.
    """
    found = _examine(run, run.settings, keep_readings, on_readings)
    diverged = any(finding.kind == "divergence" for finding in found.verdict.findings)
    if found.verdict.averaging is not None or diverged:  # NaN is NaN in any mean
        return found
    kind = Averaging.EPOCH if found.several_epochs else Averaging.RUN
    other = _examine(run, {**run.settings, "averaging": str(kind)}, keep_readings=False)
    one, two = found.verdict, other.verdict
    if (one.status, _kind_of(one)) == (two.status, _kind_of(two)):
        return found
    reason = (
        "the log does not show whether its numbers are single batches' own "
        f"({_words(one)}) or running means ({_words(two)}). Say which, with --averaging batch or "
        f"--averaging {kind}"
    )
    return Examination(Verdict(Status.UNKNOWN, (), reason, one.steps), found.readings)


def _kind_of(verdict: Verdict) -> str:
    return verdict.cause.kind if verdict.cause else ""


def _words(verdict: Verdict) -> str:
    return f"{verdict.status}: {_kind_of(verdict)}" if verdict.cause else str(verdict.status)


def _examine(
    run: PastRun,
    settings: Mapping[str, Any],
    keep_readings: bool,
    on_readings: Callable[[Sequence[Reading]], None] | None = None,
) -> Examination:
    reader = Reader(**settings, relative_rounding=FLOAT32_ROUNDING)
    objective = run.objective or _objective_of(run, settings.get("signals"))
    row_steps = EPOCH_STEPS if run.per_epoch else 1
    examiner = Examiner(row_steps=row_steps, log_only=run.log_only)
    if objective is not None:
        examiner.know_objective(objective, run.scale)
    examiner.unavailable_reason, examiner.setting = run.unavailable_reason, run.setting
    probes = deque(run.probes)
    rollbacks = deque(one.last_step for one in run.reports if one.kind == ROLLED_BACK)
    found: list[Reading] = []
    shares: set[float] = set()
    first = row = None
    for row, readings in _read_rows(run, reader):
        first = first or row
        if isinstance(readings, Columns):
            examiner.update_columns(readings)
        else:
            for reading in readings:
                examiner.update(reading)
        if keep_readings:
            found += readings
        if on_readings is not None:
            on_readings(readings)
        while probes and probes[0].step <= row.step:
            examiner.update_probe(probes.popleft())
        while rollbacks and rollbacks[0] <= row.step:
            examiner.restart(rollbacks.popleft())
        if run.per_epoch and len(shares) < MOST_SHARES:
            shares.update(v for k, v in row.logs.items() if "acc" in k.lower())
    if reader.absent:
        raise InputError(
            f"signals: no logged number is named {reader.absent[0]!r}. "
            f"Received: {listed(reader.received)}."
        )
    for finding in (*reader.findings(), *run.reports):
        examiner.report(finding)
    averaging = reader.averaging
    if run.per_epoch and averaging in (Averaging.BATCH, None):
        averaging = Averaging.LAST if batch_size_of(shares) else Averaging.EPOCH
    verdict = replace(examiner.verdict(averaging), kept=tuple(run.kept))
    several_epochs = first is not None and row is not None and first.epoch != row.epoch
    return Examination(verdict, found, several_epochs)


def _objective_of(run: PastRun, signals: Mapping[str, str] | None) -> str | None:
    """The objective that the names of the log tell, such as a critic's; None if none does."""
    given = {signal: name for signal, name in (signals or {}).items() if name in run.names}
    try:
        return recognise_names(run.names, given).objective
    except InputError:
        return None


def _read_rows(run: PastRun, reader: Reader) -> Iterator[tuple[LogRow, Sequence[Reading]]]:
    """Each row with the readings that it completes, then the last with those still held back.

    Where many rows are their own readings, and nothing comes in between, only the last is returned,
    with the readings of all.
    """
    row = None
    one_by_one = run.per_epoch or run.probes or run.reports
    blocks = run.rows.blocks() if isinstance(run.rows, BlockedRows) else [run.rows]
    for block in blocks:
        if isinstance(block, LogColumns) and not one_by_one:
            columns = reader.read_columns(block.first_step, block.logs, block.rounding)
            if columns is not None:
                row = block.last
                yield row, columns
                continue
        for row in block:
            yield row, reader.read(row.step, row.logs, row.epoch, row.rounding)
    if row is not None:
        yield row, reader.close()
