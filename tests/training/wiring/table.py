"""Runs every program on every backend and Keras release, and writes docs/wiring-table.md.

    python tests/training/wiring/table.py [FOLDER_OF_ANOTHER_KERAS ...]

Each combination is a process of its own; one that finds a wrong answer makes the status 1.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

ROOT = Path(__file__).parents[3]
PAGE = ROOT / "docs" / "wiring-table.md"
BACKENDS = ("tensorflow", "jax", "torch")
HEAD = """# Programs and the faults found in them

Every program of [`programs.py`](../tests/training/wiring/programs.py), trained for {steps} steps
under the monitor. Made by `make wiring-table`; a cell is `ok` where exactly the
faults that the program has were found, by its step {steps} at the latest.

"""


def one_process() -> None:
    """Print, as JSON, what is found in each program with this process' Keras and backend."""
    import keras
    from programs import PROGRAMS, STEPS
    from test_programs import ELSEWHERE

    import keras_collapse as kc

    rows = []
    for program in PROGRAMS:
        monitor = kc.CollapseMonitor(verbose=0)
        try:
            program.train(monitor)
            found = {f.kind for f in monitor.verdict.findings if f.kind not in ELSEWHERE}
        except Exception as error:
            found = {f"{type(error).__name__}"}
        rows.append((program.name, sorted(program.faults), sorted(found)))
    print(json.dumps({"keras": keras.__version__, "steps": STEPS, "rows": rows}))


def run(job: tuple[str, str]) -> tuple[str, dict]:  # type: ignore[type-arg]
    backend, keras_folder = job
    environment = os.environ | {"KERAS_BACKEND": backend, "TF_CPP_MIN_LOG_LEVEL": "3"}
    environment["PYTHONPATH"] = os.pathsep.join(
        filter(None, [keras_folder, os.environ.get("PYTHONPATH", "")])
    )
    with tempfile.TemporaryDirectory() as folder:
        done = subprocess.run(
            [sys.executable, str(Path(__file__).resolve()), "--one"],
            capture_output=True, text=True, env=environment, cwd=folder, check=False,
        )  # fmt: skip
    if done.returncode:
        raise RuntimeError(f"{job}: {done.stderr[-2000:]}")
    return backend, json.loads(done.stdout.splitlines()[-1])


def main(folders: list[str]) -> int:
    jobs = [(b, f) for f in ["", *(str(Path(f).resolve()) for f in folders)] for b in BACKENDS]
    with ThreadPoolExecutor(max_workers=2) as pool:
        done = list(pool.map(run, jobs))
    columns = [f"{backend}, Keras {found['keras']}" for backend, found in done]
    cells: dict[str, dict[str, str]] = {}
    wrong = 0
    for column, (_, found) in zip(columns, done, strict=True):
        for name, expected, seen in found["rows"]:
            right = expected == seen
            wrong += not right
            row = cells.setdefault(name, {"program": name, "faults": ", ".join(expected) or "none"})
            row[column] = "ok" if right else f"**{', '.join(seen) or 'none'}**"
    names = ["program", "faults", *columns]
    lines = [HEAD.format(steps=done[0][1]["steps"]), f"| {' | '.join(names)} |"]
    lines.append("|" + "---|" * len(names))
    lines += [
        f"| {' | '.join(row.get(n, 'not possible') for n in names)} |" for row in cells.values()
    ]
    faulty = sum(row["faults"] != "none" for row in cells.values())
    runs = sum(len(found["rows"]) for _, found in done)
    lines.append(
        f"\n{len(cells) - faulty} correct and {faulty} faulty programs, {runs} runs, {wrong} wrong."
    )
    PAGE.write_text("\n".join(lines) + "\n", encoding="utf-8")
    print(lines[-1].strip())
    return 1 if wrong else 0


if __name__ == "__main__":
    if sys.argv[1:] == ["--one"]:
        one_process()
    else:
        raise SystemExit(main(sys.argv[1:]))
