"""The append-only record of a run: one JSON object a line, written by the monitor.

Records, told apart by ``record``: ``run`` (once, first: what is needed to read the rest), ``fit``
(a fit or loop begins), ``reader`` (how the logs are to be read), ``logs`` (one a step: the numbers
as they were handed over, and hashes of its data), ``epoch``, ``fingerprint`` (hashes of the
weights), ``probe`` (a look at G's samples, in numbers), ``picture`` (the samples of this step were
saved under this name: ``samples.png`` the latest, ``samples_start.png`` the first,
``samples_finding.png`` the first once something was found), ``blind`` (why samples are not compared
with data), ``finding`` (as it was when it was first found or changed), ``report`` (a finding that
rests on no reading) and ``end``. A journal without ``end`` is of a run that goes on or was killed.
Numbers that are not finite are written as strings.
"""

from __future__ import annotations

import contextlib
import json
import math
import os
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from keras_collapse.core.errors import InputError

SCHEMA = 1
FILE_NAME = "journal.jsonl"
FLUSH_SECONDS = 1.0
"""Longest time a record waits in memory: what a kill can take away, and what ``watch`` lags."""


class Journal:
    """Writes the journal of one run in whole lines.

    A kill in the middle of a write can cut the last line; `read_journal` leaves that one out.

    Args:
        folder: the run's folder, made if missing.

    Raises:
        InputError: the folder cannot be made or written to, or holds a run already.
    """

    def __init__(self, folder: str | Path) -> None:
        self.folder = Path(folder)
        self.path = self.folder / FILE_NAME
        self._lines: list[str] = []
        self._flushed = time.monotonic()
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_APPEND
            self._file = os.open(self.path, flags, 0o644)
        except FileExistsError as error:
            if not self.path.exists():
                raise self._cannot(error) from None
            raise InputError(
                f"the run folder {str(self.folder)!r} already holds a run. Give another one."
            ) from None
        except OSError as error:
            raise self._cannot(error) from None

    def _cannot(self, error: OSError) -> InputError:
        return InputError(
            f"cannot write to the run folder {str(self.folder)!r} ({error.strerror}). "
            "Give another one."
        )

    def write(self, record: str, **fields: Any) -> None:
        """Append a record; it reaches the disk within `FLUSH_SECONDS` of the next one."""
        self._append(json.dumps({"record": record, **_plain(fields)}, separators=(",", ":")))

    def _append(self, line: str) -> None:
        self._lines.append(line)
        if time.monotonic() - self._flushed >= FLUSH_SECONDS:
            self.flush()

    def write_logs(
        self,
        step: int,
        epoch: int,
        logs: Mapping[str, float],
        rounding: Mapping[str, float] | None = None,
        data: Mapping[str, str] | None = None,
    ) -> None:
        """Append a batch's log: `write` for the one record that is written at every step."""
        more = f',"rounding":{_object(rounding)}' if rounding is not None else ""
        more += f',"data":{json.dumps(data, separators=(",", ":"))}' if data else ""
        self._append(
            f'{{"record":"logs","step":{step},"epoch":{epoch},"logs":{_object(logs)}{more}}}'
        )

    def flush(self) -> None:
        """Hand everything to the operating system now: after that a kill cannot take it."""
        if self._lines:
            os.write(self._file, ("\n".join(self._lines) + "\n").encode())
            self._lines.clear()
        self._flushed = time.monotonic()

    def close(self) -> None:
        self.flush()
        os.close(self._file)


def read_journal(source: str | Path) -> Iterator[dict[str, Any]]:
    """The records of a run's folder or journal file, oldest first.

    A last line cut short (the run is being written, or the machine went down) is left out.

    Raises:
        InputError: no journal there, one of another schema, or a broken line inside.
    """
    path = Path(source)
    path = path / FILE_NAME if path.is_dir() else path
    try:
        file = path.open(encoding="utf-8")
    except OSError as error:
        raise InputError(
            f"cannot read the journal {str(path)!r} ({error.strerror}). "
            f"Give a run folder that holds {FILE_NAME}."
        ) from None
    with file:
        for number, line in enumerate(file, 1):
            if not line.endswith("\n"):
                return
            try:
                record = json.loads(line)
            except ValueError:
                raise InputError(f"line {number} of {str(path)!r} is no JSON object.") from None
            if number == 1 and record.get("schema") != SCHEMA:
                raise InputError(
                    f"{str(path)!r} is no journal of schema {SCHEMA}. "
                    f"Received: schema {record.get('schema')!r}. Use the version that wrote it."
                )
            yield record


@contextlib.contextmanager
def understood(source: str | Path) -> Iterator[None]:
    """Where records are taken apart: one that lacks something is a person's broken file.

    Raises:
        InputError: instead of a KeyError and the like.
    """
    try:
        yield
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise InputError(
            f"a record of the journal in {str(source)!r} is not as this version writes it "
            f"({type(error).__name__}: {error}). Use the version that wrote it."
        ) from None


def _object(numbers: Mapping[str, float]) -> str:
    """Names and numbers as a JSON object, faster than ``json.dumps``."""
    inside = ",".join(
        f"{json.dumps(name)}:{number:.9g}"
        if math.isfinite(number)
        else f'{json.dumps(name)}:"{number}"'
        for name, number in numbers.items()
    )
    return f"{{{inside}}}"


def _plain(value: Any) -> Any:
    """What JSON can hold; 9 digits keep a float32 exactly."""
    if isinstance(value, float):
        return float(f"{value:.9g}") if math.isfinite(value) else str(value)
    if isinstance(value, Mapping):
        return {str(k): _plain(v) for k, v in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(v) for v in value]
    return value if isinstance(value, str | int | bool | None) else str(value)
