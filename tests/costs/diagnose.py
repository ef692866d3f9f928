"""Time and memory of `diagnose` on a long log: ``make diagnose-cost``.

    python tests/costs/diagnose.py [ROWS]

A CSV of a million steps, or of so many, with two losses and two accuracies is written, then
diagnosed.
"""

from __future__ import annotations

import random
import resource
import sys
import tempfile
import time
from pathlib import Path

from keras_collapse import sources

ROWS = int(sys.argv[1]) if len(sys.argv) > 1 else 1_000_000


def main() -> None:
    rng = random.Random(0)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "log.csv"
        with path.open("w") as file:
            file.write("step,d_loss,g_loss,d_acc_real,d_acc_fake\n")
            for step in range(ROWS):
                loss, accuracy = 0.69 + 0.01 * rng.random(), 0.5 + 0.1 * rng.random()
                file.write(f"{step},{loss:.4f},{1.4 - loss:.4f},{accuracy:.3f},{accuracy:.3f}\n")
        before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        began = time.process_time()
        verdict = sources.diagnose(str(path))
        took = time.process_time() - began
        grown = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before
    print(f"{verdict.status}: {ROWS / took:,.0f} readings a second of CPU time, "
          f"{grown / 1024:.0f} MB more memory")  # fmt: skip


if __name__ == "__main__":
    main()
