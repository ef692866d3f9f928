"""What a report of a long run costs: ``make report-cost``.

Writes a journal of 100,000 steps with the monitor's own class, and the report of it. Prints its
seconds and size, and fails above 10 s or 2 MB.
"""

from __future__ import annotations

import random
import sys
import tempfile
import time
from pathlib import Path

from keras_collapse.core.findings import Status, Verdict
from keras_collapse.core.journal import Journal
from keras_collapse.core.records import (
    SCHEMA,
    FitStarted,
    ReaderSettings,
    RunEnded,
    RunStarted,
    SamplesChecked,
    StepLogs,
)
from keras_collapse.outputs.report.run_report import write_run_report

STEPS = 100_000
EPOCH = 1_000
LIMIT_SECONDS, LIMIT_MB = 10, 2
SIGNALS = ("d_loss", "d_loss_real", "d_loss_fake", "g_loss", "d_acc", "d_acc_real", "d_acc_fake")
LOOKED_AT = ("missing_share", "duplicate_share", "coverage", "density", "precision", "separation",
             "distance_ratio", "sliced_wasserstein")  # fmt: skip


def write_journal(folder: Path, steps: int) -> None:
    """A run whose D is pinned for every other thousand steps, looked at after each epoch."""
    journal, numbers = Journal(folder), random.Random(0)
    journal.write(RunStarted(SCHEMA, 0.0, {}, "python train.py"))
    journal.write(FitStarted(0, {"backend": "jax", "batch_size": 64}))
    journal.write(ReaderSettings(None, "batch", 0, None))
    for step in range(steps):
        logs = {name: numbers.random() for name in SIGNALS}
        if step // 1000 % 2:
            logs |= {"d_acc_real": 1.0, "d_acc_fake": 0.0}
        journal.write(StepLogs(step, step // EPOCH, logs))
        if step % EPOCH == EPOCH - 1:
            values = {name: numbers.random() for name in LOOKED_AT}
            journal.write(SamplesChecked(step, values))
    journal.write(RunEnded(Verdict(Status.UNKNOWN)))
    journal.close()


def main() -> int:
    with tempfile.TemporaryDirectory() as folder:
        run = Path(folder) / "run"
        write_journal(run, STEPS)
        began = time.perf_counter()
        report = write_run_report(str(run))
        seconds, size = time.perf_counter() - began, report.stat().st_size / 1e6
        journal = (run / "journal.jsonl").stat().st_size / 1e6
    print(
        f"{STEPS:,} steps, a journal of {journal:.0f} MB: report in {seconds:.1f} s, {size:.2f} MB"
    )
    return 0 if seconds < LIMIT_SECONDS and size < LIMIT_MB else 1


if __name__ == "__main__":
    sys.exit(main())
