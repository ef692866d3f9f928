"""End the MLflow run of a fit that never reaches its end."""

from __future__ import annotations

import sys
import weakref
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from keras_collapse.core.guard import guarded
from keras_collapse.core.samples.probe import Probe
from keras_collapse.core.termination import register
from keras_collapse.outputs.mlflow.end_of_run import put_end, put_verdict, verdict_so_far
from keras_collapse.outputs.mlflow.outbox import Outbox
from keras_collapse.outputs.mlflow.sender_thread import SenderThread

LAST_SECONDS = 5.0
"""Longest time that the end of the process waits for the server."""


class EarlyEnd:
    """Ends one fit's run with the verdict so far, unless `cancel` is called first.

    After an uncaught exception, when the process exits or a notebook's cell ends, the run is
    FAILED; after Ctrl-C or SIGTERM it is KILLED. The same happens when the owner is garbage
    collected.

    Args:
        owner: the logger; only a weak reference is kept.
        outbox: of the run.
        thread: sends the outbox.
        run_dir: the run's folder.
        probes: the sample checks, appended to by the logger.
    """

    def __init__(
        self,
        owner: Any,
        outbox: Outbox,
        thread: SenderThread,
        run_dir: Path,
        probes: Sequence[Probe],
    ) -> None:
        self._outbox, self._thread = outbox, thread
        self._run_dir, self._probes = run_dir, probes
        self._finalizer = weakref.finalize(owner, self._after_last_exception)
        self._unregister = register(self._terminate)
        self._leave_notebook = _after_cell(self)

    def cancel(self) -> bool:
        """Do nothing any more: the fit has reached its end, or another one continues its run.

        Returns:
            Whether there was something to cancel.
        """
        self._unregister()
        self._leave_notebook()
        return self._finalizer.detach() is not None

    def end(self, status: str, reason: str, abandoned: bool = False) -> None:
        """End the run now, once.

        Args:
            status, reason, abandoned: as `put_end` takes them.
        """
        if self.cancel():
            guarded(EarlyEnd, self._end, status, reason, abandoned)

    def _terminate(self) -> None:
        self.end("KILLED", "SIGTERM", abandoned=True)

    def _after_last_exception(self) -> None:
        self._unregister()
        self._leave_notebook()
        guarded(EarlyEnd, self._end, *_how(getattr(sys, "last_value", None)))

    def _end(self, status: str, reason: str, abandoned: bool = False) -> None:
        if self._thread.fault:
            return
        verdict = verdict_so_far(self._run_dir)
        if verdict is not None:
            put_verdict(self._outbox, self._run_dir, verdict, self._probes)
        put_end(self._outbox, self._run_dir, status, reason, abandoned)
        self._thread.finish(LAST_SECONDS)


def _how(error: BaseException | None) -> tuple[str, str]:
    """Return MLflow's status and the reason, after an exception."""
    if error is None:
        return "FAILED", "fit did not end"
    status = "KILLED" if isinstance(error, KeyboardInterrupt) else "FAILED"
    return status, f"{type(error).__name__}: {error}"


def _after_cell(early: EarlyEnd) -> Any:
    """In a notebook an exception ends the cell, not the process: end the run then too.

    Returns:
        A function that stops listening to cells.
    """
    ipython = sys.modules.get("IPython")
    shell = ipython.get_ipython() if ipython else None
    if shell is None:
        return lambda: None

    def after(result: Any) -> None:
        if result.error_in_exec is not None:
            early.end(*_how(result.error_in_exec))

    def leave() -> None:
        if after in shell.events.callbacks["post_run_cell"]:
            shell.events.unregister("post_run_cell", after)

    shell.events.register("post_run_cell", after)
    return leave
