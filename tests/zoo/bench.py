"""Scores detectors against the zoo's oracle and writes docs/benchmarks/detection.md.

python tests/zoo/bench.py           # all runs, two minutes
python tests/zoo/bench.py --fast    # every sixth run, nothing written
"""

from __future__ import annotations

import functools
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from math import sqrt
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))

from zoo import LOOK, Run, load

from keras_collapse.core.detectors.discriminator_pinned import (
    D_ACC_BAND,
    D_LOSS_BAND,
    G_ACC_BAND,
)
from keras_collapse.core.examiner import Examiner
from keras_collapse.core.readings import Blocks, Reading

PAGE = Path(__file__).parents[2] / "docs" / "benchmarks" / "detection.md"
Z = 1.96
"""Of a 95 % interval (Wilson, 1927)."""


@functools.cache  # runs are scored as a whole and by cause
def ours(run: Run, samples: bool = True) -> int | None:
    """The step after which the verdict first says "failed"; None where it never does."""
    examiner = Examiner()
    probes = run.probe() if samples else iter(())
    for reading in run.read():
        changed = list(examiner.update(reading))
        if (reading.step + 1) % LOOK == 0 and (probe := next(probes, None)) is not None:
            changed += examiner.look(probe)
        if any(finding.severity == "failed" for finding in changed):
            return reading.step + 1
    return None


def by_losses(run: Run) -> int | None:
    return ours(run, samples=False)


def guide(run: Run) -> int | None:
    """The guide's three bands, taken at their word, on means of 25 steps."""
    bands = {"d_loss": D_LOSS_BAND, "d_acc": D_ACC_BAND, "g_acc": G_ACC_BAND}
    blocks = Blocks(25)
    for reading in run.read():
        block = blocks.add(reading)
        if block is not None and _inside(block, bands):
            return block.step + 1
    return None


def _inside(block: Reading, bands: dict[str, tuple[float, float]]) -> bool:
    known = {name: block.get(name) for name in bands}
    return all(v is not None and bands[n][0] <= v <= bands[n][1] for n, v in known.items())


def early_stopping(run: Run) -> int | None:
    """Keras' EarlyStopping on G's loss with a patience of 10, an epoch being 50 steps."""
    blocks, best, waited = Blocks(50), float("inf"), 0
    for reading in run.read():
        block = blocks.add(reading)
        if block is None:
            continue
        loss = block.values["g_loss"]
        waited = 0 if loss < best else waited + 1
        best = min(best, loss)
        if waited >= 10:
            return block.step + 1
    return None


METHODS: dict[str, Callable[[Run], int | None]] = {
    "the guide's three bands": guide,
    "early stopping on G's loss": early_stopping,
    "ours, losses only": by_losses,
    "ours, with samples": ours,
}


@dataclass(frozen=True)
class Score:
    """What a method did on some runs."""

    found: int
    failed: int
    alarms: int
    healthy: int
    delays: Sequence[int]

    @property
    def recall(self) -> float:
        return self.found / max(self.failed, 1)

    @property
    def false_alarms(self) -> float:
        return self.alarms / max(self.healthy, 1)

    @property
    def precision(self) -> float:
        return self.found / max(self.found + self.alarms, 1)


def score(method: Callable[[Run], int | None], runs: Sequence[Run]) -> Score:
    found, alarms, delays = 0, 0, []
    for run in runs:
        alarm = method(run)
        if run.label == "failed" and alarm is not None:
            found += 1
            delays.append(max(alarm - (run.onset or 0), 0))
        alarms += run.label == "healthy" and alarm is not None
    labels = [run.label for run in runs]
    return Score(found, labels.count("failed"), alarms, labels.count("healthy"), sorted(delays))


def interval(hits: int, tries: int) -> str:
    """A share with its 95 % interval, in per cent."""
    if tries == 0:
        return "none"
    p = hits / tries
    middle = (p + Z * Z / (2 * tries)) / (1 + Z * Z / tries)
    half = Z / (1 + Z * Z / tries) * sqrt(p * (1 - p) / tries + Z * Z / (4 * tries * tries))
    return f"{p:.0%} ({max(middle - half, 0):.0%} to {min(middle + half, 1):.0%})"


def table(runs: Sequence[Run]) -> list[str]:
    lines = ["| method | precision | recall | healthy runs called failed | median delay, steps |",
             "|---|---|---|---|---|"]  # fmt: skip
    for name, method in METHODS.items():
        s = score(method, runs)
        delay = s.delays[len(s.delays) // 2] if s.delays else "none"
        lines.append(
            f"| {name} | {interval(s.found, s.found + s.alarms)} | {interval(s.found, s.failed)} "
            f"| {interval(s.alarms, s.healthy)} | {delay} |"
        )
    return lines


def causes(runs: Sequence[Run]) -> list[str]:
    lines = ["| injected | failed, by the oracle | found | healthy | called failed |",
             "|---|---|---|---|---|"]  # fmt: skip
    for cause in sorted({run.recipe["cause"] for run in runs}):
        s = score(ours, [run for run in runs if run.recipe["cause"] == cause])
        lines.append(f"| `{cause}` | {s.failed} | {s.found} | {s.healthy} | {s.alarms} |")
    return lines


HEAD = """# Detection, scored on the zoo

Made by `python tests/zoo/bench.py` from the records in [`tests/zoo`](../../tests/zoo/README.md):
{count} trainings, of which the oracle calls {healthy} healthy and {failed} failed; the others lie
between and are not scored. In brackets 95 % intervals (Wilson). A run counts as found where the
verdict says `failed` at any time; the delay runs from the last look that the oracle calls good.

"""


def main(fast: bool) -> int:
    runs = load()[:: 6 if fast else 1]
    held = [run for run in runs if run.held_out]
    chosen = [run for run in runs if not run.held_out]
    labels = [run.label for run in runs]
    page = HEAD.format(
        count=len(runs), healthy=labels.count("healthy"), failed=labels.count("failed")
    )
    page += "## Held out: data sets, architectures and objectives no threshold was chosen on\n\n"
    page += "\n".join(table(held)) + "\n\n## The part that thresholds were chosen on\n\n"
    page += "\n".join(table(chosen)) + "\n\n## By what was injected, held out\n\n"
    page += "\n".join(causes(held)) + "\n"
    if fast:
        print(page)
    else:
        PAGE.parent.mkdir(exist_ok=True)
        PAGE.write_text(page, encoding="utf-8")
    return 0


if __name__ == "__main__":
    raise SystemExit(main("--fast" in sys.argv))
