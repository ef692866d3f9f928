"""A triage's jobs: the interfaces that run and show them, and a trial as a process."""

from __future__ import annotations

import os
import re
import shutil
import signal
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Protocol

from keras_collapse.core.atomic_files import write_json
from keras_collapse.reproducibility import seeded_process
from keras_collapse.triage import results
from keras_collapse.triage.executors.out_of_memory import out_of_memory
from keras_collapse.triage.plans import TrialConfig

RUNNER = "KERAS_COLLAPSE_RUNNER"
"""The environment variable with the ID of the process that started a trial."""


@dataclass(frozen=True)
class Job:
    """One trial to run.

    Args:
        trial: its configuration.
        folder: the trial's folder, with its configuration file.
        steps: training steps requested.
        timeout: seconds it may take.
        is_check: whether it is a check before the plan.
    """

    trial: TrialConfig
    folder: Path
    steps: int
    timeout: float
    is_check: bool = False

    @property
    def command(self) -> list[str]:
        """The command that runs it."""
        return command(self.folder)


def command(folder: Path) -> list[str]:
    """Return the command that runs the trial whose configuration is in that folder."""
    return [sys.executable, "-m", "keras_collapse.triage.trial.worker", str(folder)]


class View:
    """Receives a triage's progress; every method does nothing unless overridden."""

    def say(self, line: str) -> None:
        """Show a line of text."""

    def begin(self, jobs: Sequence[Job]) -> None:
        """Add trials that will run."""

    def progress(self, running: Sequence[Job]) -> None:
        """Update the running trials; called several times a second."""

    def left(self, seconds: float) -> None:
        """Show how long the trials that are known so far will take."""

    def ended(self, job: Job, result: results.TrialResult, reused: bool) -> None:
        """Show the end of a trial; ``reused`` if an earlier command ran it."""


class Executor(Protocol):
    """Runs jobs, as many in parallel as there is room for."""

    room: str
    """What it runs on, in words."""
    parallel: int
    """Trials that it runs at once."""

    def settle(self, checks: Sequence[results.TrialResult]) -> str:
        """Choose how many trials share a GPU, if that was left open, from the checks' results.

        Returns:
            What was chosen and why, in a line; empty if nothing was.
        """
        ...

    def run(
        self, jobs: Sequence[Job], on_progress: Callable[[Sequence[Job]], None]
    ) -> Iterator[results.TrialResult]:
        """Yield each job's result when it ends, in any order.

        Args:
            jobs: to run.
            on_progress: called several times a second with the running jobs.
        """
        ...


def environment(
    seed: int, given: Mapping[str, str], threads: int, cache: Path | None
) -> dict[str, str]:
    """Return the environment of a trial that this process starts: seeds, threads, memory growth.

    Args:
        seed: of the trial.
        given: the environment so far; what the user has set is kept.
        threads: the trial may use.
        cache: folder for compiled programs; None for no cache.
    """
    known = {k: v for k, v in given.items() if k != "PYTHONHASHSEED"}
    chosen = seeded_process.environment(seed, known)
    for name in ("OMP_NUM_THREADS", "TF_NUM_INTRAOP_THREADS", "TF_NUM_INTEROP_THREADS"):
        chosen.setdefault(name, str(threads))
    chosen.setdefault("TF_FORCE_GPU_ALLOW_GROWTH", "true")
    chosen.setdefault("MPLBACKEND", "Agg")
    chosen[RUNNER] = str(os.getpid())
    if cache is not None:  # JAX compiles the same step for every seed: once is enough
        chosen.setdefault("JAX_COMPILATION_CACHE_DIR", str(cache))
        chosen.setdefault("JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS", "0")
    if threads == 1 and "intra_op_parallelism_threads" not in chosen["XLA_FLAGS"]:
        chosen["XLA_FLAGS"] += " --xla_cpu_multi_thread_eigen=false intra_op_parallelism_threads=1"
    return chosen


def prepare(job: Job) -> None:
    """Remove the files of an earlier, unfinished attempt."""
    shutil.rmtree(job.folder / results.RUN, ignore_errors=True)
    for name in (results.RESULT, results.PROGRESS, results.LOG):
        (job.folder / name).unlink(missing_ok=True)


def ended(
    job: Job, status: int | None, seconds: float, device: str, why: str = ""
) -> results.TrialResult:
    """Return the job's own result, or one that describes how its process ended.

    Args:
        job: the job.
        status: exit status of its process, negative for a signal.
        seconds: its duration.
        device: its device.
        why: why the runner ended it: ``hung``, or empty if it did not.
    """
    own = results.read_result(job.folder)
    if own is not None:
        return own
    kind, reason = _reason(job, status, why, device)
    result = results.TrialResult(
        trial=job.trial,
        ended=kind,
        reason=reason,
        steps=results.steps_done(job.folder),
        asked=job.steps,
        seconds=round(seconds, 2),
        device=device,
        exit_status=status,
        folder=str(job.folder),
    )
    write_json(job.folder / results.RESULT, result.to_dict())
    return result


def tried_alone(result: results.TrialResult, sharing: int) -> results.TrialResult:
    """Return the result of a trial that was run again with the reason added, and write it.

    Args:
        result: of the second run, which had the GPU for itself.
        sharing: number of other trials that shared the GPU in the first run.
    """
    others = "another" if sharing == 1 else f"{sharing} others"
    why = f"batch {result.trial.batch_size} does not fit beside {others}: tried again alone"
    result = replace(result, facts={**result.facts, "tried_alone": why})
    write_json(Path(result.folder) / results.RESULT, result.to_dict())
    return result


def _reason(job: Job, status: int | None, why: str, device: str) -> tuple[str, str]:
    log = _tail(job.folder / results.LOG)
    if why == "hung":
        return "hung", f"it exceeded its timeout of {job.timeout:.0f} s"
    if line := out_of_memory(log):
        more = "fewer --max-parallel" if "CPU" in device else "a GPU with more memory"
        return "out_of_memory", f"{_shortened(line)} Give smaller --batch-sizes, or {more}."
    if status is not None and status < 0:
        name = signal.Signals(-status).name
        more = " (the system sends it when memory runs out)" if name == "SIGKILL" else ""
        return "killed", f"by {name}{more}"
    return "crashed", _last_line(log) or f"exit status {status}"


def _tail(path: Path, size: int = 20_000) -> str:
    try:
        with path.open("rb") as file:
            file.seek(max(path.stat().st_size - size, 0))
            return file.read().decode(errors="replace")
    except OSError:
        return ""


def _last_line(log: str) -> str:
    """Return the line that names the error: our own message, else the last exception."""
    lines = [line.strip() for line in log.splitlines() if line.strip()]
    ours = [line for line in lines if line.startswith("keras-collapse: ")]
    errors = [line for line in lines if re.match(r"[\w.]*(Error|Exception|Interrupt)\b", line)]
    return _shortened((ours or errors or lines or [""])[-1])


def _shortened(line: str) -> str:
    return line.removeprefix("keras-collapse: ")[:500]
