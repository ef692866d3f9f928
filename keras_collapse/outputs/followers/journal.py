"""Follows a journal while it grows, and tells a listener what it says."""

from __future__ import annotations

import json
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from keras_collapse.core.errors import InputError
from keras_collapse.core.findings import Finding, Status, Verdict
from keras_collapse.core.journal import FILE_NAME, SCHEMA, understood
from keras_collapse.core.processes import lives
from keras_collapse.core.readings.log_reader import FLOAT32_ROUNDING, Reader
from keras_collapse.core.samples.probe import Probe
from keras_collapse.outputs.run_state import RunState
from keras_collapse.sources import READER_SETTINGS

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
        self._run: Mapping[str, Any] = {}
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
        with understood(self.path):
            for line in lines:
                self._take(json.loads(line))
        self._look_at_picture()
        self._see_silence(bool(lines))

    def _take(self, record: Mapping[str, Any]) -> None:
        state, kind = self.state, record["record"]
        if kind == "run":
            if record.get("schema") != SCHEMA:
                raise ValueError(f"schema {record.get('schema')!r}")
            self._run = record
        elif kind == "fit":
            state.on_run(record["facts"])
        elif kind == "reader":
            settings = {key: record[key] for key in READER_SETTINGS}
            self._reader = Reader(**settings, relative_rounding=FLOAT32_ROUNDING)
        elif kind == "logs" and self._reader is not None:
            logs = {name: float(number) for name, number in record["logs"].items()}
            errors = record.get("rounding")
            rounding = {k: float(v) for k, v in errors.items()} if errors is not None else None
            state.on_logs(record["step"], logs)
            for reading in self._reader.read(record["step"], logs, record["epoch"], rounding):
                state.on_reading(reading)
        elif kind == "probe":
            values = {name: float(number) for name, number in record["values"].items()}
            state.on_probe(Probe(record["step"], values))
        elif kind == "epoch":
            state.on_epoch(record["step"], record["epoch"], record.get("rates", {}))
        elif kind in ("finding", "report"):
            state.on_finding(Finding.from_dict(record["finding"]))
        elif kind == "end":
            state.on_verdict(_verdict(record["verdict"]), None)

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
        state.at(float(self._run.get("time", written)), written)
        quiet = time.time() - written
        state.silent, state.ended = 0.0, ""
        if state.verdict is not None:
            return
        if lives(self._run) is False:
            state.ended = f"its process is gone since {_ago(quiet)}: it was killed, or crashed"
        elif quiet > max(SILENT_SECONDS, 10 * self._usual):
            state.silent = quiet


def _verdict(plain: Mapping[str, Any]) -> Verdict:
    findings = tuple(Finding.from_dict(finding) for finding in plain["findings"])
    return Verdict(
        Status(plain["verdict"]), findings, plain["reason"], plain["steps"], plain["averaging"]
    )


def _ago(seconds: float) -> str:
    return f"{seconds:.0f} s" if seconds < 120 else f"{seconds / 60:.0f} min"
