"""Runs the whole suite: without a backend, then on each backend, then on the oldest Keras.

    python tests/run.py           what the gate runs
    python tests/run.py --slow    the tests marked slow instead

Keras fixes its backend at import, so each combination is a pytest process of its own. Which tests
belong to which process is decided by their markers (see tests/conftest.py), never by their names.
The last line is the sum, in pytest's words.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
import time
from dataclasses import dataclass, field

from paths import ROOT

BACKENDS = ("tensorflow", "jax", "torch")
ENVIRONMENT = {
    "TF_CPP_MIN_LOG_LEVEL": "3",
    # The same tiny networks are compiled again and again: once is enough for JAX.
    "JAX_COMPILATION_CACHE_DIR": str(ROOT / ".venv" / "jax-cache"),
    "JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS": "0",
    # Two workers run side by side: more threads would only wait for each other.
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
        measured: whether its coverage counts; the other jobs run the same code again.
    """

    name: str
    suite: str
    environment: dict[str, str] = field(default_factory=dict)
    measured: bool = False


def jobs() -> list[Job]:
    found = [Job("no backend", "plain", measured=True)]
    found += [
        Job(name, "backend", {"KERAS_BACKEND": name}, measured=name == "torch") for name in BACKENDS
    ]
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


def run(job: Job) -> tuple[int, str]:
    """Run one job; its exit status and its output, which is printed as it comes."""
    command = [sys.executable, "-m", "pytest", "-q", "-n", "2", "--dist", "worksteal"]
    command += ["--suite", job.suite, "--doctest-modules"]
    if job.measured:
        command += ["--cov=keras_collapse", "--cov-append", "--cov-report=", "--cov-fail-under=0"]
    process = subprocess.Popen(
        command,
        cwd=ROOT,
        env=os.environ | ENVIRONMENT | job.environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    lines = []
    assert process.stdout is not None
    for line in process.stdout:
        lines.append(line)
        print(line, end="", flush=True)
    return process.wait(), "".join(lines)


def main(chosen: list[Job]) -> int:
    (ROOT / ".coverage").unlink(missing_ok=True)
    counts: dict[str, int] = {}
    worst = 0
    for job in chosen:
        print(f"===== {job.name}", flush=True)
        began = time.monotonic()
        status, output = run(job)
        print(f"===== {job.name}: {time.monotonic() - began:.0f} s\n", flush=True)
        worst = worst or status
        closing = output.strip().splitlines()[-1] if output.strip() else ""
        for number, word in re.findall(r"(\d+) (passed|failed|skipped|errors?)", closing):
            counts[word] = counts.get(word, 0) + int(number)
    failed = counts.get("failed", 0) + counts.get("error", 0) + counts.get("errors", 0)
    if any(job.measured for job in chosen):
        report = [sys.executable, "-m", "coverage", "report"]  # its floor is in pyproject.toml
        worst = worst or subprocess.run(report, cwd=ROOT, check=False).returncode
    print(f"{counts.get('passed', 0)} passed, {failed} failed, {counts.get('skipped', 0)} skipped")
    return worst


if __name__ == "__main__":
    raise SystemExit(main(slow_jobs() if "--slow" in sys.argv[1:2] else jobs()))
