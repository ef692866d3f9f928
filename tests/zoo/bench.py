"""Scores detectors on the benchmark's labelled runs and writes docs/benchmarks/detection.md.

python tests/zoo/bench.py           # all runs, a few minutes
python tests/zoo/bench.py --fast    # every sixth run, nothing written
"""

from __future__ import annotations

import functools
import sys
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from math import sqrt
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).parent))

from baselines import autotrainer, early_stopping, guide, sagemaker
from marks import both_ways, matched, mode_counts, ways_table
from zoo import BAD_QUALITY, EVERY, LOOK, Run, load, onset

from keras_collapse.core.examiner import Examiner
from keras_collapse.core.findings import Finding, Severity, Verdict

PAGE = Path(__file__).parents[2] / "docs" / "benchmarks" / "detection.md"
Z = 1.96
"""Standard normal quantile of a 95 % interval (Wilson, 1927)."""
AT_ONCE = {"nan_rate"}
"""Causes that are visible in the step in which they strike."""


@dataclass(frozen=True)
class Detection:
    """The result of our detectors on a run.

    Args:
        alarm: number of steps after which the verdict was "failed" for the first time; else None.
        first: the finding that caused it.
        verdict: the verdict at the end.
    """

    alarm: int | None
    first: Finding | None
    verdict: Verdict


@functools.cache  # runs are scored as a whole, by cause and by kind
def detect(run: Run, samples: bool = True) -> Detection:
    examiner = Examiner(log_only=not samples)
    alarm: tuple[int, Finding] | None = None
    for reading, probe in run.seen():
        changed = list(examiner.update(reading))
        if samples and probe is not None:
            changed += examiner.update_probe(probe)
        for finding in changed:
            if finding.severity is Severity.FAILED and alarm is None:
                alarm = (reading.step + 1, finding)
    step, first = alarm or (None, None)
    return Detection(step, first, examiner.verdict())


def ours(run: Run) -> int | None:
    return detect(run).alarm


def by_losses(run: Run) -> int | None:
    return detect(run, samples=False).alarm


def at_the_end(run: Run) -> int | None:
    """Our verdict at the end of the training only."""
    return run.program["steps"] if detect(run).verdict.status == "failed" else None


Method = Callable[[Run], int | None]
METHODS: dict[str, Method] = {
    "the guide's three ranges": guide,
    "early stopping on G's loss": early_stopping,
    "SageMaker Debugger's LossNotDecreasing, ExplodingTensor": sagemaker,
    "AUTOTRAINER's rules on the history": autotrainer,
    "keras-collapse, losses only": by_losses,
    "keras-collapse, losses and samples": ours,
    "keras-collapse, losses and samples, verdict at the end": at_the_end,
}


@dataclass(frozen=True)
class Score:
    """How a method did on some runs."""

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


def score(method: Method, runs: Sequence[Run]) -> Score:
    found, alarms, delays = 0, 0, []
    for run in runs:
        alarm = method(run)
        if run.label == "failed" and alarm is not None:
            found += 1
            delays.append(max(alarm - (onset(run) or 0), 0))
        alarms += run.label == "healthy" and alarm is not None
    labels = [run.label for run in runs]
    return Score(found, labels.count("failed"), alarms, labels.count("healthy"), sorted(delays))


def interval(hits: int, tries: int) -> str:
    """A share in per cent, with its 95 % interval."""
    if tries == 0:
        return "none"
    p = hits / tries
    middle = (p + Z * Z / (2 * tries)) / (1 + Z * Z / tries)
    half = Z / (1 + Z * Z / tries) * sqrt(p * (1 - p) / tries + Z * Z / (4 * tries * tries))
    return f"{p:.0%} ({max(middle - half, 0):.0%} to {min(middle + half, 1):.0%})"


def working(failures: Iterable[str]) -> tuple[int, int]:
    """How many trials worked, of how many; from failure rates such as "1 of 3 (1% to 91%)"."""
    words = [rate.split() for rate in failures]
    decided = [(int(one[0]), int(one[2])) for one in words if one[0].isdigit()]
    of = sum(trials for _, trials in decided)
    return of - sum(failed for failed, _ in decided), of


def quantile(delays: Sequence[int], share: float) -> str:
    return str(int(np.quantile(delays, share))) if delays else "none"


def table(runs: Sequence[Run]) -> list[str]:
    lines = ["| method | precision of alarms | failed runs found | healthy runs called failed "
             "| median delay | 95th percentile |", "|---|---|---|---|---|---|"]  # fmt: skip
    for name, method in METHODS.items():
        s = score(method, runs)
        delays = ["", ""]
        if method is not at_the_end:
            delays = [quantile(s.delays, 0.5), quantile(s.delays, 0.95)]
        lines.append(
            f"| {name} | {interval(s.found, s.found + s.alarms)} | {interval(s.found, s.failed)} "
            f"| {interval(s.alarms, s.healthy)} | {delays[0]} | {delays[1]} |"
        )
    return lines


def causes(runs: Sequence[Run]) -> list[str]:
    lines = ["| injected cause | labelled failed | found | labelled healthy | called failed |",
             "|---|---|---|---|---|"]  # fmt: skip
    for cause in sorted({run.recipe["cause"] for run in runs}):
        s = score(ours, [run for run in runs if run.recipe["cause"] == cause])
        lines.append(f"| `{cause}` | {s.failed} | {s.found} | {s.healthy} | {s.alarms} |")
    return lines


def right_kinds(run: Run, step: int) -> set[str]:
    """The kinds that are correct after that step, by the labels and the readings.

    A loss that is not finite, or beyond 100, is `divergence`. Else the last five sample checks
    decide: few modes of good quality are `mode_collapse`, hardly any sample of quality is
    `stalled`. Kinds of D are correct too if they hold in the last 200 steps: D right on all samples
    of one kind and on none of the other is `discriminator_pinned`, right on nearly everything
    `discriminator_dominates`, right on less than 40 % of both `discriminator_fooled`.
    """
    looks = slice(max(step // LOOK - 5, 0), max(step // LOOK, 1))
    rows = run.readings[: step // EVERY][-200 // EVERY :]
    part = dict(zip(run.signals, rows.T, strict=True))
    losses = np.concatenate([part[name] for name in ("d_loss_real", "d_loss_fake", "g_loss")])
    if not np.isfinite(losses).all() or np.abs(losses).max() > 100:
        return {"divergence"}
    low = float(np.median(run.quality[looks].astype("float64"))) < BAD_QUALITY
    right = {"stalled"} if low else {"mode_collapse"}
    real, fake = (float(np.median(part[name])) for name in ("d_acc_real", "d_acc_fake"))
    if abs(real - fake) >= 0.9:
        right.add("discriminator_pinned")
    if min(real, fake) >= 0.95:
        right.add("discriminator_dominates")
    if real + fake <= 0.8:
        right.add("discriminator_fooled")
    return right


def kinds(runs: Sequence[Run]) -> tuple[int, int, list[str]]:
    """Failed runs that were found: those with a correct first kind, all, and a table of kinds."""
    named: Counter[tuple[str, str]] = Counter()
    hits = tries = 0
    for run in runs:
        alarm, first = detect(run).alarm, detect(run).first
        if run.label == "failed" and alarm is not None and first is not None:
            right = right_kinds(run, alarm)
            tries += 1
            hits += first.kind in right
            named[" or ".join(f"`{kind}`" for kind in sorted(right)), first.kind] += 1
    lines = ["| correct kinds | first kind reported | runs |", "|---|---|---|"]
    lines += [f"| {right} | `{kind}` | {count} |" for (right, kind), count in sorted(named.items())]
    return hits, tries, lines


def late(runs: Sequence[Run]) -> list[str]:
    """Delays of failures from the start, after good samples, and of NaN."""
    lines = [
        "| failures | runs | found | median delay | 95th percentile |",
        "|---|---|---|---|---|",
    ]
    failed = [run for run in runs if run.label == "failed"]
    parts = {
        "NaN": [r for r in failed if r.recipe["cause"] in AT_ONCE],
        "samples were good before": [
            r for r in failed if r.last_good and r.recipe["cause"] not in AT_ONCE
        ],
        "samples never were good": [
            r for r in failed if not r.last_good and r.recipe["cause"] not in AT_ONCE
        ],
    }
    for name, part in parts.items():
        delays = []
        for run in part:
            alarm = ours(run)
            if alarm is not None:
                struck = run.recipe["since"] if name == "NaN" else onset(run) or 0
                delays.append(max(alarm - struck, 0))
        median, most = quantile(delays, 0.5), quantile(delays, 0.95)
        lines.append(f"| {name} | {len(part)} | {len(delays)} | {median} | {most} |")
    return lines


HEAD = """# Detection benchmark

Convolutional GANs on images are [scored on a page of their own](images.md): the harder test.

This page is generated by `make bench-detection` from {count} recorded trainings in
[`tests/zoo`](../../tests/zoo/README.md), called the benchmark below. Each training is labelled from
the modes that its samples cover and their quality. Both are measured with the true modes of the
data, or a classifier trained on its kinds, which the detectors do not see. {healthy} trainings are
labelled healthy and {failed} failed. The others are in between or still improve at the end, and are
not scored.

- A failed run counts as found if the verdict is `failed` at any time.
- A healthy run counts as called failed if the verdict is `failed` at any time, even if its samples
  were bad then and recovered later. The last row of each table uses the verdict at the end only.
- Delays are in steps, from the onset of the failure: the last good sample check, or, for runs that
  never were good, the step by which half of the healthy runs on the same data are good.
- Sample checks are 100 steps apart; runs have 3000 steps.
- Brackets are 95 % intervals (Wilson, 1927).

Thresholds were chosen on the second part. Two decisions were made after the first evaluation of the
held-out part, before its drawings were added: a sample check is good only if most modes have their
share of the samples (the published count calls a mode covered by one stray sample in 2500), and a
one-sided D with good samples is a warning only.

The baselines are our implementations of published rules;
[`baselines.py`](../../tests/zoo/baselines.py) names the sources. "The guide" is the *GAN Training
Triage Guide* for the camel notebook of D. Foster, *Generative Deep Learning*, 1st edition
(O'Reilly, 2019).

"""


WAYS = [
    "Most runs were trained many at a time, in one compiled program. The recipes below were also",
    "trained one at a time by Keras' `fit` with the callback",
    "([`fits.py`](../../tests/zoo/fits.py)), with other seeds. p is the probability of so large a",
    "difference if both ways are equivalent (Fisher's exact test); one comparison in twenty is",
    "below 0.05 by chance.",
    "",
]


def called(run: Run) -> bool:
    return at_the_end(run) is not None


def page_of(runs: Sequence[Run]) -> str:
    held = [run for run in runs if run.held_out]
    chosen = [run for run in runs if not run.held_out]
    labels = [run.label for run in runs]
    hits, tries, named = kinds(held)
    parts = {
        "Held-out data sets, architectures and objectives": table(held),
        "The part on which thresholds were chosen": table(chosen),
        "Delay by type of failure, held out": late(held),
        f"Correct first kind, held out: {interval(hits, tries)}": named,
        "Failed and healthy runs with similar losses": matched(held),
        "Estimated number of modes": mode_counts(),
        "By injected cause, held out": causes(held),
        "Runs trained one at a time and many at a time": WAYS + ways_table(both_ways(runs, called)),
    }
    text = HEAD.format(
        count=len(runs), healthy=labels.count("healthy"), failed=labels.count("failed")
    )
    return text + "\n\n".join(f"## {name}\n\n" + "\n".join(rows) for name, rows in parts.items())


def main(fast: bool) -> int:
    page = page_of(load()[:: 6 if fast else 1]) + "\n"
    if fast:
        print(page)
    else:
        PAGE.parent.mkdir(exist_ok=True)
        PAGE.write_text(page, encoding="utf-8")
    return 0


if __name__ == "__main__":
    raise SystemExit(main("--fast" in sys.argv))
