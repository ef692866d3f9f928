"""``keras-collapse sync``: send what MLflow had not received when a training ended."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

from keras_collapse import sources
from keras_collapse.core.errors import InputError
from keras_collapse.core.process.heartbeat import Heartbeat
from keras_collapse.core.process.identity import lives
from keras_collapse.core.process.redaction import redact
from keras_collapse.core.readings.reading import Reading
from keras_collapse.core.readings.signals import SIGNALS
from keras_collapse.outputs.mlflow.end_of_run import put_end, put_reading, put_verdict
from keras_collapse.outputs.mlflow.outbox import FOLDER, Outbox, OutboxError, outboxes
from keras_collapse.outputs.mlflow.sender import Sender, Unreachable
from keras_collapse.outputs.mlflow.writer import may_still_run
from keras_collapse.sources.mlflow_run import READINGS

KILLED = "its process was killed"


def sync(folder: Path, force: bool = False) -> Iterator[str]:
    """Send what waits in a run's folder, or in a folder of runs.

    Args:
        folder: of a run, or of runs.
        force: send even what a process of another machine, or another training of the same run,
            may be sending: for one that is known to have ended.

    Yields:
        A line for each run.

    Raises:
        InputError: there is no outbox, or some could not be sent; the others were.
    """
    faults = []
    for path in outboxes(folder):
        try:
            yield sync_outbox(path, force)
        except InputError as error:
            faults.append(str(error))
    if faults:
        raise InputError(" ".join(faults))


def sync_outbox(path: Path, force: bool = False) -> str:
    """Send one outbox; see `sync`.

    Returns:
        What was done, in a line.

    Raises:
        InputError: it cannot be used, or the server does not answer.
    """
    outbox, run_dir = Outbox(path), path.parent
    if outbox.has_sender:
        sender = outbox.state["sender"]
        if lives(sender):
            return f"{run_dir}: its training is running, or just ended, and sends it"
        if not force:
            return (
                f"{run_dir}: a process on {sender.get('host')!r} sends it (last sign of life "
                f"{outbox.quiet_seconds:.0f} s ago). If that has ended, add --force"
            )
    try:
        outbox.claim()
        beat = Heartbeat(path)
        try:
            return f"{run_dir}: {_send(outbox, run_dir, force)}"
        except Unreachable as error:
            raise InputError(
                f"MLflow does not answer ({str(error)[:300]}). {outbox.waiting()} items of "
                f"{str(run_dir)!r} still wait. Start the server and try again."
            ) from None
        finally:
            beat.stop()
            outbox.release()
    except OutboxError as error:
        raise InputError(str(error)) from None


def _send(outbox: Outbox, run_dir: Path, force: bool) -> str:
    """Send what waits; return what was done, in words."""
    sender = Sender(outbox, again=True)
    if not outbox.ended or outbox.waiting():
        client = sender.connect().client
        continued = sender.superseded and not force
        if continued and may_still_run(client.get_run(outbox.state["run_id"])):
            return (
                "its run is continued by another training that still runs. Try again later, or if "
                "that has ended, add --force"
            )
    if not outbox.ended and not sender.superseded:
        _end_killed(outbox, run_dir)
    waiting = outbox.waiting()
    sender.send()
    outbox.note(ended=True)
    outbox.clear()
    state = outbox.state
    where = f"run {state['run_id']} at {redact(state['tracking_uri'])}" if waiting else "MLflow"
    return f"{waiting} items sent to {where}"


def _end_killed(outbox: Outbox, run_dir: Path) -> None:
    """Put what the training would have put last, from its journal."""
    try:
        if outbox.folder.name != FOLDER:
            raise InputError("the journal is that of an earlier training in this folder")
        run = sources.read(run_dir)
        known = outbox.last_step([READINGS + signal for signal in SIGNALS])
        late: list[Reading] = []  # they were still held back

        def keep_late(readings: Sequence[Reading]) -> None:
            late.extend(reading for reading in readings if reading.step > known)

        examined = sources.examine(run, keep_readings=False, on_readings=keep_late)
    except InputError:  # it has none, or was killed before its first step
        pass
    else:
        for reading in late:
            put_reading(outbox, reading)
        put_verdict(outbox, run_dir, examined.verdict, run.probes)
    put_end(outbox, run_dir, "KILLED", KILLED)
