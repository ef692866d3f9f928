"""Atomic file writes: a file is written completely, or stays unchanged."""

from __future__ import annotations

import contextlib
import errno
import json
import os
import secrets
import stat
from pathlib import Path
from typing import Any

from keras_collapse.core.errors import InputError

_FLAGS = (
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
        with os.fdopen(os.open(part, _FLAGS, 0o666), "wb") as file:
            file.write(encoded)
        part.replace(path)
    except OSError as error:
        with contextlib.suppress(OSError):
            part.unlink(missing_ok=True)
        raise InputError(
            f"cannot write {str(path)!r} ({error.strerror}). Free some space, or give another "
            "--out. Files that were already written are kept."
        ) from None
