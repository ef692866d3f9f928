"""Runs the corpus of strangers and writes docs/strangers.md from the records of its runs.

    python tests/strangers/run.py                   what is missing on TensorFlow, then the page
    python tests/strangers/run.py --backend jax     the same on another backend
    python tests/strangers/run.py --keras .venv/keras-3.14.1 --correct    with another Keras
    python tests/strangers/run.py --only NAME ...   these programs, anew
    python tests/strangers/run.py --page            the page alone

Each (program, fault) is a process of its own and leaves one JSON record in
tests/strangers/records/, which git ignores. A record of the same commit of the package is kept, so
that the command goes on where it was stopped.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from queue import SimpleQueue
from typing import Any

HERE = Path(__file__).parent
ROOT = HERE.parents[1]
sys.path[:0] = [str(HERE)]

RECORDS = HERE / "records"
ENVIRONMENT = {
    "TF_CPP_MIN_LOG_LEVEL": "3",
    "OMP_NUM_THREADS": "1",
    "TF_NUM_INTRAOP_THREADS": "1",
    "TF_NUM_INTEROP_THREADS": "1",
    "JAX_COMPILATION_CACHE_DIR": str((ROOT / ".venv").resolve() / "jax-cache"),
    "JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS": "0",
}


def git(*words: str) -> str:
    done = subprocess.run(["git", *words], cwd=ROOT, capture_output=True, text=True, check=False)
    return done.stdout.strip()


def package_version() -> str:
    """The last commit that changed the package, with a mark if files differ from it."""
    commit = git("log", "-1", "--format=%h", "--", "keras_collapse")
    changed = git("status", "--porcelain", "--", "keras_collapse")
    return commit + ("+" if changed else "")


def cases(backend: str) -> list[tuple[str, str]]:
    """Every (program, fault) of a backend, the correct programs first."""
    code = (
        "import json, sys; sys.path[:0] = [sys.argv[1]]; from corpus import load; "
        "print(json.dumps([[p.name, *p.faults] for p in load().values() "
        "if sys.argv[2] in p.backends]))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, str(HERE), backend],
        capture_output=True, text=True, env=environment(backend), check=True,
    )  # fmt: skip
    programs = json.loads(done.stdout.splitlines()[-1])
    correct = [(name, "none") for name, *_ in programs]
    return correct + [(name, fault) for name, *faults in programs for fault in faults]


def environment(backend: str) -> dict[str, str]:
    path = os.pathsep.join(filter(None, [str(ROOT), os.environ.get("PYTHONPATH", "")]))
    return os.environ | ENVIRONMENT | {"KERAS_BACKEND": backend, "PYTHONPATH": path}


def keras_release(backend: str) -> str:
    """The release of Keras that runs of a backend use."""
    code = "import keras; print(keras.__version__)"
    done = subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True, text=True, env=environment(backend), check=True,
    )  # fmt: skip
    return done.stdout.split()[-1]


def record_of(folder: Path, name: str, fault: str) -> Path:
    return folder / f"{name}--{fault}.json"


class Server:
    """A process that runs one case after the other, each in a child of its own: see one.py."""

    def __init__(self, backend: str, folder: Path, version: str) -> None:
        self._backend, self._folder, self._version = backend, folder, version
        folder.mkdir(parents=True, exist_ok=True)
        self._process = subprocess.Popen(
            [sys.executable, str(HERE / "one.py"), "--serve"],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True,
            env=environment(backend), cwd=HERE,
        )  # fmt: skip

    def run(self, name: str, fault: str, steps: int = 0) -> dict[str, Any]:
        """Run a case; its record is written even if its process crashes or hangs.

        Args:
            name, fault: of the case.
            steps: training steps; 0 for the program's own.
        """
        began = time.monotonic()
        path = record_of(self._folder, name, fault)
        path.unlink(missing_ok=True)
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(f"{name} {fault} {steps} {path}\n")
        self._process.stdin.flush()
        status = self._process.stdout.readline().strip()
        record: dict[str, Any] = {"program": name, "fault": fault, "backend": self._backend}
        if path.exists():
            record = json.loads(path.read_text())
        else:
            record["error"] = f"its process ended with status {status}"
            record["keras"] = keras_release(self._backend)
        seconds = round(time.monotonic() - began, 1)
        record |= {"version": self._version, "process_seconds": seconds}
        path.write_text(json.dumps(record, indent=1) + "\n")
        return record

    def close(self) -> None:
        """End the process."""
        assert self._process.stdin is not None
        self._process.stdin.close()
        self._process.wait()


def run_all(
    folder: Path, backend: str, todo: Sequence[tuple[str, str]], at_once: int, version: str
) -> None:
    """Run these cases, in so many servers, with their records in a folder."""
    servers: SimpleQueue[Server] = SimpleQueue()
    for _ in range(at_once):
        servers.put(Server(backend, folder, version))

    def run(case: tuple[str, str]) -> dict[str, Any]:
        server = servers.get()
        try:
            return server.run(*case)
        finally:
            servers.put(server)

    with ThreadPoolExecutor(at_once) as pool:
        for number, record in enumerate(pool.map(run, todo), 1):
            print(f"{number}/{len(todo)} {line_of(record)}", flush=True)
    for _ in range(at_once):
        servers.get().close()


def missing(folder: Path, backend: str, version: str, only: list[str]) -> Iterator[tuple[str, str]]:
    for name, fault in cases(backend):
        path = record_of(folder, name, fault)
        if only and name not in only:
            continue
        if only or not path.exists() or json.loads(path.read_text())["version"] != version:
            yield name, fault


def line_of(record: dict[str, Any]) -> str:
    found = ", ".join(f"{f['kind']}@{f['first_step']}" for f in record.get("findings", []))
    says = record.get("error") or f"{record['status']}: {found or 'no finding'}"
    oracle = record.get("oracle", {}).get("says", "")
    same = "" if record.get("identical", True) else " NOT IDENTICAL"
    return f"{record['program']} {record['fault']}: {says[:160]} (samples {oracle}){same}"


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--backend", default="tensorflow", choices=("tensorflow", "jax", "torch"))
    parser.add_argument("--keras", type=Path, help="a folder that holds another Keras")
    parser.add_argument("--only", nargs="*", default=[])
    parser.add_argument("--correct", action="store_true", help="the programs without a fault only")
    parser.add_argument("--faulty", action="store_true", help="the programs with a fault only")
    parser.add_argument("--page", action="store_true")
    parser.add_argument("--at-once", type=int, default=2)
    asked = parser.parse_args()
    if not asked.page:
        version, folder = package_version(), RECORDS / asked.backend
        if asked.keras is not None:
            os.environ["PYTHONPATH"] = str(asked.keras.resolve())
            folder = folder.with_name(f"{asked.backend}-{asked.keras.name}")
        todo = list(missing(folder, asked.backend, version, asked.only))
        if asked.correct:
            todo = [case for case in todo if case[1] == "none"]
        if asked.faulty:
            todo = [case for case in todo if case[1] != "none"]
        if todo:
            run_all(folder, asked.backend, todo, asked.at_once, version)
    from page import write

    return write(RECORDS)


if __name__ == "__main__":
    raise SystemExit(main())
