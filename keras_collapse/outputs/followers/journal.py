"""Follow a journal while it grows and pass on what is new."""

from __future__ import annotations

import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from keras_collapse.core.atomic_files import open_regular
from keras_collapse.core.errors import InputError
from keras_collapse.core.journal import FILE_NAME, BrokenLine, record_of
from keras_collapse.core.process import heartbeat
from keras_collapse.core.process.heartbeat import seconds_since, works
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
        state.ended = self._why_dead(quiet)
        if not state.ended and quiet > max(SILENT_SECONDS, 10 * self._usual_pause):
            state.silent, state.silent_because = quiet, self._why_silent()

    @property
    def _signs(self) -> tuple[Path, Path]:
        """What the run's process changes while it lives."""
        return self.path, self.path.with_name(heartbeat.FILE_NAME)

    def _why_dead(self, quiet: float) -> str:
        """Why the run's process is taken for dead; empty if it is not."""
        process = self._run.process if self._run is not None else {}
        if works(process, *self._signs):
            return ""
        if lives(process) is False:
            return f"its process is gone (last record {_ago(quiet)} ago): it was killed, or crashed"
        age = seconds_since(*self._signs) or 0.0
        return (
            f"no sign of life{_host(process, 'from')} for {_ago(age)}: its process was killed, or "
            "crashed, or the machine cannot be reached"
        )

    def _why_silent(self) -> str:
        """What its last sign of life says of a run that writes nothing."""
        process = self._run.process if self._run is not None else {}
        if lives(process):
            return "a long step; its process is running"
        age = seconds_since(self._signs[1])
        if age is None:
            return "a long step, or it was killed"
        return f"a long step; it was alive {_ago(age)} ago{_host(process, 'on')}"


def _host(process: Mapping[str, Any], preposition: str) -> str:
    return f" {preposition} {process['host']}" if process.get("host") else ""


def _ago(seconds: float) -> str:
    """A time span in the largest unit of which there are two.

    >>> _ago(70), _ago(600), _ago(8000), _ago(500_000)
    ('70 s', '10 min', '2 h', '6 days')
    """
    for unit, size in (("days", 86_400), ("h", 3_600), ("min", 60)):
        if seconds >= 2 * size:
            return f"{seconds / size:.0f} {unit}"
    return f"{seconds:.0f} s"
