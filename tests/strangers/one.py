"""One program with one fault in this process: trained unwatched and watched; prints a JSON record.

    python tests/strangers/one.py NAME [FAULT] [--steps N]

FAULT is ``none`` for the program as its author meant it. The backend is that of KERAS_BACKEND.
"""

from __future__ import annotations

import argparse
import contextlib
import hashlib
import json
import os
import random
import signal
import sys
import tempfile
import time
import traceback
import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import keras
import numpy as np
from corpus import Stranger, Trained, Watch, as_numpy, load
from oracle import opinion

DRAWN = 512
"""Samples that the oracle judges."""
SEED = 11
LIMIT = 240
"""Seconds after which a run counts as hanging."""
FAULT_STEPS = 60
"""Most steps of a run with a fault: it must show in the first one."""
WHOLE = ("none", "g_label", "cold_start")
"""Faults that are trained as long as the correct program: what counts is the verdict at the end."""
OWN_WARNINGS = ("keras_collapse", "CollapseMonitor", "switched itself off")


def train(program: Stranger, fault: str | None, steps: int, monitor: Any = None) -> Trained:
    """Train from the same seeds; only the monitor may differ."""
    keras.utils.clear_session()
    keras.utils.set_random_seed(SEED)
    return program.train(Watch(monitor), fault, steps)


def state_of(trained: Trained) -> str:
    """A hash of all weights, of the optimizers' state and of the global random states."""
    found = hashlib.sha256()
    for owner in [*trained.models, *trained.optimizers]:
        for variable in _variables(owner):
            found.update(as_numpy(variable).tobytes())
    found.update(repr(random.getstate()).encode())
    found.update(np.random.get_state()[1].tobytes())  # type: ignore[index]
    return found.hexdigest()[:16]


def _variables(owner: Any) -> list[Any]:
    if isinstance(owner, keras.Model | keras.optimizers.Optimizer | keras.Layer):
        return [variable.value for variable in owner.variables]
    if hasattr(owner, "state_dict"):  # a PyTorch module or optimizer
        return [v for v in _leaves(owner.state_dict()) if hasattr(v, "detach")]
    return _leaves(owner)


def _leaves(tree: Any) -> list[Any]:
    if isinstance(tree, dict):
        return [leaf for one in tree.values() for leaf in _leaves(one)]
    if isinstance(tree, list | tuple):
        return [leaf for one in tree for leaf in _leaves(one)]
    return [tree] if hasattr(tree, "shape") else []


def journal_of(folder: Path) -> dict[str, Any]:
    """What the monitor's own journal says: why samples were not compared, and how often they were.

    Read as plain JSON, so that the harness sees what is written, not what it is read as.
    """
    lines = [
        json.loads(line)
        for path in folder.rglob("*.jsonl")
        for line in path.read_text().splitlines()
    ]
    kinds = [line.get("record") for line in lines]
    reasons = [line["reason"] for line in lines if line.get("record") == "unavailable"]
    readings = [line for line in lines if line.get("record") == "logs"]
    return {
        "compared": kinds.count("probe"),
        "unavailable": reasons[-1] if reasons else "",
        "log_keys": sorted(readings[0]["logs"]) if readings else [],
        "hashed": any(kind == "fingerprint" for kind in kinds),
    }


def watched(program: Stranger, fault: str | None, steps: int) -> tuple[dict[str, Any], Trained]:
    """Train under a monitor without any argument but its folder."""
    import keras_collapse as kc

    with tempfile.TemporaryDirectory() as folder, warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        monitor = kc.CollapseMonitor(run_dir=folder, verbose=0)
        began = time.monotonic()
        trained = train(program, fault, steps, monitor)
        seconds = time.monotonic() - began
        verdict = monitor.verdict
        record = {
            "status": str(verdict.status),
            "reason": verdict.reason,
            "averaging": verdict.averaging,
            "steps_assessed": verdict.steps,
            "findings": [
                {
                    "kind": one.kind,
                    "severity": str(one.severity),
                    "first_step": one.first_step,
                    "resolved": one.resolved,
                    "message": one.message,
                    "advice": list(one.advice),
                }
                for one in verdict.findings
            ],
            "seconds": round(seconds, 2),
            **journal_of(Path(folder)),
        }
        said = {str(w.message) for w in caught}
        record["warnings"] = sorted(w for w in said if any(own in w for own in OWN_WARNINGS))
        return record, trained


def judged(trained: Trained) -> dict[str, Any]:
    samples, labels = trained.draw(DRAWN)
    order = np.random.default_rng(1).permutation(len(trained.real))[: 2 * DRAWN]
    real_labels = None if trained.labels is None else np.asarray(trained.labels)[order]
    return opinion(samples, np.asarray(trained.real)[order], labels, real_labels)


def run(program: Stranger, fault: str | None, steps: int) -> dict[str, Any]:
    """The record of one program with one fault."""
    began = time.monotonic()
    plain = state_of(train(program, fault, steps)) if fault is None else ""
    bare = time.monotonic() - began
    record, trained = watched(program, fault, steps)
    with_monitor = state_of(trained)
    if fault is None:
        record["bare_seconds"] = round(bare, 2)
        record["identical"] = plain == with_monitor
        if not record["identical"]:  # is the program itself the same twice?
            record["repeatable"] = state_of(train(program, fault, steps)) == plain
    return record | {"oracle": judged(trained)}


def record_of(program: Stranger, fault_name: str, steps: int | None) -> dict[str, Any]:
    """The record of a run, or of the error that ended it."""
    fault = None if fault_name == "none" else fault_name
    whole = fault_name in WHOLE and (fault is None or program.way != "train_on_batch")
    steps = steps or (program.steps if whole else min(program.steps, FAULT_STEPS))
    record: dict[str, Any] = {
        "program": program.name,
        "fault": fault_name,
        "expected": [] if fault is None else sorted(program.faults[fault]),
        "family": program.family,
        "way": program.way,
        "backend": keras.backend.backend(),
        "keras": keras.__version__,
        "steps": steps,
    }
    try:
        record |= run(program, fault, steps)
    except Exception as error:
        record["error"] = f"{type(error).__name__}: {error}"[:500]
        record["traceback"] = traceback.format_exc()[-3000:]
    return record


def serve(programs: Mapping[str, Stranger]) -> None:
    """Run each "NAME FAULT STEPS PATH" of standard input in its own process; write its record.

    The frameworks are imported once, before the processes part: importing them takes longer than
    most of the programs. Nothing has been computed by then. A line is printed when a run is over.
    """
    for line in sys.stdin:
        name, fault, steps, path = line.split()
        child = os.fork()
        if child == 0:
            with open(os.devnull, "w") as nowhere, contextlib.redirect_stdout(nowhere):
                Path(path).write_text(json.dumps(record_of(programs[name], fault, int(steps))))
            os._exit(0)
        limit = time.monotonic() + LIMIT
        while (done := os.waitpid(child, os.WNOHANG)) == (0, 0) and time.monotonic() < limit:
            time.sleep(0.05)
        if done == (0, 0):
            os.kill(child, signal.SIGKILL)
            done = os.waitpid(child, 0)
        print(done[1], flush=True)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("name", nargs="?")
    parser.add_argument("fault", nargs="?", default="none")
    parser.add_argument("--steps", type=int)
    parser.add_argument("--serve", action="store_true")
    asked = parser.parse_args()
    programs = load()
    if asked.serve:
        import keras_collapse  # noqa: F401

        serve(programs)
        return 0
    with contextlib.redirect_stdout(sys.stderr):
        record = record_of(programs[asked.name], asked.fault, asked.steps)
    print(json.dumps(record))
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
