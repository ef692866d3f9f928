"""How early a trial of a triage shows how it will end: python tests/zoo/images/early.py

For each length: of the image zoo's trainings that end healthy, and of those that fail from their
start, how many a trial of that length would call good or bad by its last sample checks.
"""

from __future__ import annotations

import sys
from collections import Counter
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))

from runs import Run, load_runs

from keras_collapse.core.examiner import Examiner
from keras_collapse.core.samples.probe import Probe
from keras_collapse.triage.trial.outcome import SETTLED, early_stop, succeeded

LENGTHS = (320, 480, 640, 960, 1280, 1600)
WORDS = {True: "good", False: "bad", None: "undecided"}


def outcomes(run: Run) -> dict[int, str]:
    """What a trial of each length would have shown, as if it were long enough."""
    examiner, checks, found = Examiner(), list[Probe](), {}
    examiner.know_objective(run.objective)
    for reading, probe in run.seen():
        examiner.update(reading)
        if probe is not None:
            examiner.update_probe(probe)
            checks.append(probe)
        if reading.step + 1 in LENGTHS:
            status = str(examiner.verdict().status)
            found[reading.step + 1] = WORDS[succeeded(status, checks, SETTLED)]
    return found


def stopped(run: Run) -> bool:
    """Whether a trial with these readings and checks would be stopped as failed."""
    examiner = Examiner()
    examiner.know_objective(run.objective)
    for reading, probe in run.seen():
        examiner.update(reading)
        if probe is not None:
            examiner.update_probe(probe)
        if early_stop(examiner.verdict().findings, reading.step):
            return True
    return False


def main() -> None:
    groups = {
        "healthy": [run for run in load_runs() if run.label == "healthy"],
        "failed": [r for r in load_runs() if r.failed and not r.about["fault"]["since"]],
    }
    for name, runs in groups.items():
        ends = [outcomes(run) for run in runs]
        for length in LENGTHS:
            counts = Counter(end[length] for end in ends)
            print(f"{name:8} {length:5} steps: {dict(counts)}")
        print(f"{name:8} stopped as failed: {sum(map(stopped, runs))} of {len(runs)}")


if __name__ == "__main__":
    main()
