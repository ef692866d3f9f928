"""Identify the process that writes a run: its pid, its command, and whether it is alive."""

from __future__ import annotations

import os
import shlex
import socket
import sys
from collections.abc import Mapping
from typing import Any

import psutil

START_TOLERANCE = 2.0
"""Seconds by which two readings of one process' start time may differ: the operating system counts
from boot, so a corrected clock moves it a little. A reused pid starts later than that."""


def this_process() -> dict[str, Any]:
    """Return what `lives` needs to recognise this process: pid, start time and host name."""
    pid = os.getpid()
    started = round(psutil.Process(pid).create_time())  # whole: a journal keeps nine digits only
    return {"pid": pid, "started": started, "host": socket.gethostname()}


def this_command() -> str:
    """Return the command line that starts this process again; empty in a notebook or console."""
    started = sys.orig_argv
    if not sys.argv[0] or any("kernel_launcher" in word for word in started):
        return ""
    if "-c" in started and sys.argv[0] != "-c":  # a child started by multiprocessing
        started = [sys.executable, *sys.argv]
    return shlex.join(started)


def lives(process: Mapping[str, Any]) -> bool | None:
    """Return whether a process is running; None if this machine cannot know.

    A zombie is not running, nor is a process whose pid now belongs to another one.

    Args:
        process: as `this_process` returned it.

    >>> lives(this_process())
    True
    >>> lives({**this_process(), "started": 0})
    False
    """
    pid, started = process.get("pid"), process.get("started")
    if not pid or started is None or process.get("host") != socket.gethostname():
        return None
    try:
        found = psutil.Process(int(pid))
        same = abs(found.create_time() - started) <= START_TOLERANCE
        return same and found.status() not in (psutil.STATUS_ZOMBIE, psutil.STATUS_DEAD)
    except psutil.NoSuchProcess:
        return False
    except psutil.AccessDenied:
        return None
