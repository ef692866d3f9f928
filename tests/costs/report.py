"""What a report of a long run costs: ``make report-cost``.

Writes a journal of 100,000 steps with the monitor's own class, and the report of it. Prints its
CPU time, the memory it took, and its size, and fails above 5 s, 50 MB or 2 MB.
"""

from __future__ import annotations

import multiprocessing
import random
import resource
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
LIMIT_SECONDS, LIMIT_MEMORY, LIMIT_MB = 5, 50, 2
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
        writer = multiprocessing.Process(target=write_journal, args=(run, STEPS))
        writer.start()  # in a process of its own, whose memory is not counted
        writer.join()
        before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        began = time.process_time()
        report = write_run_report(str(run))
        seconds, size = time.process_time() - began, report.stat().st_size / 1e6
        memory = (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) / 1024
        journal = (run / "journal.jsonl").stat().st_size / 1e6
    print(
        f"{STEPS:,} steps, a journal of {journal:.0f} MB: report in {seconds:.1f} s of CPU time, "
        f"{memory:.0f} MB more memory, {size:.2f} MB"
    )
    within = (seconds < LIMIT_SECONDS, memory < LIMIT_MEMORY, size < LIMIT_MB)
    return 0 if all(within) else 1


if __name__ == "__main__":
    sys.exit(main())
