"""Waiting in tests for what another thread or process does."""

import time
from collections.abc import Callable

LONGEST_SECONDS = 300.0
"""Far longer than any of it takes on a slow, busy machine."""


def wait_until(condition: Callable[[], object], seconds: float = LONGEST_SECONDS) -> None:
    """Return as soon as the condition holds; fail if it does not in that many seconds."""
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, f"not in {seconds:g} seconds"
        time.sleep(0.05)
