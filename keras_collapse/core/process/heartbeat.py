"""A sign of life that other machines can see: a file that is touched while a process works."""

from __future__ import annotations

import contextlib
import json
import os
import threading
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from keras_collapse.core.atomic_files import write_json
from keras_collapse.core.process.identity import lives, this_process

BEAT_SECONDS = 10.0
"""Time between two signs of life."""
STALE_SECONDS = 120.0
"""Time without one after which a process that cannot be seen is taken for dead. File systems of
several machines show a change up to a minute late."""
FILE_NAME = "heartbeat"
PROCESS = "process.json"
"""The file that names the process that works in a folder, see `at_work`."""


class Heartbeat:
    """Touches a file in a folder from a thread of its own, until it is stopped.

    Args:
        folder: must exist; neither it nor the file is made again if it goes.
    """

    def __init__(self, folder: Path) -> None:
        self._path = folder / FILE_NAME
        self._stopped = threading.Event()
        thread = threading.Thread(target=self._beat, name="keras-collapse-heartbeat", daemon=True)
        thread.start()

    def stop(self) -> None:
        """Touch the file no more."""
        self._stopped.set()

    def _beat(self) -> None:
        made = False
        while True:
            with contextlib.suppress(OSError):
                if made:
                    os.utime(self._path)
                else:
                    self._path.touch()
                    made = True
            if self._stopped.wait(BEAT_SECONDS):
                return


@contextlib.contextmanager
def at_work(folder: Path) -> Iterator[None]:
    """Let others see, while this lasts, which process works in a folder; see `was_killed`."""
    with contextlib.suppress(OSError):
        write_json(folder / PROCESS, this_process())
    beat = Heartbeat(folder)
    try:
        yield
    finally:
        beat.stop()
        with contextlib.suppress(OSError):
            (folder / PROCESS).unlink()


def was_killed(folder: Path) -> bool:
    """Return whether a process was `at_work` in a folder and did not come to its end."""
    try:
        process = json.loads((folder / PROCESS).read_text(encoding="utf-8"))
        return not works(process, folder / FILE_NAME)
    except (OSError, ValueError, TypeError, KeyError, AttributeError):
        return False


def seconds_since(*paths: Path) -> float | None:
    """Return the age in seconds of the latest change of these files; None if there is none."""
    times = []
    for path in paths:
        with contextlib.suppress(OSError):
            times.append(path.stat().st_mtime)
    return time.time() - max(times) if times else None


def works(process: Mapping[str, Any], *paths: Path) -> bool:
    """Return whether a process works: as seen from here, else by its signs of life.

    Args:
        process: as `this_process` returned it.
        *paths: files that it changes.
    """
    alive = lives(process)
    if alive is not None:
        return alive
    age = seconds_since(*paths)
    return age is not None and age < STALE_SECONDS
