"""The journal of a run: an append-only file with one record (see `core.records`) a line."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from pathlib import Path

from keras_collapse.core.errors import InputError
from keras_collapse.core.records import Record, RunStarted, parse

FILE_NAME = "journal.jsonl"
FLUSH_SECONDS = 1.0
"""Longest time a record waits in memory: what a kill can take away, and what ``watch`` lags."""


class Journal:
    """Writes the journal of one run.

    What is written is always a whole number of lines, but for the last one: a kill or a full disk
    can cut it. After a failed write the rest of that line comes first in the next one.

    Args:
        folder: the run's folder, made if missing.

    Raises:
        InputError: the folder cannot be made or written to, or holds a run already.
    """

    def __init__(self, folder: str | Path) -> None:
        self.folder = Path(folder)
        self.path = self.folder / FILE_NAME
        self._lines: list[str] = []
        self._unwritten = b""
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

    def write(self, record: Record) -> None:
        """Append a record; it reaches the disk within `FLUSH_SECONDS` of the next one.

        Raises:
            OSError: it cannot be written, as on a full disk.
        """
        self._lines.append(record.to_line())
        if time.monotonic() - self._flushed >= FLUSH_SECONDS:
            self.flush()

    def flush(self) -> None:
        """Hand everything to the operating system now: after that a kill cannot take it.

        Raises:
            OSError: it cannot be written; what is left is kept for the next attempt.
        """
        if self._lines:
            self._unwritten += ("\n".join(self._lines) + "\n").encode()
            self._lines.clear()
        while self._unwritten:  # a disk that fills up takes only a part
            written = os.write(self._file, self._unwritten)
            self._unwritten = self._unwritten[written:]
        self._flushed = time.monotonic()

    def close(self) -> None:
        """Flush and close the file."""
        try:
            self.flush()
        finally:
            os.close(self._file)


def read_journal(source: str | Path) -> Iterator[Record]:
    """The records of a run's folder or journal file, oldest first.

    A last line that was cut short (the run is being written, or was killed) is left out.

    Raises:
        InputError: there is no journal, it has another schema, or a line inside is broken.
    """
    path = Path(source)
    path = path / FILE_NAME if path.is_dir() else path
    try:
        file = path.open("rb")
    except OSError as error:
        raise InputError(
            f"cannot read the journal {str(path)!r} ({error.strerror}). "
            f"Give a run folder that holds {FILE_NAME}."
        ) from None
    with file:
        for number, line in enumerate(file, 1):
            if not line.endswith(b"\n"):
                return
            yield record_of(line, path, number)


def record_of(line: bytes, path: Path, number: int) -> Record:
    """The record of a journal's line, whose number counts from 1.

    Raises:
        InputError: the line is no record, or the first one is not the start of a run.
    """
    try:
        record = parse(line)
        if number == 1 and not isinstance(record, RunStarted):
            raise ValueError("the first record is not the start of a run")
    except ValueError as error:
        raise InputError(
            f"line {number} of {str(path)!r} is not a journal's record as this version writes it "
            f"({error}). Use the version that wrote it."
        ) from None
    return record
