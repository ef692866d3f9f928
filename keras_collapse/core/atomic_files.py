"""Files: written whole or not at all, grown by whole lines, and read only if they are regular.

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
import weakref
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

from keras_collapse.core.errors import InputError

CHUNK = 1 << 16
"""Characters of a text file that are read at once."""
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

MOST_UNWRITTEN = 16_000_000
"""Bytes that wait for a full disk to have room again; what comes then is dropped."""


def write_json(path: Path, content: Any, private: bool = False) -> None:
    """Write ``content`` as JSON; the arguments are those of `write`.

    Raises:
        InputError: see `write`.
        ValueError: a number is NaN or infinite.
    """
    write(path, json.dumps(content, indent=1, allow_nan=False, default=str) + "\n", private)


def write(path: Path, content: str | bytes, private: bool = False) -> None:
    """Write text (as UTF-8) or bytes; create the folder if it is missing.

    Nobody can plant a link at the name of the temporary file: it is random, and must be new.

    Args:
        path: the file.
        content: all of it.
        private: whether only its owner may read it, since it holds a secret.

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
        with os.fdopen(os.open(part, _WRITE, 0o600 if private else 0o666), "wb") as file:
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
        number, rest = 0, ""
        with io.TextIOWrapper(open_regular(self.path), encoding="utf-8-sig") as file:
            try:
                while part := file.read(CHUNK):
                    *lines, rest = (rest + part).split("\n")
                    if len(max((*lines[:1], rest), key=len)) > MOST_CHARACTERS:
                        number += 1 if len(rest) <= MOST_CHARACTERS else len(lines) + 1
                        raise InputError(
                            f"line {number} of {str(self.path)!r} is longer than "
                            f"{MOST_CHARACTERS:,} characters: this is no log of a training."
                        )
                    number += len(lines)
                    for line in lines:
                        yield line + "\n"
            except UnicodeDecodeError:
                raise InputError(f"{str(self.path)!r} is not a text file.") from None
        if rest:
            yield rest


class LineFile:
    """Appends lines to a file.

    What a full disk did not take comes first in the next attempt, so a short write breaks no line.
    A file whose last line was cut short, by a kill, goes on with a new line. A forked child writes
    nothing: what its parent holds is its parent's to write.

    Args:
        path: the file; created if missing.
        new: whether it must not exist.
        mode: permissions of a new file.

    Raises:
        OSError: it cannot be opened, or exists and must not.
    """

    def __init__(self, path: Path, new: bool = False, mode: int = 0o644) -> None:
        flags = os.O_RDWR | os.O_CREAT | os.O_APPEND | (os.O_EXCL if new else 0)
        self._file = os.open(path, flags, mode)
        self._pid = os.getpid()
        size = os.lseek(self._file, 0, os.SEEK_END)
        cut = size > 0 and os.pread(self._file, 1, size - 1) != b"\n"
        self._unwritten = b"\n" if cut else b""
        self.close = weakref.finalize(self, os.close, self._file)
        self.close.atexit = False

    def append(self, lines: bytes) -> None:
        """Hand whole lines to the operating system: after that a kill cannot take them.

        Raises:
            OSError: it does not take all; the rest is kept for the next attempt.
        """
        if os.getpid() != self._pid:
            return
        if not self._unwritten or len(self._unwritten) + len(lines) <= MOST_UNWRITTEN:
            self._unwritten += lines
        while self._unwritten:
            written = os.write(self._file, self._unwritten)
            self._unwritten = self._unwritten[written:]
