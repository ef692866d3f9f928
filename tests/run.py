"""Runs the whole suite: without a backend, then on each backend, then on the oldest Keras.

    python tests/run.py               what the gate runs
    python tests/run.py --slow        the tests marked slow instead
    python tests/run.py --coverage    without a backend and on one, with what they reach

Keras fixes its backend at import, so each combination is a pytest process of its own. Two of them
run side by side: two workers for each would import every framework twice. Which tests belong to
which process is decided by their markers (see tests/conftest.py), never by their names. What failed
is named again at the end. The last line is the sum, in pytest's words.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path

from paths import ROOT

BACKENDS = ("jax", "torch", "tensorflow")
SIDE_BY_SIDE = 2
ENVIRONMENT = {
    "TF_CPP_MIN_LOG_LEVEL": "3",
    # The same tiny networks are compiled again and again: once is enough for JAX.
    "JAX_COMPILATION_CACHE_DIR": str(ROOT / ".venv" / "jax-cache"),
    "JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS": "0",
    # Compiling takes longer than what it makes faster; see as_users_compile in tests/conftest.py.
    "JAX_DISABLE_MOST_OPTIMIZATIONS": "1",
    # Two processes run side by side: more threads would only wait for each other.
    "OMP_NUM_THREADS": "1",
    "TF_NUM_INTRAOP_THREADS": "1",
    "TF_NUM_INTEROP_THREADS": "1",
}


@dataclass(frozen=True)
class Job:
    """One pytest process.

    Args:
        name: of the job.
        suite: which tests it runs, see tests/conftest.py.
        environment: its backend, and the Keras release if not the newest.
    """

    name: str
    suite: str
    environment: dict[str, str] = field(default_factory=dict)


def jobs() -> list[Job]:
    """The longest first: what is short fills the gap at the end."""
    found = [Job(name, "backend", {"KERAS_BACKEND": name}) for name in BACKENDS]
    found.append(Job("no backend", "plain"))
    oldest = os.environ.get("OLDEST_KERAS")
    if oldest:
        path = os.pathsep.join([str((ROOT / oldest).resolve()), str(ROOT)])
        found += [
            Job(f"{name}, oldest Keras", "oldest", {"KERAS_BACKEND": name, "PYTHONPATH": path})
            for name in BACKENDS
        ]
    return found


def slow_jobs() -> list[Job]:
    return [Job(f"{name}, slow", "slow", {"KERAS_BACKEND": name}) for name in BACKENDS]


def run(job: Job, coverage: Path | None) -> tuple[int, str]:
    """Run one job; its exit status and its output, which is printed as it comes.

    Args:
        job: to run.
        coverage: the folder of what is measured, a file for each job; None to measure nothing.
    """
    began = time.monotonic()
    command = [sys.executable, "-m", "pytest", "-q", "--suite", job.suite, "--doctest-modules"]
    command += ["--durations=12", "--durations-min=5"]  # what to look at when the suite gets slow
    own = {}
    if coverage is not None:
        command += ["--cov=keras_collapse", "--cov-report=", "--cov-fail-under=0"]
        own = {"COVERAGE_FILE": str(coverage / f".coverage.{job.name}")}
    process = subprocess.Popen(
        command,
        cwd=ROOT,
        env=os.environ | ENVIRONMENT | own | job.environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    lines = []
    assert process.stdout is not None
    for line in process.stdout:
        lines.append(line)
        print(f"{job.name}: {line}", end="", flush=True)
    status = process.wait()
    print(f"===== {job.name}: {time.monotonic() - began:.0f} s", flush=True)
    return status, "".join(lines)


def main(chosen: list[Job], coverage: Path | None = None) -> int:
    """Run the jobs; 0 if all tests passed."""
    counts: dict[str, int] = {}
    worst = 0
    failures = []
    with ThreadPoolExecutor(SIDE_BY_SIDE) as slots:
        outputs = slots.map(lambda job: run(job, coverage), chosen)
        for job, (status, output) in zip(chosen, outputs, strict=True):
            worst = worst or status
            failures += [
                f"{job.name}: {line[:300]}"
                for line in re.findall(r"^(?:FAILED|ERROR) .*", output, re.MULTILINE)
            ]
            closing = output.strip().splitlines()[-1] if output.strip() else ""
            for number, word in re.findall(r"(\d+) (passed|failed|skipped|errors?)", closing):
                counts[word] = counts.get(word, 0) + int(number)
    print(*failures, sep="\n", end="\n" if failures else "")
    failed = counts.get("failed", 0) + counts.get("error", 0) + counts.get("errors", 0)
    print(f"{counts.get('passed', 0)} passed, {failed} failed, {counts.get('skipped', 0)} skipped")
    return worst


def measure() -> int:
    """Run the tests that count for the coverage; 0 if they passed and it is above the floor.

    PyTorch's job has the tests that run once for all backends; the others run the same code.
    """
    chosen = [job for job in jobs() if job.name in ("torch", "no backend")]
    with tempfile.TemporaryDirectory() as folder:
        worst = main(chosen, Path(folder))
        command = [sys.executable, "-m", "coverage"]
        subprocess.run([*command, "combine", "-q", folder], cwd=ROOT, check=False)
    # its floor is in pyproject.toml
    return worst or subprocess.run([*command, "report"], cwd=ROOT, check=False).returncode


if __name__ == "__main__":
    asked = sys.argv[1:2]
    if asked == ["--coverage"]:
        raise SystemExit(measure())
    raise SystemExit(main(slow_jobs() if asked == ["--slow"] else jobs()))
