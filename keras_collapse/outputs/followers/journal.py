"""Follow a journal while it grows and pass on what is new."""

from __future__ import annotations

import time
from pathlib import Path

from keras_collapse.core.atomic_files import open_regular
from keras_collapse.core.errors import InputError
from keras_collapse.core.journal import FILE_NAME, BrokenLine, record_of
from keras_collapse.core.process.identity import lives
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
from keras_collapse.outputs.pictures import read_picture
from keras_collapse.outputs.run_state import RunState

CHUNK = 1 << 20
"""Bytes of a journal that are read at once."""
LONGEST_LINE = 64 * CHUNK
"""Bytes of the longest line that is waited for."""
SILENT_SECONDS = 30.0
"""A run is silent if its journal has not grown for this long and for ten times the usual pause."""


class JournalFollower:
    """Reads what is new in a run's journal.

    Args:
        folder: the run's folder, or its journal.
        state: receives what is new.

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
        self._ended_by = ""
        self._picture = 0.0
        self._usual_pause = 0.0
        self._last_write = 0.0
        if not self.path.exists():
            raise InputError(
                f"no {FILE_NAME} in {str(folder)!r}. Give the folder of a run that has begun."
            )

    def read(self) -> None:
        """Poll for new records; an incomplete last line waits for its rest.

        Raises:
            InputError: a line is not as this version writes it.
        """
        before = self._lines
        with open_regular(self.path) as file:
            file.seek(self._place)
            while new := file.read(CHUNK):
                self._place += len(new)
                *lines, self._rest = (self._rest + new).split(b"\n")
                if len(self._rest) > LONGEST_LINE:
                    raise InputError(
                        f"line {self._lines + len(lines) + 1} of {str(self.path)!r} is longer than "
                        f"{LONGEST_LINE:,} bytes: this is no journal."
                    )
                for line in lines:
                    self._lines += 1
                    self._take(record_of(line, self.path, self._lines))
        self._read_picture()
        self._check_silence(self._lines > before)

    def _take(self, record: Record) -> None:
        state = self.state
        match record:
            case RunStarted():
                self._run = record
            case FitStarted():
                state.on_run(record.facts)
            case ReaderSettings():
                self._reader = Reader(**record.arguments(), relative_rounding=FLOAT32_ROUNDING)
            case StepLogs() if self._reader is not None and record.step > state.step:
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
            case BrokenLine():
                state.broken_lines += 1
            case RunEnded():
                state.on_verdict(record.verdict, None)
                self._ended_by = record.ended_by

    def _read_picture(self) -> None:
        import numpy as np

        path = self.path.with_name("samples.png")
        try:
            changed = path.stat().st_mtime
            if changed != self._picture:
                self.state.on_samples(self.state.step, np.asarray(read_picture(path)))
                self._picture = changed
        except OSError:  # there is none, or none yet
            return

    def _check_silence(self, has_grown: bool) -> None:
        written = self.path.stat().st_mtime
        if has_grown and self._last_write:
            self._usual_pause = max(0.9 * self._usual_pause, written - self._last_write)
        self._last_write = written
        state = self.state
        state.at(self._run.time if self._run is not None else written, written)
        quiet = time.time() - written
        state.silent, state.ended = 0.0, ""
        if state.verdict is not None:
            state.ended = f"the run ended early: {self._ended_by}" if self._ended_by else ""
            return
        if self._run is not None and lives(self._run.process) is False:
            last = f"last record {_ago(quiet)} ago"
            state.ended = f"its process is gone ({last}): it was killed, or crashed"
        elif quiet > max(SILENT_SECONDS, 10 * self._usual_pause):
            state.silent = quiet


def _ago(seconds: float) -> str:
    return f"{seconds:.0f} s" if seconds < 120 else f"{seconds / 60:.0f} min"
