"""What stopping surely failed trainings early saves, and what it costs: python tests/zoo/early.py

For each time that a failure must have stood: healthy trainings (by the oracle, at their end) that
would have been stopped, failed ones that are, and the share of the steps of these that is saved.
"""

from __future__ import annotations

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))

from bench import interval
from zoo import Run, load

from keras_collapse.core.examiner import Examiner
from keras_collapse.core.findings import Severity
from keras_collapse.triage.trial.outcome import CONFIRMED, PERMANENT, STOP_AFTER_STEPS


def ages(run: Run) -> list[tuple[int, float]]:
    """At each look, the step and how long the oldest failure has stood: lasting ones for ever."""
    examiner, found = Examiner(), []
    for reading, probe in run.seen():
        examiner.update(reading)
        if probe is not None:
            examiner.update_probe(probe)
            step = reading.step + 1
            standing = [
                float("inf") if f.kind in PERMANENT else step - f.first_step
                for f in examiner.verdict().findings
                if f.severity is Severity.FAILED and not f.resolved
            ]
            found.append((step, max(standing, default=-1.0)))
    return found


def stopped(told: list[tuple[int, float]], steps: int, first: int) -> int | None:
    """The step at which it would be stopped, if it is; from ``first`` on if it may recover."""
    return next(
        (s for s, age in told if age >= steps and (s >= first or age == float("inf"))), None
    )


def main() -> None:
    runs = [(run, ages(run)) for run in load() if run.label in ("healthy", "failed")]
    print("stood for, step  healthy, stopped      failed, stopped       steps of the failed saved")
    for steps, first in ((0, 0), (200, 0), (400, 0), (600, 0), (800, 0), (1000, 0),
                         (600, 1100), (STOP_AFTER_STEPS, CONFIRMED), (600, 1800)):  # fmt: skip
        ends = [(run, stopped(told, steps, first)) for run, told in runs]
        lost = [end for run, end in ends if run.label == "healthy"]
        won = [end for run, end in ends if run.label == "failed"]
        hits = [end for end in won if end is not None]
        failed = [(run.program["steps"], end) for run, end in ends if run.label == "failed"]
        left = sum(steps - end for steps, end in failed if end is not None)
        saved = left / max(sum(steps for steps, _ in failed), 1)
        wrong = sum(end is not None for end in lost)
        print(f"{steps:9} {first:5}  {wrong}, {interval(wrong, len(lost)):18}  "
              f"{interval(len(hits), len(won)):20}  {saved:.0%}")  # fmt: skip


if __name__ == "__main__":
    main()
