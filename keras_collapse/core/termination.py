"""Run callbacks before SIGTERM ends the process: it is how schedulers end jobs.

Python's default for SIGTERM is sudden death: no ``finally``, no ``atexit``. While at least one
callback is registered, a handler runs them and then lets the signal take its default action, so the
exit status stays that of a terminated process. A handler of the user's is never replaced.
"""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Callable
from types import FrameType

from keras_collapse.core.guard import guarded

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


# A child forked while a fit runs (a data loader's worker) must not end its parent's run.
if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_callbacks.clear)
