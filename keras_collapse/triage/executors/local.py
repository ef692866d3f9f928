"""Trials on this machine: on all of its GPUs, or on its cores."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from keras_collapse.core.errors import InputError
from keras_collapse.triage import results
from keras_collapse.triage.executors.jobs import GPU_SHARE, Job, ended, environment, prepare

TRIAL_BYTES = 2 * 2**30
"""Memory reserved for a trial on the CPU; a backend alone takes half a gigabyte."""
GPU_MEMORY_USED = 0.9
"""Share of a GPU's memory that trials may use; the rest is for the driver and other libraries."""
POLL_SECONDS = 0.2


@dataclass(frozen=True)
class Slot:
    """Room for one trial.

    Args:
        name: the device, in words.
        variables: environment variables that keep a trial on it.
        threads: threads the trial may use.
    """

    name: str
    variables: Mapping[str, str]
    threads: int


@dataclass
class Running:
    """A running trial."""

    job: Job
    slot: Slot
    process: subprocess.Popen[bytes]
    began: float = field(default_factory=time.monotonic)
    why: str = ""


def gpus() -> list[str]:
    """Return the indices of the visible NVIDIA GPUs."""
    visible = os.environ.get("CUDA_VISIBLE_DEVICES")
    if visible is not None:
        return [index.strip() for index in visible.split(",") if index.strip() not in ("", "-1")]
    try:
        done = subprocess.run(
            ["nvidia-smi", "--query-gpu=index", "--format=csv,noheader"],
            capture_output=True, text=True, check=True, timeout=30,
        )  # fmt: skip
    except (OSError, subprocess.SubprocessError):
        return []
    return done.stdout.split()


def slots(
    device: str = "auto", trials_per_gpu: int = 1, max_parallel: int | None = None
) -> list[Slot]:
    """Return the room for trials on this machine.

    Args:
        device: ``"gpu"``, ``"cpu"``, or ``"auto"``: GPUs if there are any.
        trials_per_gpu: trials that share one GPU and its memory.
        max_parallel: most trials in parallel; None for all GPUs, or one trial per core as far as
            memory allows.

    Raises:
        InputError: a GPU was requested and none is available.
    """
    found = gpus() if device != "cpu" else []
    if device == "gpu" and not found:
        raise InputError("no GPU is available (nvidia-smi lists none). Give --device cpu, or auto.")
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    cores = cores or 1
    if found:
        threads = max(cores // (len(found) * trials_per_gpu), 1)
        share = f"{GPU_MEMORY_USED / trials_per_gpu:.3f}"
        memory = {"XLA_PYTHON_CLIENT_MEM_FRACTION": share}
        if trials_per_gpu > 1:
            memory[GPU_SHARE] = share
        room = [
            Slot(f"GPU {index}", {"CUDA_VISIBLE_DEVICES": index, **memory}, threads)
            for _ in range(trials_per_gpu)
            for index in found
        ]
        return room[:max_parallel]
    memory_bytes = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    count = max_parallel or max(min(cores, memory_bytes // TRIAL_BYTES), 1)
    threads = max(cores // count, 1)
    hidden = {"CUDA_VISIBLE_DEVICES": "-1"} if device == "cpu" else {}
    name = f"CPU, {threads} thread{'s' * (threads > 1)}"
    return [Slot(name, hidden, threads) for _ in range(count)]


class Local:
    """Runs jobs as processes on this machine.

    Args:
        slots: the room for trials, see `slots`.
        cache: folder for compiled programs; None for no cache.
    """

    def __init__(self, slots: Sequence[Slot], cache: Path | None = None) -> None:
        self.slots = list(slots)
        self.cache = cache
        self.parallel = len(self.slots)
        names = [slot.name for slot in self.slots]
        self.room = ", ".join(f"{names.count(n)} x {n}" for n in dict.fromkeys(names))

    def run(
        self, jobs: Sequence[Job], on_progress: Callable[[Sequence[Job]], None]
    ) -> Iterator[results.TrialResult]:
        """See `Executor`."""
        waiting, free = list(jobs), list(self.slots)
        running: list[Running] = []
        try:
            while waiting or running:
                while waiting and free:
                    running.append(self._start(waiting.pop(0), free.pop(0)))
                on_progress([one.job for one in running])
                time.sleep(POLL_SECONDS)
                for one in list(running):
                    if time.monotonic() - one.began > one.job.timeout:
                        one.why = "hung"
                        _kill(one.process)
                    status = one.process.poll()
                    if status is not None:
                        running.remove(one)
                        free.append(one.slot)
                        took = time.monotonic() - one.began
                        yield ended(one.job, status, took, one.slot.name, one.why)
        finally:
            for one in running:
                _kill(one.process)

    def _start(self, job: Job, slot: Slot) -> Running:
        prepare(job)
        given = {**os.environ, **slot.variables}
        variables = environment(job.trial.seed, given, slot.threads, self.cache)
        with (job.folder / results.LOG).open("wb") as log:
            process = subprocess.Popen(
                job.command, env=variables, stdin=subprocess.DEVNULL, stdout=log,
                stderr=subprocess.STDOUT, start_new_session=True,
            )  # fmt: skip
        return Running(job, slot, process)


def _kill(process: subprocess.Popen[bytes]) -> None:
    """End the trial and every process it started."""
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()
