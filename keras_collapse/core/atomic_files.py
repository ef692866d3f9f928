"""Atomic file writes: a file is written completely, or stays unchanged."""

from __future__ import annotations

import contextlib
import json
import os
from pathlib import Path
from typing import Any

from keras_collapse.core.errors import InputError


def write_json(path: Path, content: Any) -> None:
    """Write ``content`` as JSON.

    Raises:
        InputError: see `write`.
        ValueError: a number is NaN or infinite.
    """
    write(path, json.dumps(content, indent=1, allow_nan=False, default=str) + "\n")


def write(path: Path, content: str | bytes) -> None:
    """Write text (as UTF-8) or bytes; create the folder if it is missing.

    Raises:
        InputError: the file cannot be written, as on a full disk; an existing file is unchanged.
    """
    part = path.with_name(f"{path.name}.{os.getpid()}.part")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        if isinstance(content, str):
            part.write_text(content, encoding="utf-8")
        else:
            part.write_bytes(content)
        part.replace(path)
    except OSError as error:
        with contextlib.suppress(OSError):
            part.unlink(missing_ok=True)
        raise InputError(
            f"cannot write {str(path)!r} ({error.strerror}). Free some space, or give another "
            "--out. Files that were already written are kept."
        ) from None
