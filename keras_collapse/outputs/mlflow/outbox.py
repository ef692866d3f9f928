"""What waits to be sent to MLflow: a folder that survives the server, the training and a reboot.

Each file has one writer:

- ``items.jsonl``: the training; one item to be sent a line, in order.
- ``files/``: the training; pictures that belong to items.
- ``state.json``: the sender; the run it sends to, and how much has arrived.
- ``heartbeat``: the sender; empty, touched every few seconds.
- ``refused.jsonl``: the sender; items that could not be sent, each with the reason.

The sender is a thread of the training's process or, after the training, ``keras-collapse sync``.
"""

from __future__ import annotations

import contextlib
import json
import os
import re
import threading
import time
from collections.abc import Collection, Iterator
from pathlib import Path
from typing import Any

from keras_collapse.core.atomic_files import LineFile, write_json
from keras_collapse.core.errors import InputError
from keras_collapse.core.process import heartbeat
from keras_collapse.core.process.heartbeat import seconds_since, works
from keras_collapse.core.process.identity import this_process
from keras_collapse.core.process.redaction import redact
from keras_collapse.outputs.mlflow.budget import budgets

FOLDER = "mlflow"
"""Name of the outbox in the run's folder."""
ITEMS, STATE, REFUSED, FILES = "items.jsonl", "state.json", "refused.jsonl", "files"
BEGIN, END, BROKEN = "begin", "end", "broken"
"""Kinds of items: a fit begins, a fit has ended, a line that is not valid JSON."""
Item = dict[str, Any]


class OutboxError(Exception):
    """The outbox cannot be read or written: its folder was deleted, or the disk is full."""


class Outbox:
    """One run's outbox.

    Args:
        folder: created if missing.
        **state: the first state of a new outbox; without it the existing state is read.

    Attributes:
        state: what the sender knows: ``tracking_uri``, ``run_id``, ``own`` (whether the run is ours
            to end), ``sent`` (bytes of the items that have arrived), and more.
        run_dir: the run's folder; only files in it may be sent.
        budgets: what may still be put, by kind of item; see `Budget`.

    Raises:
        OSError: the folder cannot be created or written to.
        InputError: the state cannot be read or written.
    """

    def __init__(self, folder: Path, **state: Any) -> None:
        self.folder = folder
        self.run_dir = folder.parent
        self.budgets = budgets()
        self._lock = threading.RLock()  # a SIGTERM handler may put while the same thread puts
        folder.mkdir(parents=True, exist_ok=True)
        if state:
            process = this_process()
            self.state: Item = {"sent": 0, "ended": False, "claimed": False, "sender": process,
                                "training": process, **state}  # fmt: skip
            self._keep()
        else:
            self.state = _read_state(folder / STATE)
        self._file = LineFile(folder / ITEMS)

    @classmethod
    def new(cls, run_dir: Path, **state: Any) -> Outbox:
        """Create an outbox in a run's folder, next to those that it has already.

        Raises:
            OSError: the folder cannot be created or written to.
            InputError: the state cannot be written.
        """
        folder, taken = run_dir / FOLDER, 1
        while folder.exists() or folder.is_symlink():  # of a training that was started again
            taken += 1
            folder = run_dir / f"{FOLDER}-{taken}"
        return cls(folder, **state)

    # -- the training's side -------------------------------------------------------------------

    def put(self, kind: str, **fields: Any) -> None:
        """Add an item. The operating system has it when this returns, so no kill can lose it.

        Args:
            kind: the kind of item; `Sender` has a method for each.
            **fields: values that JSON can hold.

        Raises:
            OSError: it cannot be written.
        """
        item = {"kind": kind, "time": int(time.time() * 1000), **fields}
        line = (json.dumps(item, default=str) + "\n").encode()
        with self._lock:
            self._file.append(line)
            if kind in self.budgets:
                self.budgets[kind].put(size_of(item))

    def path_for(self, name: str) -> Path:
        """Return where a file that belongs to an item is to be saved.

        Raises:
            OSError: the folder cannot be made.
        """
        (self.folder / FILES).mkdir(exist_ok=True)
        return self.folder / FILES / name

    # -- the sender's side ---------------------------------------------------------------------

    def note(self, **fields: Any) -> None:
        """Change the state.

        Raises:
            OutboxError: it cannot be written.
        """
        self.state = {**self.state, **fields}
        with _own_files(self.folder):
            (self.folder / STATE).stat()  # a deleted folder is not made again
            self._keep()

    def _keep(self) -> None:
        """Write the state; only its owner may read an address with a password."""
        uri = str(self.state.get("tracking_uri"))
        write_json(self.folder / STATE, self.state, private=redact(uri) != uri)

    def claim(self) -> None:
        """Record that this process sends, until `release`."""
        self.note(sender=this_process())

    def release(self) -> None:
        """Record that no process sends."""
        self.note(sender=None)

    def next(self, most: int) -> list[tuple[Item, int]]:
        """Return the next items, at most that many, each with the position where it ends.

        Raises:
            OutboxError: they cannot be read.
        """
        found: list[tuple[Item, int]] = []
        position = self._sent()
        for line in self._lines(position):
            if len(found) == most:
                break
            position += len(line)
            found.append((_parse(line), position))
        return found

    def arrived(self, position: int) -> None:
        """Record that all items up to this position have arrived or were set aside."""
        self.note(sent=position)

    def set_aside(self, item: Item, reason: str) -> None:
        """Keep an item that cannot be sent, with the reason, as one line of JSON."""
        with _own_files(self.folder), (self.folder / REFUSED).open("a", encoding="utf-8") as file:
            file.write(json.dumps({"reason": reason, "item": item}) + "\n")

    def clear(self) -> None:
        """Free the disk space of the items if all have arrived."""
        with self._lock, _own_files(self.folder):
            if not self.waiting():
                os.truncate(self.folder / ITEMS, 0)
                self.arrived(0)

    # -- for both ------------------------------------------------------------------------------

    @property
    def has_sender(self) -> bool:
        """Whether a process sends this outbox now."""
        sender = self.state.get("sender")
        return sender is not None and works(sender, *self._signs)

    @property
    def quiet_seconds(self) -> float:
        """Seconds since the sender's last sign of life."""
        return seconds_since(*self._signs) or 0.0

    @property
    def _signs(self) -> tuple[Path, Path]:
        return self.folder / heartbeat.FILE_NAME, self.folder / STATE

    @property
    def ended(self) -> bool:
        """Whether the last fit has put its end."""
        ended = bool(self.state["ended"])
        for line in self._lines(self._sent()):
            kind = _parse(line)["kind"]
            if kind in (BEGIN, END):
                ended = kind == END
        return ended

    def waiting(self) -> int:
        """Return the number of items that have not arrived."""
        return sum(1 for _ in self._lines(self._sent()))

    def last_step(self, names: Collection[str]) -> int:
        """Return the last step at which one of these metrics was put; -1 if none was."""
        last = -1
        for line in self._lines(0):
            item = _parse(line)
            if any(name in names for name in item.get("values", ())):
                last = max(last, item.get("step", -1))
        return last

    def _lines(self, position: int) -> Iterator[bytes]:
        """Whole lines from a position on; a last one that is being written is left out."""
        with _own_files(self.folder), (self.folder / ITEMS).open("rb") as file:
            file.seek(position)
            for line in file:
                if line.endswith(b"\n"):
                    yield line

    def _sent(self) -> int:
        with _own_files(self.folder):
            size = (self.folder / ITEMS).stat().st_size
        # A kill inside `clear` leaves the position of items that are gone.
        sent = int(self.state["sent"])
        return sent if sent <= size else 0


def size_of(item: Item) -> int:
    """Return how much an item counts in its budget: its metrics, or 1."""
    return len(item["values"]) if item["kind"] == "metrics" else 1


def outboxes(folder: Path) -> list[Path]:
    """Return the outboxes of a run's folder, or of all runs in a folder.

    Raises:
        InputError: there is none.
    """
    found = sorted(
        path.parent
        for path in folder.rglob(f"{FOLDER}*/{STATE}")
        if re.fullmatch(rf"{FOLDER}(-\d+)?", path.parent.name)
    )
    if not found:
        raise InputError(
            f"nothing in {str(folder)!r} was to be sent to MLflow. Give the folder of a run that "
            "had an MLflowLogger, or a folder of such runs."
        )
    return found


@contextlib.contextmanager
def _own_files(folder: Path) -> Iterator[None]:
    try:
        yield
    except FileNotFoundError:
        raise OutboxError(f"{folder} was deleted") from None
    except (OSError, InputError) as error:
        raise OutboxError(f"cannot use {folder}: {error}") from None


def _parse(line: bytes) -> Item:
    try:
        item = json.loads(line)
        if b"\\ud" in line:  # half a character, which no store takes
            text = json.dumps(item, ensure_ascii=False)
            item = json.loads(text.encode("utf-8", "replace"))
        if isinstance(item["kind"], str):
            return dict(item)
    except (ValueError, KeyError, TypeError, RecursionError):
        pass
    return {"kind": BROKEN, "line": line.decode(errors="replace").rstrip("\n")}


def _read_state(path: Path) -> Item:
    try:
        state = json.loads(path.read_text(encoding="utf-8"))
        types = {"sent": int, "ended": bool, "own": bool}
        wrong = [name for name, type_ in types.items() if not isinstance(state.get(name), type_)]
        if wrong or state["sent"] < 0:
            raise ValueError(f"no valid {wrong[0] if wrong else 'sent'!r}")
        return dict(state)
    except (OSError, ValueError, AttributeError, RecursionError) as error:
        reason = f"{type(error).__name__}: {error}"[:200]
        raise InputError(
            f"cannot read {str(path)!r} ({reason}). Remove its folder, or keep it and send the "
            "other runs."
        ) from None
