"""Fault isolation: an error in one part is reported once and switches that part off."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Sequence
from typing import Any


def guarded(
    part: Any,
    action: Callable[..., Any],
    *arguments: Any,
    off: Callable[[Any], object] | None = None,
    passing: Sequence[type[Exception]] = (),
    **keywords: Any,
) -> Any:
    """Run a part's action; its fault is reported once and switches the part off, nothing more.

    Args:
        part: whose action it is, for the message.
        action: what to do.
        off: called with the part after a fault.
        passing: exceptions that are meant and go through.
    """
    try:
        return action(*arguments, **keywords)
    except tuple(passing):
        raise
    except Exception as fault:
        name = getattr(part, "__name__", type(part).__name__)
        what = f"{type(fault).__name__}: {fault}"
        warnings.warn(
            f"{name} has switched itself off, the training goes on. Reason: {what}", stacklevel=3
        )
        if off is not None:
            off(part)
        return None
