"""``keras-collapse sync``: sends what MLflow had not taken when the training ended."""

from __future__ import annotations

from pathlib import Path

from keras_collapse import sources
from keras_collapse.core.errors import InputError
from keras_collapse.core.readings.signals import SIGNALS
from keras_collapse.outputs.mlflow.end_of_run import put_end, put_verdict
from keras_collapse.outputs.mlflow.outbox import Outbox, outboxes
from keras_collapse.outputs.mlflow.sender import Sender, Unreachable

KILLED = "its process was killed"


def sync(folder: Path) -> list[str]:
    """Send what waits in a run's folder, or in a folder of runs.

    Returns:
        A line for each run.

    Raises:
        InputError: nothing was ever to be sent, or the server does not answer.
    """
    return [_sync(path) for path in outboxes(folder)]


def _sync(path: Path) -> str:
    outbox = Outbox(path)
    run_dir = path.parent
    if outbox.writer == "alive":
        return f"{run_dir}: the process that trained it lives, and sends it"
    if outbox.writer == "killed":
        _end_killed(outbox, run_dir)
    outbox.claim()
    waiting = outbox.waiting()
    try:
        Sender(outbox, again=True).send()
    except Unreachable as error:
        raise InputError(
            f"MLflow does not answer ({str(error)[:300]}). {waiting} items of {str(run_dir)!r} "
            "still wait. Start the server, and try again."
        ) from None
    finally:
        outbox.release()
    outbox.clear()
    target = outbox.target
    return f"{run_dir}: {waiting} items sent to run {target['run_id']} at {target['tracking_uri']}"


def _end_killed(outbox: Outbox, run_dir: Path) -> None:
    """What the training itself would have put last, from its journal."""
    try:
        run = sources.read(run_dir)
    except InputError:  # it was killed before its first step
        run = None
    if run is not None:
        prefix = outbox.target["prefix"]
        known = outbox.last_step([prefix + signal for signal in SIGNALS])
        for reading in sources.examine(run).readings:  # the last ones were still weighed up
            if reading.step > known:
                named = {prefix + signal: value for signal, value in reading.values.items()}
                outbox.put("metrics", step=reading.step, values=named)
        put_verdict(outbox, sources.examine(run).verdict)
    put_end(outbox, str(run_dir), "KILLED" if outbox.target["own"] else None, KILLED)
    outbox.release()
