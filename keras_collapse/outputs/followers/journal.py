"""Follows a journal while it grows, and tells a listener what it says."""

from __future__ import annotations

import time
from pathlib import Path

from keras_collapse.core.errors import InputError
from keras_collapse.core.journal import FILE_NAME, record_of
from keras_collapse.core.processes import lives
from keras_collapse.core.readings.log_reader import FLOAT32_ROUNDING, Reader
from keras_collapse.core.records import (
    EpochEnded,
    FindingChanged,
    FitStarted,
    ReaderSettings,
    Record,
    RunEnded,
    RunStarted,
    SamplesChecked,
    StepLogs,
)
from keras_collapse.outputs.run_state import RunState

SILENT_SECONDS = 30.0
"""Without a word for so long, and for ten times the usual, a run is said to be silent."""


class JournalFollower:
    """Reads what a run's journal has said since the last time.

    Args:
        folder: the run's.
        state: is told.

    Raises:
        InputError: there is no journal.
    """

    def __init__(self, folder: Path, state: RunState) -> None:
        self.path = folder if folder.suffix == ".jsonl" else folder / FILE_NAME
        self.state = state
        self._place = 0
        self._rest = b""
        self._reader: Reader | None = None
        self._run: RunStarted | None = None
        self._lines = 0
        self._picture = 0.0
        self._usual = 0.0
        self._heard = 0.0
        if not self.path.exists():
            raise InputError(
                f"no {FILE_NAME} in {str(folder)!r}. Give the folder of a run that has begun."
            )

    def read(self) -> None:
        """Read on; a line that is not whole yet waits.

        Raises:
            InputError: a line is not as this version writes it.
        """
        with self.path.open("rb") as file:
            file.seek(self._place)
            new = file.read()
        self._place += len(new)
        *lines, self._rest = (self._rest + new).split(b"\n")
        for line in lines:
            self._lines += 1
            self._take(record_of(line, self.path, self._lines))
        self._look_at_picture()
        self._see_silence(bool(lines))

    def _take(self, record: Record) -> None:
        state = self.state
        match record:
            case RunStarted():
                self._run = record
            case FitStarted():
                state.on_run(record.facts)
            case ReaderSettings():
                self._reader = Reader(**record.arguments(), relative_rounding=FLOAT32_ROUNDING)
            case StepLogs() if self._reader is not None:
                state.on_logs(record.step, record.logs)
                for reading in self._reader.read(
                    record.step, record.logs, record.epoch, record.rounding
                ):
                    state.on_reading(reading)
            case SamplesChecked():
                state.on_probe(record.probe)
            case EpochEnded():
                state.on_epoch(record.step, record.epoch, record.rates)
            case FindingChanged():
                state.on_finding(record.finding)
            case RunEnded():
                state.on_verdict(record.verdict, None)

    def _look_at_picture(self) -> None:
        import numpy as np
        from PIL import Image

        path = self.path.with_name("samples.png")
        try:
            changed = path.stat().st_mtime
            if changed != self._picture:
                with Image.open(path) as picture:
                    self.state.on_samples(self.state.step, np.asarray(picture))
                self._picture = changed
        except OSError:  # there is none, or none yet
            return

    def _see_silence(self, spoke: bool) -> None:
        written = self.path.stat().st_mtime
        if spoke and self._heard:
            self._usual = max(0.9 * self._usual, written - self._heard)
        self._heard = written
        state = self.state
        state.at(self._run.time if self._run is not None else written, written)
        quiet = time.time() - written
        state.silent, state.ended = 0.0, ""
        if state.verdict is not None:
            return
        if self._run is not None and lives(self._run.process) is False:
            state.ended = f"its process is gone since {_ago(quiet)}: it was killed, or crashed"
        elif quiet > max(SILENT_SECONDS, 10 * self._usual):
            state.silent = quiet


def _ago(seconds: float) -> str:
    return f"{seconds:.0f} s" if seconds < 120 else f"{seconds / 60:.0f} min"
