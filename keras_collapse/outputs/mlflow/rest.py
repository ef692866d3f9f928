"""Send what a training leaves unsent, in a process that outlives it.

``python -m keras_collapse.outputs.mlflow.rest OUTBOX...``
"""

from __future__ import annotations

import atexit
import os
import subprocess
import sys
import time
from pathlib import Path

from keras_collapse.core.errors import InputError
from keras_collapse.core.guard import guarded

PATIENCE = {"MLFLOW_HTTP_REQUEST_MAX_RETRIES": "2", "MLFLOW_HTTP_REQUEST_TIMEOUT": "10"}
"""MLflow's own settings would try for many minutes."""
EXIT_SECONDS = 60.0
"""Longest time that the training's process takes to end."""

_left: set[Path] = set()
_process = 0  # whose outboxes these are: a forked child has its parent's


def send_after_exit(outbox: Path) -> None:
    """Send an outbox when this process has ended, if something in it waits then."""
    global _process
    if not _process:
        atexit.register(start)
    if _process != os.getpid():
        _left.clear()
        _process = os.getpid()
    _left.add(outbox.resolve())


def start() -> None:
    """Start the process that waits for the end of this one and sends what is left."""
    waiting = [path for path in sorted(_left) if _process == os.getpid() and _waits(path)]
    _left.clear()
    if waiting:
        guarded("The sending after the end", _start, waiting)


def _start(outboxes: list[Path]) -> None:
    command = [sys.executable, "-m", "keras_collapse.outputs.mlflow.rest", *map(str, outboxes)]
    nothing = subprocess.DEVNULL
    subprocess.Popen(
        command, stdin=nothing, stdout=nothing, stderr=nothing, start_new_session=True,
        env={**PATIENCE, **os.environ},
    )  # fmt: skip


def _waits(path: Path) -> bool:
    from keras_collapse.outputs.mlflow.outbox import Outbox, OutboxError

    try:
        return Outbox(path).waiting() > 0
    except (InputError, OutboxError, OSError):  # it is gone
        return False


def main(outboxes: list[Path]) -> None:
    """Send these outboxes, each once its training's process has ended."""
    from keras_collapse.outputs.mlflow.outbox import Outbox
    from keras_collapse.outputs.mlflow.sync import sync_outbox

    until = time.monotonic() + EXIT_SECONDS
    for path in outboxes:
        try:
            while Outbox(path).has_sender and time.monotonic() < until:
                time.sleep(0.2)
            sync_outbox(path)
        except (InputError, OSError):  # it stays for ``keras-collapse sync``
            continue


if __name__ == "__main__":
    main([Path(path) for path in sys.argv[1:]])
