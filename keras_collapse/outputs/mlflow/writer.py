"""Which training writes a run in MLflow: one at a time, named by a tag of the run."""

from __future__ import annotations

import contextlib
import json
import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout

from keras_collapse.core.process.identity import lives

WRITER = "mlflow.collapse.writer"
"""Tag (hidden in the UI) with the token, the start and the process of the training that writes."""
LOCK_SECONDS = 30.0
"""Longest wait for another training of this user that looks for its run."""


def writer_of(run: Any) -> dict[str, Any]:
    """Return what a run's tag says of its writer; empty without one."""
    try:
        return dict(json.loads(run.data.tags.get(WRITER, "")))
    except (ValueError, TypeError):
        return {}


def claim(client: Any, state: Mapping[str, Any]) -> None:
    """Make the training of an outbox, given its state, the writer of its run."""
    writer = {"token": token_of(state), "began": state["began"], **(state.get("training") or {})}
    client.set_tag(state["run_id"], WRITER, json.dumps(writer), synchronous=True)


def end_claim(client: Any, run: Any, state: Mapping[str, Any]) -> None:
    """Record that the writer has ended, so that another training may go on at once."""
    writer = writer_of(run)
    if writer.get("token") == token_of(state):
        ended = json.dumps({**writer, "ended": True})
        client.set_tag(state["run_id"], WRITER, ended, synchronous=True)


def token_of(state: Mapping[str, Any]) -> str:
    """Return the token of an outbox, from its state."""
    return str((state.get("wanted") or {}).get("token", ""))


def is_anothers(run: Any, state: Mapping[str, Any]) -> bool:
    """Return whether another training than that of this outbox writes the run."""
    writer = writer_of(run)
    return bool(writer) and writer.get("token") != token_of(state)


def is_busy(run: Any, state: Mapping[str, Any]) -> bool:
    """Return whether another process of this machine is writing the run now."""
    writer = writer_of(run)
    mine = state.get("training") or {}
    if writer.get("ended") or not is_anothers(run, state):
        return False
    if writer.get("pid") == mine.get("pid") and writer.get("started") == mine.get("started"):
        return False
    return lives(writer) is True


def may_still_run(run: Any) -> bool:
    """Return whether the writer of a run that has not ended may still be training."""
    writer = writer_of(run)
    return run.info.status == "RUNNING" and not writer.get("ended") and lives(writer) is not False


@contextlib.contextmanager
def one_at_a_time() -> Iterator[None]:
    """Let one training of this user at a time look for its run and claim it.

    Where there is no home folder to lock in, nothing is waited for.
    """
    home = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    with contextlib.ExitStack() as stack:
        with contextlib.suppress(OSError, RuntimeError, Timeout):
            folder = Path(home) / "keras-collapse"
            folder.mkdir(parents=True, exist_ok=True)
            stack.enter_context(FileLock(folder / "mlflow_runs.lock", timeout=LOCK_SECONDS))
        yield
