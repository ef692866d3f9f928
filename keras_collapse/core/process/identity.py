"""Identify the process that writes a run: its pid, its command, and whether it is alive."""

from __future__ import annotations

import contextlib
import functools
import os
import shlex
import socket
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import psutil

from keras_collapse.core.process.redaction import redact_words

START_TOLERANCE = 2.0
"""Seconds by which two readings of one process' start may differ. A reused pid starts later."""
BOOT_ID = Path("/proc/sys/kernel/random/boot_id")
PID_NAMESPACE = "/proc/self/ns/pid"


def this_process() -> dict[str, Any]:
    """Return what `lives` needs to recognise this process.

    Returns:
        ``pid``; ``started``, in seconds since the machine booted, which a corrected clock does not
        change; ``host``; and ``boot``, which is the same only for processes that can see each
        other: the machine's boot and, in containers, the namespace of pids.
    """
    pid = os.getpid()
    return {"pid": pid, "started": _start(pid), "host": socket.gethostname(), "boot": _boot()}


def _start(pid: int) -> float:
    """Return a process' start in seconds since the machine booted."""
    booted = psutil.boot_time()  # first: psutil counts from the boot time it has read last
    return float(round(psutil.Process(pid).create_time() - booted, 2))


@functools.cache
def _boot() -> str:
    with contextlib.suppress(OSError):
        return f"{BOOT_ID.read_text().strip()} {os.readlink(PID_NAMESPACE)}"
    return ""  # not Linux: only the host's name is known


def this_command() -> str:
    """Return the command line that starts this process again; empty in a notebook or console.

    Secrets in it are left out.
    """
    started = sys.orig_argv
    if not sys.argv[0] or any("kernel_launcher" in word for word in started):
        return ""
    if "-c" in started and sys.argv[0] != "-c":  # a child started by multiprocessing
        started = [sys.executable, *sys.argv]
    return shlex.join(redact_words(started))


def lives(process: Mapping[str, Any]) -> bool | None:
    """Return whether a process is running; None if it cannot be seen from here.

    It can be seen on its own machine, since that booted, and in its own container.

    A zombie is not running, nor is a process whose pid now belongs to another one.

    Args:
        process: as `this_process` returned it.

    >>> lives(this_process())
    True
    >>> lives({**this_process(), "started": -60})
    False
    """
    pid, started = process.get("pid"), process.get("started")
    here = (socket.gethostname(), _boot())
    if not pid or started is None or (process.get("host"), process.get("boot")) != here:
        return None
    try:
        same = abs(_start(int(pid)) - float(started)) <= START_TOLERANCE
        ended = (psutil.STATUS_ZOMBIE, psutil.STATUS_DEAD)
        return same and psutil.Process(int(pid)).status() not in ended
    except psutil.NoSuchProcess:
        return False
    except (psutil.AccessDenied, ValueError, TypeError, OverflowError):
        return None
