"""The journal of a run: an append-only file with one record (see `core.records`) a line."""

from __future__ import annotations

import time
import weakref
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

from keras_collapse.core.atomic_files import LineFile, open_regular
from keras_collapse.core.errors import InputError, OtherSchema
from keras_collapse.core.process.heartbeat import Heartbeat
from keras_collapse.core.records import Record, RunStarted, parse

FILE_NAME = "journal.jsonl"
LONGEST_REASON = 200
"""Characters of the reason why a line is no record: it may repeat the line."""
LONGEST_LINE = 1 << 24
"""Bytes of the longest line that is read; a step's takes about 200."""
FLUSH_SECONDS = 1.0
"""Longest time a record waits in memory: what a kill can take away, and what ``watch`` lags."""


@dataclass(frozen=True, slots=True)
class BrokenLine(Record):
    """A line that is no record, as a full disk may leave one; read, never written.

    Args:
        number: of the line, from 1.
        reason: what is wrong with it.
    """

    kind: ClassVar[str] = "broken"
    number: int
    reason: str


class Journal:
    """Writes the journal of one run.

    What is written is always a whole number of lines, but for the last one: a kill or a full disk
    can cut it. After a failed write the rest comes first in the next one, see `LineFile`. While it
    is open, its `Heartbeat` in the same folder shows other machines that its process lives.

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
            self._file = LineFile(self.path, new=True)
        except FileExistsError as error:
            if not self.path.exists():
                raise self._cannot(error) from None
            raise InputError(
                f"the run folder {str(self.folder)!r} already holds a run. Give another one."
            ) from None
        except OSError as error:
            raise self._cannot(error) from None
        self._stop_beating = weakref.finalize(self, Heartbeat(self.folder).stop)

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
        lines = "".join(f"{line}\n" for line in self._lines).encode()
        self._lines.clear()
        self._flushed = time.monotonic()
        self._file.append(lines)

    def close(self) -> None:
        """Flush and close the file."""
        try:
            self.flush()
        finally:
            self._stop_beating()
            self._file.close()


def read_journal(source: str | Path) -> Iterator[Record]:
    """The records of a run's folder or journal file, oldest first.

    A last line that was cut short (the run is being written, or was killed) is left out; a broken
    line inside is a `BrokenLine`.

    Raises:
        InputError: there is no journal, it has another schema, or no line is a record.
    """
    path = Path(source)
    path = path / FILE_NAME if path.is_dir() else path
    try:
        file = open_regular(path)
    except OSError as error:
        raise InputError(
            f"cannot read the journal {str(path)!r} ({error.strerror}). "
            f"Give a run folder that holds {FILE_NAME}."
        ) from None
    broken: BrokenLine | None = None
    good = False
    with file:
        for number, line in enumerate(iter(lambda: file.readline(LONGEST_LINE), b""), 1):
            if not line.endswith(b"\n"):
                if len(line) < LONGEST_LINE:
                    break
                raise InputError(
                    f"line {number} of {str(path)!r} has more than {LONGEST_LINE:,} bytes: this is "
                    "no journal. Give a run folder."
                )
            record = record_of(line, path, number)
            if isinstance(record, BrokenLine):
                broken = record
            else:
                good = True
            yield record
    if broken is not None and not good:
        raise InputError(
            f"{str(path)!r} is no journal: none of its lines is a record ({broken.reason}). "
            "Give a run folder."
        )


def record_of(line: bytes, path: Path, number: int) -> Record:
    """The record of a journal's line, whose number counts from 1; a `BrokenLine` if it is none.

    Raises:
        InputError: the journal has another schema, or does not begin with the start of a run.
    """
    try:
        record = parse(line)
        if number == 1 and not isinstance(record, RunStarted):
            raise OtherSchema("the first record is not the start of a run")
    except OtherSchema as error:
        raise InputError(
            f"line {number} of {str(path)!r} is not a journal's record as this version writes it "
            f"({error}). Use the version that wrote it."
        ) from None
    except ValueError as error:
        return BrokenLine(number, str(error)[:LONGEST_REASON])
    return record
