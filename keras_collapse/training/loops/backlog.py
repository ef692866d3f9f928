"""How far a ``fit`` runs ahead of the logs that were read: a bound on when a stop acts."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Iterator

MOST_UNREAD = 32
"""Executions of the training step that may have begun and are not read. A GPU has that many to
work on while the oldest is read, and a fit that is asked to stop does so within as many."""
PATIENCE_SECONDS = 60.0
"""Time without a reading from which a fit is no longer held back: something else is wrong then."""


class Backlog:
    """Holds a fit back while too many of its steps are unread.

    On JAX and PyTorch Keras converts logs and calls callbacks in other threads, if all callbacks
    allow it, so that the training never waits for the numbers of a step. Nothing bounds how far
    ahead it gets then.

    >>> backlog = Backlog()
    >>> backlog.wait(0)  # before the first step
    >>> with backlog.reading():  # in any thread, after it
    ...     pass
    """

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._begun = self._read = 0
        self._on = True

    def wait(self, batch: int) -> None:
        """Count a step that begins, after as many were read as it takes.

        Args:
            batch: its first batch, counted from 0 in each epoch; all earlier epochs are read.
        """
        with self._changed:
            if batch == 0:
                self._begun, self._read, self._on = 0, 0, True
            self._begun += 1
            if self._on:
                self._on = self._changed.wait_for(self._is_near, PATIENCE_SECONDS)

    def _is_near(self) -> bool:
        return self._begun - self._read <= MOST_UNREAD

    @contextlib.contextmanager
    def reading(self) -> Iterator[None]:
        """Count a step as read once the block ends, in any way."""
        try:
            yield
        finally:
            with self._changed:
                self._read += 1
                self._changed.notify_all()
