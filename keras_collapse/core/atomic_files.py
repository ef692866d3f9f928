"""Files that stay whole: one is written completely or not at all, another grows by whole lines."""

from __future__ import annotations

import contextlib
import json
import os
import secrets
import weakref
from pathlib import Path
from typing import Any

from keras_collapse.core.errors import InputError

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

    Args:
        path: the file.
        content: all of it.
        private: whether only its owner may read it, since it holds a secret.

    Raises:
        InputError: the file cannot be written, as on a full disk; an existing file is unchanged.
    """
    part = path.with_name(f"{path.name}.{secrets.token_hex(8)}.part")
    data = content.encode() if isinstance(content, str) else content
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL
        with open(os.open(part, flags, 0o600 if private else 0o666), "wb") as file:
            file.write(data)
        part.replace(path)
    except OSError as error:
        with contextlib.suppress(OSError):
            part.unlink(missing_ok=True)
        raise InputError(
            f"cannot write {str(path)!r} ({error.strerror}). Free some space, or give another "
            "--out. Files that were already written are kept."
        ) from None


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
        if len(self._unwritten) + len(lines) <= MOST_UNWRITTEN:
            self._unwritten += lines
        while self._unwritten:
            written = os.write(self._file, self._unwritten)
            self._unwritten = self._unwritten[written:]
