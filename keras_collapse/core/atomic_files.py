"""Files: written completely or not at all, and read only if they are regular.

A FIFO or a device could be read for ever, and must not be replaced.
"""

from __future__ import annotations

import contextlib
import errno
import io
import json
import os
import secrets
import stat
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

from keras_collapse.core.errors import InputError

MOST_CHARACTERS = 1_000_000
"""Characters of the longest line that is read. A longer one belongs to no log."""
_READ = os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0)
_WRITE = (
    os.O_WRONLY
    | os.O_CREAT
    | os.O_EXCL
    | getattr(os, "O_NOFOLLOW", 0)
    | getattr(os, "O_CLOEXEC", 0)
    | getattr(os, "O_BINARY", 0)
)


def write_json(path: Path, content: Any) -> None:
    """Write ``content`` as JSON.

    Raises:
        InputError: see `write`.
        ValueError: a number is NaN or infinite.
    """
    write(path, json.dumps(content, indent=1, allow_nan=False, default=str) + "\n")


def write(path: Path, content: str | bytes) -> None:
    """Write text (as UTF-8) or bytes; create the folder if it is missing.

    Nobody can plant a link at the name of the temporary file: it is random, and must be new.

    Raises:
        InputError: the file cannot be written, as on a full disk, or is no regular file, such as a
            device or a link; what exists is unchanged.
    """
    part = path.with_name(f".{path.name[:100]}.{secrets.token_hex(8)}.part")
    encoded = content.encode("utf-8", "backslashreplace") if isinstance(content, str) else content
    try:
        with contextlib.suppress(FileNotFoundError):
            if not stat.S_ISREG(path.lstat().st_mode):
                raise OSError(errno.EINVAL, "it is not a regular file")
        path.parent.mkdir(parents=True, exist_ok=True)
        with os.fdopen(os.open(part, _WRITE, 0o666), "wb") as file:
            file.write(encoded)
        part.replace(path)
    except OSError as error:
        with contextlib.suppress(OSError):
            part.unlink(missing_ok=True)
        raise InputError(
            f"cannot write {str(path)!r} ({error.strerror}). Free some space, or give another "
            "--out. Files that were already written are kept."
        ) from None


def open_regular(path: Path) -> BinaryIO:
    """Open a file for reading in binary.

    Raises:
        OSError: it is missing, or cannot be opened.
        InputError: it is a folder, a FIFO, a device or a socket, or its name is impossible.
    """
    try:
        descriptor = os.open(path, _READ)  # without O_NONBLOCK, a FIFO would wait for its writer
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
