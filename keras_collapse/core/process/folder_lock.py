"""A folder that one process works in at a time."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path

from filelock import FileLock, Timeout

from keras_collapse.core.errors import InputError


@contextlib.contextmanager
def locked(folder: Path, what: str) -> Iterator[None]:
    """Hold a folder's lock, which ends with the process at the latest.

    Args:
        folder: made if missing.
        what: works in it, as in "another triage".

    Raises:
        InputError: another process holds the lock, or the folder cannot be written.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        lock = FileLock(folder / "lock", timeout=0)
        lock.acquire()
    except Timeout:
        raise InputError(
            f"{what} is running in {str(folder)!r}. Wait for it, or give another --out."
        ) from None
    except OSError as error:
        raise InputError(
            f"cannot write to {str(folder)!r} ({error.strerror}). Give another --out."
        ) from None
    try:
        yield
    finally:
        lock.release()
