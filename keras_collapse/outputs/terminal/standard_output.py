"""What a command prints: complete, without control characters, or a clear error."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any

from keras_collapse.core.errors import InputError
from keras_collapse.core.process.printable import printable


@contextmanager
def whole_output() -> Iterator[None]:
    """Print what was found; a reader that leaves early does not change the exit status.

    Raises:
        InputError: standard output cannot be written, as on a full disk.
    """
    try:
        yield
        if sys.stdout is not None:  # it was closed by whoever started the command
            sys.stdout.flush()
    except BrokenPipeError:
        discard_output()
    except OSError as error:
        discard_output()
        raise InputError(
            f"cannot write the output ({error.strerror}). Free some space, or write it elsewhere."
        ) from None


def discard_output() -> None:
    """Send what is left of standard output nowhere, so that its flush at the exit succeeds."""
    with suppress(OSError, ValueError):
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def say(line: str) -> None:
    """Print a line."""
    print(printable(line))


def print_json(report: dict[str, Any]) -> None:
    """Print a report as JSON, in ASCII."""
    print(json.dumps(report, indent=1, allow_nan=False, default=str))


def complain(message: str) -> None:
    """Print one line on standard error."""
    with suppress(OSError):
        line = printable(f"keras-collapse: {' '.join(message.split())}")
        print(line, file=sys.stderr, flush=True)
