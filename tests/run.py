"""Runs the suite: once without a backend, then once for each backend and Keras release.

``--wiring`` runs the slow part instead: the audit, the objectives and the pairs of runs on
TensorFlow and JAX. The suite has them on PyTorch, where nothing is compiled.

Keras fixes its backend at import, so each combination needs a process of its own; two run side
by side. The last line is the sum, in pytest's words.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parent.parent
PLAIN = [
    "keras_collapse/core",
    "keras_collapse/sources",
    "tests/core",
    "tests/test_sources.py",
    "tests/test_text_sources.py",
    "tests/test_cli.py",
    "tests/test_detection.py",
    "tests/triage/test_plans.py",
    "tests/triage/test_interpretation.py",
    "tests/triage/test_runner.py",
    "tests/triage/test_report.py",
    "tests/triage/test_watching.py",
]
KERAS = [
    "keras_collapse/training",
    "keras_collapse/outputs",
    "tests/training",
    "tests/outputs",
    "tests/examples",
    "tests/wiring/test_programs.py",
    "tests/wiring/test_loops.py",
    "tests/triage/test_trials.py",
]
SLOW = [
    "tests/wiring/test_audit.py",
    "tests/wiring/test_objectives.py",
    "tests/wiring/test_pairs.py",
]
OLDEST = [
    "tests/training/test_models.py",
    "tests/training/test_monitor.py",
]
OLDEST_TOO = (
    "models or bit_identical or leaking or readings or epoch or several_fits or several_steps or "
    "validation or beside_keras"
)
"""Of these, what the oldest Keras is asked on TensorFlow and PyTorch: where its own calls matter.
On JAX it is asked all."""
QUICK = {
    "TF_CPP_MIN_LOG_LEVEL": "3",
    # The same tiny networks are compiled again and again: once is enough for JAX.
    "JAX_COMPILATION_CACHE_DIR": str(ROOT / ".venv" / "jax-cache"),
    "JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS": "0",
    # Two processes side by side: more threads would only wait for each other.
    "OMP_NUM_THREADS": "1",
    "TF_NUM_INTRAOP_THREADS": "1",
    "TF_NUM_INTEROP_THREADS": "1",
}
BACKENDS = ("tensorflow", "jax", "torch")


@dataclass(frozen=True)
class Job:
    """One pytest process."""

    name: str
    paths: list[str]
    environment: dict[str, str]
    chosen: str = ""


def jobs() -> list[Job]:
    oldest = os.environ.get("OLDEST_KERAS")
    found = [
        Job(backend, KERAS + SLOW * (backend == "torch"), {"KERAS_BACKEND": backend})
        for backend in BACKENDS
    ]
    if oldest:
        path = str((ROOT / oldest).resolve())
        found += [
            Job(
                f"{backend}, oldest Keras",
                OLDEST,
                {"KERAS_BACKEND": backend, "PYTHONPATH": path},
                "" if backend == "jax" else OLDEST_TOO,
            )
            for backend in BACKENDS
        ]
    # The longest first, so that neither core idles at the end.
    triage = Job("triage", ["keras_collapse/triage", "tests/triage/test_command.py"], {})
    places = Job("server and terminal", ["tests/places"], {"KERAS_BACKEND": "jax"})
    demo = Job("demo", ["tests/test_demo.py"], {})
    return [demo, triage, *found, places, Job("core", PLAIN, {})]


def run(job: Job) -> tuple[Job, int, str, float]:
    began = time.monotonic()
    environment = os.environ | QUICK | job.environment
    command = [sys.executable, "-m", "pytest", "-q", "--doctest-modules", *job.paths]
    command += ["-k", job.chosen] if job.chosen else []
    done = subprocess.run(
        command,
        check=False,
        cwd=ROOT,
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    return job, done.returncode, done.stdout, time.monotonic() - began


def slow_jobs() -> list[Job]:
    return [Job(f"{name}, slow", SLOW, {"KERAS_BACKEND": name}) for name in ("tensorflow", "jax")]


def main(chosen: list[Job]) -> int:
    counts: dict[str, int] = {}
    worst = 0
    with ThreadPoolExecutor(max_workers=2) as pool:
        for job, status, output, seconds in pool.map(run, chosen):
            print(f"===== {job.name}: {seconds:.0f} s\n{output}", flush=True)
            worst = worst or status
            closing = output.strip().splitlines()[-1] if output.strip() else ""
            for number, word in re.findall(r"(\d+) (passed|failed|skipped|errors?)", closing):
                counts[word] = counts.get(word, 0) + int(number)
    failed = counts.get("failed", 0) + counts.get("error", 0) + counts.get("errors", 0)
    print(f"{counts.get('passed', 0)} passed, {failed} failed, {counts.get('skipped', 0)} skipped")
    return worst


if __name__ == "__main__":
    raise SystemExit(main(slow_jobs() if sys.argv[1:] == ["--wiring"] else jobs()))
