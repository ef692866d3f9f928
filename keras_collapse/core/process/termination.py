"""Notice that a fit never reaches its end: an exception, Ctrl-C, SIGTERM.

Keras tells callbacks nothing of an exception; `EarlyEnd` does. SIGTERM is how schedulers end jobs,
and Python's default for it is sudden death: no ``finally``, no ``atexit``. While at least one
callback is registered, a handler runs them and then lets the signal take its default action, so the
exit status stays that of a terminated process. A handler of the user's is never replaced.
"""

from __future__ import annotations

import os
import signal
import sys
import threading
import weakref
from collections.abc import Callable
from dataclasses import dataclass
from types import FrameType
from typing import Any, Literal

from keras_collapse.core.guard import guarded
from keras_collapse.core.process.redaction import redact

FLUSH_SECONDS = 10.0
"""Longest time that the callbacks get together. Slurm kills 30 seconds after SIGTERM, as Kubernetes
and Ray do; Docker after 10."""

_callbacks: list[Callable[[], None]] = []


def register(callback: Callable[[], None]) -> Callable[[], None]:
    """Call ``callback`` once if SIGTERM arrives before it is unregistered.

    Callbacks run on the main thread between two bytecodes, the last registered first, so they must
    not wait for a lock that the interrupted code may hold. The handler is installed only
    from the main thread, and only where SIGTERM has its default action; elsewhere this does
    nothing.

    Args:
        callback: takes no arguments; an error is reported and the next one runs.

    Returns:
        A function that unregisters the callback; calling it twice has no effect. When the last one
        is gone, SIGTERM has its default action again.
    """
    _callbacks.append(callback)
    if _in_main_thread() and signal.getsignal(signal.SIGTERM) is signal.SIG_DFL:
        signal.signal(signal.SIGTERM, _terminate)

    def unregister() -> None:
        if callback in _callbacks:
            _callbacks.remove(callback)
        if not _callbacks and _in_main_thread() and signal.getsignal(signal.SIGTERM) is _terminate:
            signal.signal(signal.SIGTERM, signal.SIG_DFL)

    return unregister


def _terminate(number: int, _: FrameType | None) -> None:
    signal.signal(number, signal.SIG_DFL)  # from here on a second SIGTERM ends the process at once
    late = threading.Timer(FLUSH_SECONDS, os.kill, (os.getpid(), number))
    late.daemon = True
    late.start()
    while _callbacks:
        callback = _callbacks.pop()
        guarded(callback, callback)
    os.kill(os.getpid(), number)


def _in_main_thread() -> bool:
    return threading.current_thread() is threading.main_thread()


@dataclass(frozen=True, slots=True)
class Ending:
    """How a fit ended early.

    Args:
        status: ``"FAILED"`` after an exception, ``"KILLED"`` after Ctrl-C or SIGTERM.
        reason: in words.
        terminated: the process is about to die of SIGTERM.
        explained: whether an exception or a signal is known to be the reason.
    """

    status: Literal["FAILED", "KILLED"]
    reason: str
    terminated: bool = False
    explained: bool = True

    @classmethod
    def of(cls, error: BaseException | None) -> Ending:
        """Return how a fit ended that was left by an exception, if one is known.

        >>> Ending.of(ValueError("no such layer")).reason
        'ValueError: no such layer'
        """
        if error is None:
            return cls("FAILED", "fit did not end", explained=False)
        status: Any = "KILLED" if isinstance(error, KeyboardInterrupt) else "FAILED"
        return cls(status, redact(f"{type(error).__name__}: {error}".rstrip(": ")))


class EarlyEnd:
    """Calls a function once if a fit ends early, unless `cancel` is called first.

    It is called when SIGTERM arrives; when a notebook's cell ends by an exception; when the process
    exits, after the traceback was printed; or when the owner is garbage collected. Of several, the
    one created last is called first, as with ``atexit``.

    Args:
        owner: object that lives as long as the fit may go on; only a weak reference is kept.
        callback: takes an `Ending`; must not refer to the owner. Its errors are reported.
    """

    def __init__(self, owner: Any, callback: Callable[[Ending], None]) -> None:
        self._callback = callback
        self._finalizer = weakref.finalize(owner, self._drop)
        self._unregister = register(self._terminate)
        _waiting.append(self)
        _listen_to_cells()

    def cancel(self) -> bool:
        """Call nothing any more: the fit has reached its end, or another one continues its run.

        Returns:
            Whether there was something to cancel.
        """
        self._leave()
        return self._finalizer.detach() is not None

    def forget(self) -> None:
        """Call nothing any more, in a forked child."""
        self._finalizer.detach()

    def end(self, ending: Ending) -> None:
        """Call the function now, if it was neither called nor cancelled."""
        if self.cancel():
            guarded(self._callback, self._callback, ending)

    def _terminate(self) -> None:
        self.end(Ending("KILLED", "SIGTERM", terminated=True))

    def _drop(self) -> None:
        self._leave()
        guarded(self._callback, self._callback, Ending.of(getattr(sys, "last_value", None)))

    def _leave(self) -> None:
        self._unregister()
        if self in _waiting:
            _waiting.remove(self)


_waiting: list[EarlyEnd] = []


def _forget() -> None:
    """Forget the fits in a forked child: they are its parent's to end."""
    _callbacks.clear()
    for early in _waiting:
        early.forget()
    _waiting.clear()


if hasattr(os, "register_at_fork"):  # data loaders fork while a fit runs
    os.register_at_fork(after_in_child=_forget)


def _listen_to_cells() -> None:
    """In a notebook an exception ends the cell, not the process."""
    ipython = sys.modules.get("IPython")
    shell = ipython.get_ipython() if ipython else None
    if shell is not None and _after_cell not in shell.events.callbacks["post_run_cell"]:
        shell.events.register("post_run_cell", _after_cell)


def _after_cell(result: Any) -> None:
    if result.error_in_exec is not None:
        for early in reversed(_waiting.copy()):
            early.end(Ending.of(result.error_in_exec))
