"""Leases of GPUs: what keeps two triages of one user off the same GPU at the same time."""

from __future__ import annotations

import os
import re
import tempfile
from pathlib import Path

from filelock import FileLock, Timeout

from keras_collapse.triage.executors.gpus import Gpu


class Lease:
    """The right to run trials on a GPU, held from the first of them to the end of the last.

    It is a lock on a file, which the system releases when its process ends in any way. Another
    user's triage does not see it; that GPU's memory is in use then, see `Gpu.busy`.

    Args:
        gpu: the GPU.
    """

    def __init__(self, gpu: Gpu) -> None:
        self.gpu = gpu
        name = re.sub(r"[^\w-]", "_", gpu.uuid)
        self._lock = FileLock(_folder() / f"{name}.lock", timeout=0, thread_local=False)

    def take(self) -> bool:
        """Take it once more, for another trial; return False if another triage holds it."""
        try:
            self._lock.acquire()
        except Timeout:
            return False
        return True

    def give_back(self) -> None:
        """Give it back, once for each time that it was taken."""
        self._lock.release()

    @property
    def is_held_elsewhere(self) -> bool:
        """Whether another triage holds it now."""
        if not self.take():
            return True
        self.give_back()
        return False


def _folder() -> Path:
    """Return the user's folder for locks; a new one where that belongs to somebody else."""
    folder = Path(tempfile.gettempdir()) / f"keras-collapse-{os.getuid()}"
    try:
        folder.mkdir(mode=0o700, exist_ok=True)
        own = folder.stat(follow_symlinks=False).st_uid == os.getuid()
    except OSError:
        own = False
    return folder if own else Path(tempfile.mkdtemp())
