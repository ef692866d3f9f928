"""How a command ends: its exit status, and one line on standard error if it could not run."""

from __future__ import annotations

import os
import shlex
import sys
import traceback
from collections.abc import Mapping
from pathlib import Path

import typer
from typer.exceptions import TyperException

from keras_collapse.core.errors import InputError
from keras_collapse.core.findings import Status, Verdict
from keras_collapse.outputs.terminal.standard_output import complain, discard_output, whole_output

PROBLEM = 1
NOT_DONE = 2
INTERRUPTED = 130
TRACEBACK = "KERAS_COLLAPSE_TRACEBACK"
"""Environment variable with which an internal error shows its traceback."""


def status_of(verdict: Verdict) -> int:
    """Return the exit status of a verdict: 0 if nothing was found, 1 if a problem was."""
    return PROBLEM if verdict.status in (Status.FAILED, Status.WARNING) else 0


def exit_status(app: typer.Typer, name: str, hints: Mapping[str, str]) -> int:
    """Run a command line; return its exit status.

    Args:
        app: the command line.
        name: of the program.
        hints: command to a sentence on options that it does not know.
    """
    try:
        status: int = app(standalone_mode=False, prog_name=name)
        with whole_output():
            return status
    except InputError as error:
        complain(str(error))
    except TyperException as error:
        complain(_usage(error, name, hints))
    except KeyboardInterrupt:
        complain("interrupted.")
        return INTERRUPTED
    except BrokenPipeError:
        discard_output()
        complain("the output was closed before the work was done.")
    except OSError as error:
        discard_output()
        place = f" {error.filename!r}" if error.filename is not None else ""
        complain(f"cannot use the file or output{place} ({error.strerror or error}).")
    except Exception as error:  # Python's own status, 1, says that a problem was found in a run
        if os.environ.get(TRACEBACK):
            traceback.print_exc()
        frame = traceback.extract_tb(error.__traceback__)[-1]
        complain(
            f"internal error: {type(error).__name__}: {str(error)[:200]} "
            f"({Path(frame.filename).name}, line {frame.lineno}). Please report it, with what "
            f"{TRACEBACK}=1 shows."
        )
    return NOT_DONE


def _usage(error: TyperException, name: str, hints: Mapping[str, str]) -> str:
    """Return one line on arguments that Typer does not accept."""
    unknown = type(error).__name__ == "NoSuchOption"  # Typer exports no name for it
    hint = hints.get("".join(sys.argv[1:2]), "") if unknown else ""
    received = shlex.join(sys.argv[1:])
    message = error.format_message().rstrip(".")
    return f"{message}. Received: {received}. {hint + ' ' if hint else ''}See {name} --help."
