"""What waits for a tracking server: a folder that outlives the server, the training, the machine.

``target.json`` says which run it is for, ``items.jsonl`` holds what is to be sent, a line each, in
order, and ``sent`` how many bytes of it have arrived. The training writes; a `Sender` reads, in its
thread or, after the training, in ``keras-collapse sync``.
"""

from __future__ import annotations

import json
import threading
import time
import weakref
from collections.abc import Collection
from pathlib import Path
from typing import Any

from keras_collapse.core.atomic_files import write, write_json
from keras_collapse.core.errors import InputError
from keras_collapse.core.processes import lives, this_process

FOLDER = "mlflow"
"""In the run's folder."""
ITEMS, TARGET, SENT, FILES = "items.jsonl", "target.json", "sent", "files"
Item = dict[str, Any]


class Outbox:
    """One folder of things to send.

    Args:
        folder: made if missing.

    Raises:
        OSError: it cannot be made or written to.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._lock = threading.Lock()
        folder.mkdir(parents=True, exist_ok=True)
        self._file = (folder / ITEMS).open("a", encoding="utf-8")
        weakref.finalize(self, self._file.close)

    def put(self, kind: str, **fields: Any) -> None:
        """Add an item: the operating system has it when this returns, so no kill can take it.

        Args:
            kind: what it is; `Sender` has a method for each.
            **fields: plain values.
        """
        line = json.dumps({"kind": kind, "time": int(time.time() * 1000), **fields}, default=str)
        with self._lock:
            self._file.write(line + "\n")
            self._file.flush()

    def place_for(self, name: str) -> Path:
        """Where a file that goes with an item is to be put."""
        (self.folder / FILES).mkdir(exist_ok=True)
        return self.folder / FILES / name

    # -- where to ----------------------------------------------------------------------------

    @property
    def target(self) -> Item:
        """Which run it is for; empty before that is known.

        Raises:
            InputError: the file is broken.
        """
        path = self.folder / TARGET
        try:
            return dict(json.loads(path.read_text(encoding="utf-8")))
        except FileNotFoundError:
            return {}
        except (OSError, ValueError) as error:
            raise InputError(f"cannot read {str(path)!r} ({error}). Remove the folder.") from None

    def note(self, **fields: Any) -> None:
        """Say which run it is for, or more of it."""
        write_json(self.folder / TARGET, {**self.target, **fields})

    def claim(self) -> None:
        """Say that this process writes and sends, until `release`."""
        self.note(**this_process(), ended=False)

    def end(self) -> None:
        """Say that nothing more will be put; this process may still send."""
        self.note(ended=True)

    def release(self) -> None:
        """Say that nobody writes or sends."""
        self.note(pid=None)

    @property
    def writer(self) -> str:
        """Who has claimed it: ``"nobody"``, ``"alive"``, ``"killed"`` if it died before its end."""
        target = self.target
        if not target.get("pid"):
            return "nobody"
        if lives(target) is not False:
            return "alive"
        return "nobody" if target.get("ended") else "killed"

    # -- what is to be sent --------------------------------------------------------------------

    @property
    def sent(self) -> int:
        """Bytes of the items that have arrived."""
        try:
            place = int((self.folder / SENT).read_text(encoding="utf-8"))
        except (OSError, ValueError):
            return 0
        return place if place <= (self.folder / ITEMS).stat().st_size else 0  # else see `clear`

    def arrived(self, place: int) -> None:
        """All up to here has arrived."""
        write(self.folder / SENT, str(place))

    def clear(self) -> None:
        """All has arrived: give the room back."""
        with self._lock:
            if not self.waiting():
                self._file.truncate(0)
                self.arrived(0)

    def next(self, most: int) -> list[tuple[Item, int]]:
        """The next whole items, at most so many, each with the place where it ends."""
        found: list[tuple[Item, int]] = []
        with (self.folder / ITEMS).open("rb") as file:
            place = self.sent
            file.seek(place)
            for line in file:
                if not line.endswith(b"\n") or len(found) == most:
                    break
                place += len(line)
                found.append((json.loads(line), place))
        return found

    def last_step(self, names: Collection[str]) -> int:
        """The last step of which one of these metrics was put, sent or not; -1 if of none."""
        last = -1
        with (self.folder / ITEMS).open("rb") as file:
            for line in file:
                item = json.loads(line) if line.endswith(b"\n") else {}
                if any(name in names for name in item.get("values", ())):
                    last = max(last, item.get("step", -1))
        return last

    def waiting(self) -> int:
        """Items that have not arrived."""
        with (self.folder / ITEMS).open("rb") as file:
            file.seek(self.sent)
            return sum(line.endswith(b"\n") for line in file)


def outboxes(folder: Path) -> list[Path]:
    """The outboxes of a run's folder, or of all runs in a folder.

    Raises:
        InputError: there is none.
    """
    found = sorted(path.parent for path in folder.rglob(f"{FOLDER}/{TARGET}"))
    if not found:
        raise InputError(
            f"{str(folder)!r} holds nothing that was to be sent to MLflow. Give the folder of a "
            "run that had an MLflowLogger, or of all runs."
        )
    return found
