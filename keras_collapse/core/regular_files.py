"""Reading of regular files only: a FIFO or a device could be read for ever."""

from __future__ import annotations

import io
import os
import stat
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from keras_collapse.core.errors import InputError

MOST_CHARACTERS = 1_000_000
"""Characters of the longest line that is read. A longer one belongs to no log."""
_FLAGS = os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0)


def open_regular(path: Path) -> BinaryIO:
    """Open a file for reading in binary.

    Raises:
        OSError: it is missing, or cannot be opened.
        InputError: it is a folder, a FIFO, a device or a socket, or its name is impossible.
    """
    try:
        descriptor = os.open(path, _FLAGS)  # without O_NONBLOCK, a FIFO would wait for its writer
    except ValueError:
        raise InputError(f"no file can be named {str(path)!r}. Give another one.") from None
    try:
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):
            raise InputError(
                f"{str(path)!r} is not a regular file. Give a file; save what comes through a pipe "
                "to one first."
            )
        return os.fdopen(descriptor, "rb")
    except BaseException:
        os.close(descriptor)
        raise


@dataclass(frozen=True, slots=True)
class TextFile:
    """The lines of a UTF-8 text file, with their ends; each iteration opens it anew.

    Raises:
        OSError, InputError: see `open_regular`.
        InputError: it is no UTF-8 text, or a line is longer than `MOST_CHARACTERS`.
    """

    path: Path

    def __iter__(self) -> Iterator[str]:
        number = 0
        with io.TextIOWrapper(open_regular(self.path), encoding="utf-8-sig") as file:
            try:
                while line := file.readline(MOST_CHARACTERS + 1):
                    number += 1
                    if len(line) > MOST_CHARACTERS:
                        raise InputError(
                            f"line {number} of {str(self.path)!r} is longer than "
                            f"{MOST_CHARACTERS:,} characters: this is no log of a training."
                        )
                    yield line
            except UnicodeDecodeError:
                raise InputError(f"{str(self.path)!r} is not a text file.") from None
