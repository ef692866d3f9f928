"""The monitor's own memory over a long run: ``make memory``.

Drives the callback through 100,000 steps of a real (tiny) model's hooks, without the training in
between, so that what grows is the monitor's. Prints the growth and fails above 20 MB.
"""

from __future__ import annotations

import gc
import random
import sys
import tempfile
import time
import tracemalloc
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))

import keras
from tiny import tiny_gan

import keras_collapse as kc

STEPS = 100_000
EPOCH = 1_000
LIMIT_MB = 20


def main() -> int:
    numbers = random.Random(0)
    names = ("d_loss", "d_loss_real", "d_loss_fake", "d_acc", "d_acc_real", "d_acc_fake")
    with tempfile.TemporaryDirectory() as folder:
        monitor = kc.CollapseMonitor(run_dir=Path(folder) / "run", verbose=0)
        hooks = keras.callbacks.CallbackList([monitor], model=tiny_gan(), epochs=1, steps=EPOCH)
        hooks.on_train_begin()
        hooks.on_epoch_begin(0)
        gc.collect()
        tracemalloc.start()
        before, began = tracemalloc.get_traced_memory()[0], time.process_time()
        for step in range(STEPS):
            if step and step % EPOCH == 0:
                hooks.on_epoch_end(step // EPOCH - 1, {})
                hooks.on_epoch_begin(step // EPOCH)
            # A pinned D for every other 1,000 steps: findings open, heal, and add up.
            logs = {name: numbers.random() for name in (*names, "g_loss", "g_acc")}
            if step // 1000 % 2:
                logs |= {"d_acc_real": 1.0, "d_acc_fake": 0.0}
            monitor.on_train_batch_end(step % EPOCH, logs)
        seconds = time.process_time() - began
        after, peak = tracemalloc.get_traced_memory()
        size = (Path(folder) / "run" / "journal.jsonl").stat().st_size
        findings = len(monitor.verdict.findings)
    grown, peak = (after - before) / 1e6, (peak - before) / 1e6
    print(
        f"{STEPS:,} steps, {findings} findings: grown by {grown:.2f} MB, at most {peak:.2f} MB; "
        f"{seconds / STEPS * 1e6:.0f} microseconds a step (traced); journal {size / 1e6:.1f} MB"
    )
    return 0 if peak < LIMIT_MB else 1


if __name__ == "__main__":
    raise SystemExit(main())
