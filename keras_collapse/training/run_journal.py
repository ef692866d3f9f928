"""The journal of a monitored run: opened when it begins; its errors cost only itself."""

from __future__ import annotations

import time
import weakref
from collections.abc import Callable
from pathlib import Path
from typing import Any

from keras_collapse.core.guard import guarded, warn
from keras_collapse.core.journal import Journal
from keras_collapse.core.process.identity import this_command, this_process
from keras_collapse.core.records import SCHEMA, Record, RunStarted

RUNS_FOLDER = "collapse_runs"


def new_run_folder() -> Path:
    """A folder in ``collapse_runs`` that does not exist yet, named by the time."""
    stamp = time.strftime("%Y%m%d-%H%M%S")
    folder, taken = Path(RUNS_FOLDER) / stamp, 1
    while folder.exists():
        taken += 1
        folder = Path(RUNS_FOLDER) / f"{stamp}-{taken}"
    return folder


class RunJournal:
    """Writes records into a run's folder; an error costs the journal, never the training.

    Args:
        folder: the run's folder; a new one in ``collapse_runs`` if None.

    Attributes:
        folder: the run's folder; None before the journal was opened without one.
    """

    def __init__(self, folder: Path | None = None) -> None:
        self.folder = folder
        self._journal: Journal | None = None
        self._reported = False

    @property
    def is_open(self) -> bool:
        """Whether records are being written."""
        return self._journal is not None

    def open(self) -> None:
        """Make the folder and write the first record; opening twice has no effect.

        Raises:
            InputError: the folder cannot be written to, or holds a run already.
        """
        if self._journal is not None:
            return
        self.folder = self.folder or new_run_folder()
        self._journal = Journal(self.folder)
        weakref.finalize(self, _close, self._journal)
        self.write(RunStarted(SCHEMA, time.time(), this_process(), this_command(), str(Path.cwd())))

    def write(self, record: Record, flush: bool = False) -> None:
        """Append a record; with ``flush`` it is on the disk before this returns."""
        if self._journal is not None:
            guarded(self._journal, self._try, self._journal.write, record, off=self._switch_off)
        if flush:
            self.flush()

    def flush(self) -> None:
        """Hand everything to the operating system now."""
        if self._journal is not None:
            guarded(self._journal, self._try, self._journal.flush, off=self._switch_off)

    def _try(self, action: Callable[..., None], *arguments: Any) -> None:
        """Report a full disk once; the journal tries again, since the disk may have room later."""
        try:
            action(*arguments)
        except OSError as error:
            if not self._reported:
                self._reported = True
                warn(
                    f"the journal in {str(self.folder)!r} cannot be written now "
                    f"({error.strerror}); it is tried again, and the training goes on.",
                    stacklevel=4,
                )

    def _switch_off(self, _: object) -> None:
        self._journal = None


def _close(journal: Journal) -> None:
    """At the process' end nobody is left to tell of a disk that is full."""
    try:
        journal.close()
    except OSError:
        return
