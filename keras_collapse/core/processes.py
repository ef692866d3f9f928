"""Which process writes a run, and whether it still lives."""

from __future__ import annotations

import os
import socket
from collections.abc import Mapping
from typing import Any


def this_process() -> dict[str, Any]:
    """What `lives` needs to know of this one."""
    return {"pid": os.getpid(), "host": socket.gethostname()}


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
