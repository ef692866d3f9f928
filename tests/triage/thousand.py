"""What the runner itself takes for a triage of a thousand trials: ``make triage-cost``.

    python tests/triage/thousand.py

Its trials end at once, with a result of their own, so that what is left is the runner's work: the
forecast, the folders, the table and the diagnosis.
"""

from __future__ import annotations

import argparse
import io
import sys
import tempfile
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))

import psutil
from rich.console import Console
from simulated import Simulated

from keras_collapse.outputs.terminal.trials_table import TrialsTable
from keras_collapse.triage.display.progress import TableView
from keras_collapse.triage.plans import Plan, TrialConfig
from keras_collapse.triage.runner import Runner
from keras_collapse.triage.spec import TriageSpec

MOST_MILLISECONDS = 100.0
"""What the runner may take for a trial."""


def measure(folder: Path, count: int) -> tuple[float, float]:
    """Run a triage of that many trials.

    Returns:
        The runner's time for a trial in milliseconds, and memory in KiB.
    """
    code = folder / "gan.py"
    code.write_text("def train(trial): ...\n")
    sizes = (16, 32, 64)
    trials = [TrialConfig(seed=seed, batch_size=sizes[seed % 3]) for seed in range(count)]
    plan = Plan(name="thousand", steps=100, trials=tuple(trials))
    spec = TriageSpec(f"{code}:train", plan, folder / "out", "jax")
    executor = Simulated(lambda trial: trial.batch_size > 16)
    process = psutil.Process()
    memory, began = process.memory_info().rss, time.perf_counter()
    with TrialsTable(Console(file=io.StringIO())) as table:
        found = Runner(spec, executor, TableView(table)).run()
    took = time.perf_counter() - began
    assert found.diagnosis.root_cause == "batch_size", found.diagnosis.statement
    assert len(found.results) == count
    return 1000 * took / count, (process.memory_info().rss - memory) / 1024 / count


def main() -> int:
    parser = argparse.ArgumentParser(description="Measure the runner on instant trials.")
    parser.add_argument("--trials", type=int, default=1000)
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        milliseconds, kib = measure(Path(folder), asked.trials)
    print(f"{asked.trials} trials: {milliseconds:.1f} ms and {kib:.0f} KiB of the runner for each")
    return int(milliseconds > MOST_MILLISECONDS)


if __name__ == "__main__":
    raise SystemExit(main())
