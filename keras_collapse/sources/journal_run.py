"""Reads a run from its journal."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from keras_collapse.core.advice import Setting
from keras_collapse.core.errors import InputError
from keras_collapse.core.findings import Finding, KeptGenerator
from keras_collapse.core.journal import FILE_NAME, BrokenLine, read_journal
from keras_collapse.core.readings.log_reader import MOST_KEYS
from keras_collapse.core.records import (
    FindingReported,
    FitStarted,
    GeneratorKept,
    ObjectiveSeen,
    PictureSaved,
    ReaderSettings,
    RunEnded,
    RunStarted,
    SamplesChecked,
    SamplesUnavailable,
    SettingSeen,
    StepLogs,
)
from keras_collapse.core.samples.probe import Probe
from keras_collapse.sources.past_run import LogRow, PastRun, RunContext

STILL_OPEN = "the run is still in progress, or was killed"


def read_run(path: Path, signals: Mapping[str, str] | None) -> PastRun:
    """Read a run from its folder or journal file.

    Args:
        path: a run folder, or a journal.
        signals: canonical signal to log key; overrides the names that the run itself used.

    Raises:
        InputError: there is no journal, it contains no step yet, or it is broken.
    """
    if path.is_dir() and not (path / FILE_NAME).exists():
        raise InputError(f"no {FILE_NAME} in {str(path)!r}. Give a run folder or a CSV file.")
    journal = path / FILE_NAME if path.is_dir() else path
    steps = skipped = broken = 0
    last: int | None = None
    names: dict[str, None] = {}
    reports: list[Finding] = []
    probes: list[Probe] = []
    settings: dict[str, Any] = {}
    context = RunContext(path if path.is_dir() else path.parent)
    kept: dict[str, KeptGenerator] = {}
    unavailable, ended = "", STILL_OPEN
    objective: str | None = None
    scale: float | None = None
    setting = Setting()
    for record in read_journal(journal):
        match record:
            case StepLogs() if last is not None and record.step <= last:
                skipped += 1
            case StepLogs():
                steps, last = steps + 1, record.step
                if not record.logs.keys() <= names.keys() and len(names) < MOST_KEYS:
                    names |= dict.fromkeys(record.logs)
            case BrokenLine():
                broken += 1
            case RunStarted():
                context.command, context.cwd = record.command, record.cwd
                context.began = record.time
            case FitStarted():
                context.facts |= record.facts
                ended = STILL_OPEN
            case ReaderSettings():
                settings = record.arguments()
            case SamplesChecked():
                probes.append(record.probe)
            case ObjectiveSeen():
                objective, scale = record.objective, record.scale
            case SettingSeen():
                setting = record.setting
            case SamplesUnavailable():
                unavailable = record.reason
            case FindingReported():
                reports.append(record.finding)
            case PictureSaved():
                context.picture_steps[record.name] = record.step
            case GeneratorKept():
                file = str(context.folder / record.name)
                kept[record.which] = KeptGenerator(record.which, record.step, record.quality, file)
            case RunEnded():
                ended = f"the run ended early: {record.ended_by}" if record.ended_by else ""
    if not steps:
        raise InputError(f"the journal in {str(path)!r} contains no step yet. Try again later.")
    if signals:
        settings["signals"] = signals
    return PastRun(
        _Rows(journal, steps),
        list(names),
        settings=settings,
        reports=reports,
        probes=probes,
        unavailable_reason=unavailable,
        log_only=False,
        objective=objective,
        scale=scale,
        setting=setting,
        notes=[
            *([ended] if ended else []),
            *([f"broken lines of the journal that were skipped: {broken}"] * bool(broken)),
            *([f"{skipped} records of steps that had come before were skipped"] * bool(skipped)),
        ],
        context=context,
        kept=[kept[which] for which in sorted(kept)],
    )


@dataclass(frozen=True, slots=True)
class _Rows:
    """The first ``count`` rows of a journal, read anew at each iteration."""

    journal: Path
    count: int

    def __iter__(self) -> Iterator[LogRow]:
        count, last = 0, None
        for record in read_journal(self.journal):
            if isinstance(record, StepLogs) and (last is None or record.step > last):
                count, last = count + 1, record.step
                yield LogRow(record.step, record.epoch, record.logs, record.rounding)
                if count == self.count:  # the journal grows while it is read
                    return
