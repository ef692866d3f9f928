"""``kill -9`` of triages and of their trials, in numbers: ``make kills``.

    KERAS_BACKEND=torch python tests/kills/triages.py [--kills 50] [--seed 0]

A triage of short trainings runs until its runner, or one of its trials, is killed at a random time;
the same command is given again until the triage is complete, then a new one begins. It must hold
that

- a trial that had ended is not run again, and its result does not change,
- no process is left some seconds after the runner is gone,
- the command ends well at last, and its results hold every trial of the plan, done.

Exits with 1 if anything of this does not hold.
"""

from __future__ import annotations

import contextlib
import json
import os
import random
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))

import psutil
from counts import options, told
from ring_program import CODE

TRIALS = 6
PLAN = "steps: 64\ntrials:\n" + "".join(
    f"  - {{seed: {seed}, batch_size: 32}}\n" for seed in range(TRIALS)
)
SAID = Path("said.txt")
LATEST = 25.0
"""Seconds after which a kill comes at the latest: some trials have ended by then."""
ORPHAN_SECONDS = 5.0
"""Time within which trials must notice that their runner is gone."""


def start(folder: Path) -> subprocess.Popen[bytes]:
    command = [
        sys.executable, "-m", "keras_collapse.cli", "triage", "plan.yaml", "my_gan.py:train",
        "--no-continue", "--device", "cpu", "--no-mlflow", "--out", str(folder),
    ]  # fmt: skip
    with SAID.open("wb") as said:
        return subprocess.Popen(command, start_new_session=True, stdout=said, stderr=said)


def results(folder: Path) -> dict[str, tuple[int, str]]:
    """When each result was written and how its trial ended; raises ValueError if one is broken."""
    return {
        path.parent.name: (path.stat().st_mtime_ns, json.loads(path.read_text())["ended"])
        for path in folder.glob("trials/*/result.json")
    }


def children_of(pid: int) -> list[psutil.Process]:
    with contextlib.suppress(psutil.NoSuchProcess):
        return psutil.Process(pid).children(recursive=True)
    return []


def kill(runner: subprocess.Popen[bytes], chance: random.Random) -> Counter[str]:
    """Kill the runner or one of its trials; return what was counted."""
    children = children_of(runner.pid)
    trials = [one for one in children if "keras_collapse.triage.trial" in _words(one)]
    if trials and chance.random() < 0.5:
        with contextlib.suppress(psutil.NoSuchProcess):
            chance.choice(trials).kill()
        return Counter({"kills of a trial": 1})
    os.kill(runner.pid, signal.SIGKILL)
    runner.wait()
    psutil.wait_procs(children, timeout=ORPHAN_SECONDS)
    left = [one for one in children if one.is_running() and one.status() != "zombie"]
    for one in left:
        one.kill()
    return Counter({"kills of a runner": 1, "wrong: processes left": len(left)})


def _words(process: psutil.Process) -> str:
    with contextlib.suppress(psutil.Error):
        return " ".join(process.cmdline())
    return ""


def triage(folder: Path, kills: int, chance: random.Random) -> Counter[str]:
    """Run one triage to its end, through at most so many kills."""
    counted: Counter[str] = Counter({"triages": 1})
    before: dict[str, tuple[int, str]] = {}
    while True:
        runner = start(folder)
        counted["commands"] += 1
        kills_before = counted["kills of a trial"]
        until = time.monotonic() + chance.uniform(0, LATEST)
        while runner.poll() is None:
            made = counted["kills of a trial"] + counted["kills of a runner"]
            if made < kills and time.monotonic() > until:
                counted += kill(runner, chance)
                until = time.monotonic() + chance.uniform(0, LATEST)
            time.sleep(0.1)
        now = results(folder)
        again = [name for name, one in before.items() if one[1] == "done" and now[name] != one]
        counted["wrong: a trial that was done was run again"] += len(again)
        before = now
        if runner.returncode in (0, 1) and all(how == "done" for _, how in now.values()):
            break
        if runner.returncode == 2 and counted["kills of a trial"] > kills_before:
            counted["commands that ended since their first trial was killed"] += 1
        elif runner.returncode == 2:
            print(SAID.read_text(errors="replace"))
            counted["wrong: the command could not do its work"] += 1
            return counted
        if counted["commands"] > 10 * kills + 10:
            counted["wrong: it never ends"] += 1
            return counted
    found = json.loads((folder / "triage.json").read_text())
    counted["trials done"] += len(before)
    if len(found["trials"]) != TRIALS or len(before) != TRIALS:
        counted["wrong: trials are missing"] += 1
    return counted


def main() -> int:
    kills, chance = options(__doc__)
    counted: Counter[str] = Counter()
    with tempfile.TemporaryDirectory() as temporary:
        os.chdir(temporary)
        Path("my_gan.py").write_text(CODE)
        Path("plan.yaml").write_text(PLAN)
        while (made := sum(n for name, n in counted.items() if name.startswith("kills"))) < (kills):
            counted += triage(Path(temporary) / f"out-{counted['triages']}", kills - made, chance)
            print(f"{dict(counted)}", flush=True)
    return told(counted)


if __name__ == "__main__":
    raise SystemExit(main())
