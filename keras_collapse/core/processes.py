"""Which process writes a run, what started it, and whether it still lives."""

from __future__ import annotations

import os
import shlex
import socket
import sys
from collections.abc import Mapping
from typing import Any


def this_process() -> dict[str, Any]:
    """What `lives` needs to know of this one."""
    return {"pid": os.getpid(), "host": socket.gethostname()}


def this_command() -> str:
    """The command line that starts this process again; empty in a notebook or a console."""
    started = sys.orig_argv
    if not sys.argv[0] or any("kernel_launcher" in word for word in started):
        return ""
    if "-c" in started and sys.argv[0] != "-c":  # as multiprocessing starts its children
        started = [sys.executable, *sys.argv]
    return shlex.join(started)


def lives(process: Mapping[str, Any]) -> bool | None:
    """Whether that process runs; None where that cannot be seen from this machine.

    >>> lives(this_process())
    True
    """
    pid, host = process.get("pid"), process.get("host")
    if not pid or host != socket.gethostname() or os.name == "nt":
        return None
    try:
        os.kill(int(pid), 0)
    except ProcessLookupError:
        return False
    except OSError:  # it is another person's
        return True
    return True
