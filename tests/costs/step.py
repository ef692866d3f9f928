"""The cost of the monitor in each training step, in microseconds of CPU time.

    python tests/costs/step.py

The monitor's own work at the end of a batch, and the hash of a batch's data, each timed alone, in
rounds; the median of the rounds and their middle half are printed.
"""

from __future__ import annotations

import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))

import numpy as np
from tiny import ring, tiny_gan

import keras_collapse as kc
from keras_collapse.reproducibility.fingerprints import batch_digest

ROUNDS, CALLS = 40, 250
LOGS = {"d_loss": 1.3, "d_acc": 0.6, "d_loss_real": 0.6, "d_loss_fake": 0.7, "d_acc_real": 0.6,
        "d_acc_fake": 0.6, "g_loss": 0.8, "g_acc": 0.4}  # fmt: skip


def microseconds(work: Callable[[int], object]) -> str:
    taken = []
    for turn in range(ROUNDS):
        began = time.process_time()
        for call in range(CALLS):
            work(turn * CALLS + call)
        taken.append((time.process_time() - began) / CALLS * 1e6)
    low, middle, high = np.percentile(taken, [25, 50, 75])
    return f"{middle:6.0f} µs ({low:.0f} to {high:.0f})"


def main() -> None:
    with tempfile.TemporaryDirectory() as folder:
        gan = tiny_gan()
        gan.fit(ring(64), batch_size=32, verbose=0)
        monitor = kc.CollapseMonitor(run_dir=Path(folder) / "run", verbose=0)
        monitor.set_model(gan)
        monitor.set_params({"epochs": 1, "steps": ROUNDS * CALLS})
        monitor.on_train_begin()
        monitor.on_epoch_begin(0)
        monitor.on_train_batch_end(0, LOGS)
        rng = np.random.default_rng(0)
        noise = rng.normal(0, 0.01, ROUNDS * CALLS + 1)
        print("one batch's end", microseconds(
            lambda i: monitor.on_train_batch_end(i + 1, {k: v + noise[i] for k, v in LOGS.items()})
        ))  # fmt: skip
        monitor.on_epoch_end(0, LOGS)
        monitor.on_train_end()
    for shape in ((64, 28, 28, 1), (64, 128, 128, 3)):
        batch = rng.random(shape, dtype="float32")
        print(f"hash of {shape}", microseconds(lambda _, batch=batch: batch_digest((batch,))))


if __name__ == "__main__":
    main()
