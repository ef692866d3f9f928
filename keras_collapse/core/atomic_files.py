"""Files that are written whole or not at all."""

from __future__ import annotations

import contextlib
import json
import os
from pathlib import Path
from typing import Any

from keras_collapse.core.errors import InputError


def write_json(path: Path, content: Any) -> None:
    """Write it as JSON. Raises InputError as `write`."""
    write(path, json.dumps(content, indent=1, allow_nan=False, default=str) + "\n")


def write(path: Path, content: str | bytes) -> None:
    """Write text or bytes, making the folder if it is missing.

    Raises:
        InputError: it cannot be written, as on a full disk; what was there before is kept.
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
            f"cannot write {str(path)!r} ({error.strerror}). Make room, or give another --out; "
            "what had finished is kept."
        ) from None
