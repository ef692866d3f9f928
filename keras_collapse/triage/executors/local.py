"""Trials on this machine: on all of its GPUs, or on its cores."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from keras_collapse.core.errors import InputError
from keras_collapse.triage import results
from keras_collapse.triage.executors import gpus, sharing
from keras_collapse.triage.executors.jobs import Job, ended, environment, prepare, tried_alone
from keras_collapse.triage.executors.leases import Lease

TRIAL_BYTES = 2 * 2**30
"""Memory reserved for a trial on the CPU; a backend alone takes half a gigabyte."""
POLL_SECONDS = 0.2


@dataclass(frozen=True)
class Slot:
    """Room for one trial.

    Args:
        name: the device, in words.
        variables: environment variables that keep a trial on it.
        threads: threads the trial may use.
        lease: of its GPU; None for one on the CPU.
        trials: that share the GPU; 0 for a trial that is tried again alone.
    """

    name: str
    variables: Mapping[str, str]
    threads: int
    lease: Lease | None = None
    trials: int = 1


@dataclass
class Running:
    """A running trial."""

    job: Job
    slot: Slot
    process: subprocess.Popen[bytes]
    began: float = field(default_factory=time.monotonic)
    why: str = ""


def slots(
    device: str = "auto", trials_per_gpu: int = 1, max_parallel: int | None = None
) -> tuple[list[Slot], str]:
    """Return the room for trials on this machine, and in words the GPUs that are not chosen.

    Args:
        device: ``"gpu"``, ``"cpu"``, or ``"auto"``: GPUs if there are any.
        trials_per_gpu: trials that share one GPU and its memory.
        max_parallel: most trials in parallel; None for all GPUs, or one trial per core as far as
            memory allows.

    Raises:
        InputError: a GPU was requested and none is available.
    """
    leases = [Lease(gpu) for gpu in gpus.visible(os.environ)] if device != "cpu" else []
    for lease in leases:
        if lease.is_held_elsewhere:  # what that triage uses is free once it gives the lease back
            lease.gpu = replace(lease.gpu, used=0)
    left_out = gpus.left_out([lease.gpu for lease in leases])
    free = [lease for lease in leases if not lease.gpu.busy]
    if device == "gpu" and not free:
        why = left_out or " (nvidia-smi lists none)"
        raise InputError(f"no GPU is available{why}. Give --device cpu, or auto.")
    if free:
        return _on_gpus(free, trials_per_gpu)[:max_parallel], left_out
    memory_bytes = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    count = max_parallel or max(min(_cores(), memory_bytes // TRIAL_BYTES), 1)
    threads = max(_cores() // count, 1)
    hidden = {"CUDA_VISIBLE_DEVICES": "-1"} if device == "cpu" or leases else {}
    name = f"CPU, {threads} thread{'s' * (threads > 1)}"
    return [Slot(name, hidden, threads) for _ in range(count)], left_out


def _on_gpus(leases: Sequence[Lease], trials: int) -> list[Slot]:
    """The slots of these GPUs, of which each is shared by that many trials."""
    threads = max(_cores() // (len(leases) * trials), 1)
    return [
        Slot(lease.gpu.name, lease.gpu.variables(trials, os.environ), threads, lease, trials)
        for _ in range(trials)
        for lease in leases
    ]


def _cores() -> int:
    found = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    return found or 1


class Local:
    """Runs jobs as processes on this machine.

    Args:
        slots: the room for trials, see `slots`.
        cache: folder for compiled programs; None for no cache.
        left_out: the GPUs that were not chosen, in words.
        auto: whether `settle` chooses how many trials share a GPU.
        max_parallel: most trials in parallel then.
    """

    def __init__(
        self,
        slots: Sequence[Slot],
        cache: Path | None = None,
        left_out: str = "",
        auto: bool = False,
        max_parallel: int | None = None,
    ) -> None:
        self.cache = cache
        self._left_out = left_out
        self._auto, self._max_parallel = auto, max_parallel
        self._have(slots)

    def _have(self, slots: Sequence[Slot]) -> None:
        self.slots = list(slots)
        self.parallel = len(self.slots)
        names = [slot.name for slot in slots]
        text = ", ".join(f"{names.count(name)} x {name}" for name in dict.fromkeys(names))
        held = ", ".join(one.gpu.name for one in self._leases if one.is_held_elsewhere)
        waits = f" (another triage has {held}: trials wait for it)" if held else ""
        self.room = text + self._left_out + waits

    @property
    def _leases(self) -> list[Lease]:
        return list(dict.fromkeys(slot.lease for slot in self.slots if slot.lease is not None))

    def settle(self, checks: Sequence[results.TrialResult]) -> str:
        """See `Executor`."""
        leases = self._leases
        if not self._auto or not leases:
            return ""
        count, why = sharing.trials_per_gpu(checks, max(_cores() // len(leases), 1))
        self._have(_on_gpus(leases, count)[: self._max_parallel])
        return why

    def run(
        self, jobs: Sequence[Job], on_progress: Callable[[Sequence[Job]], None]
    ) -> Iterator[results.TrialResult]:
        """See `Executor`.

        A trial whose GPU is lost is run again on another. One that runs out of the memory that it
        shares is run again alone, after the others.

        Raises:
            InputError: all GPUs were lost.
        """
        waiting: list[Job] = list(jobs)
        crowded: list[Job] = []  # out of memory on a shared GPU
        running: list[Running] = []
        try:
            while waiting or crowded or running:
                self._start_all(waiting, crowded, running)
                on_progress([one.job for one in running])
                time.sleep(POLL_SECONDS)
                for one in list(running):
                    if time.monotonic() - one.began > one.job.timeout:
                        one.why = "hung"
                        _kill(one.process)
                    status = one.process.poll()
                    if status is None:
                        continue
                    running.remove(one)
                    _give_back(one.slot)
                    if status and self._is_lost(one.slot):
                        waiting.insert(0, one.job)
                        continue
                    took = time.monotonic() - one.began
                    result = ended(one.job, status, took, one.slot.name, one.why)
                    if result.ended == "out_of_memory" and one.slot.trials > 1:
                        prepare(one.job)  # an interrupted runner must not take it for ended
                        crowded.append(one.job)
                    else:
                        again = one.slot.trials == 0
                        yield tried_alone(result, self._sharing(one.slot)) if again else result
        finally:
            for one in running:
                _kill(one.process)
                _give_back(one.slot)

    def _start_all(self, waiting: list[Job], crowded: list[Job], running: list[Running]) -> None:
        """Start what there is room for; first all trials that may share a GPU."""
        taken = [one.slot for one in running]
        for slot in [one for one in self.slots if not any(one is other for other in taken)]:
            sharing = [other for other in taken if other.lease is slot.lease is not None]
            if waiting and all(other.trials for other in sharing) and self._take(slot):
                running.append(self._start(waiting.pop(0), slot))
            elif crowded and not waiting and not sharing and self._take(slot):
                running.append(self._start(crowded.pop(0), _alone(slot)))
            else:
                continue
            taken.append(running[-1].slot)

    def _take(self, slot: Slot) -> bool:
        """Take the slot's lease, if its GPU is there and no other triage has it."""
        if slot.lease is not None and not slot.lease.take():
            return False
        if self._is_lost(slot):
            _give_back(slot)
            return False
        return True

    def _is_lost(self, slot: Slot) -> bool:
        """Whether the slot's GPU is gone; its slots are removed then."""
        if slot.lease is None or gpus.is_there(slot.lease.gpu):
            return False
        self.slots = [one for one in self.slots if one.lease is not slot.lease]
        self.parallel = len(self.slots)
        if not self.slots:
            raise InputError(
                f"no GPU is left: nvidia-smi no longer lists {slot.name}. Run the same command "
                "again once it is back, or with --device cpu: finished trials are kept."
            )
        return True

    def _sharing(self, slot: Slot) -> int:
        """Return how many other trials shared the GPU of this slot."""
        return max(sum(one.lease is slot.lease for one in self.slots) - 1, 1)

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


def _alone(slot: Slot) -> Slot:
    """Room for a trial that has the GPU of this slot for itself: none shares it with others."""
    assert slot.lease is not None
    variables = slot.lease.gpu.variables(1, os.environ)
    return Slot(slot.name, variables, slot.threads, slot.lease, trials=0)


def _give_back(slot: Slot) -> None:
    if slot.lease is not None:
        slot.lease.give_back()


def _kill(process: subprocess.Popen[bytes]) -> None:
    """End the trial and every process it started."""
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()
