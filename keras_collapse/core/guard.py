"""Fault isolation: an error in one part of the monitor never reaches the training."""

from __future__ import annotations

import sys
import warnings
from collections.abc import Callable, Sequence
from typing import Any

from keras_collapse.core.process.printable import printable_lines
from keras_collapse.core.process.redaction import redact


def warn(message: str, stacklevel: int = 2) -> None:
    """Issue a warning; where warnings are errors, print it, since it must not stop anything.

    Secrets in the message, as an error's text may have them, are left out, and control characters
    are shown as escapes.
    """
    message = printable_lines(redact(message))
    try:
        warnings.warn(message, stacklevel=stacklevel + 1)
    except Warning:
        print(f"keras-collapse: {message}", file=sys.stderr, flush=True)


def guarded(
    part: Any,
    action: Callable[..., Any],
    *arguments: Any,
    off: Callable[[Any], object] | None = None,
    passing: Sequence[type[Exception]] = (),
    **keywords: Any,
) -> Any:
    """Run an action of one part; report its error as a warning and return None.

    Args:
        part: the part whose action it is, or its name; named in the warning.
        action: what to run.
        off: called with the part after an error, to switch it off; without it nothing is switched
            off and the action is tried again the next time.
        passing: exceptions that are intended and are raised again.
    """
    try:
        return action(*arguments, **keywords)
    except tuple(passing):
        raise
    except (KeyboardInterrupt, SystemExit, GeneratorExit):
        raise
    except BaseException as error:  # some libraries raise their own, as Rust's panics in Python
        name = part if isinstance(part, str) else getattr(part, "__name__", type(part).__name__)
        what = "has switched itself off" if off is not None else "failed this time"
        warn(f"{name} {what}; the training goes on. Reason: {type(error).__name__}: {error}", 3)
        if off is not None:
            off(part)
        return None
