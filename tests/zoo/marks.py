"""Two questions beside the main one: can losses tell at all, and are modes counted rightly?"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np
from toys import TOYS, Toy
from zoo import LAST, REAL, Run

from keras_collapse.core.diversity import RealSample

ALIKE = 0.03
"""D's losses up to which two runs count as alike."""
END = 50
"""Readings at the end, 500 steps, whose mean loss is compared."""
DRAWN = 256
"""Samples of a look, as live."""
SEEDS = 5


def matched(runs: Sequence[Run]) -> list[str]:
    """How well numbers tell failed from healthy runs whose D losses end alike (± 0.03).

    Over all pairs of a failed and a healthy run of one objective, the share that a number puts in
    the right order (the area under its ROC, within matched pairs), whichever order that is.
    """
    pairs = [
        (bad, good)
        for bad in runs
        for good in runs
        if (bad.label, good.label) == ("failed", "healthy")
        and bad.program["objective"] == good.program["objective"]
        and abs(_mean(bad, "d_loss") - _mean(good, "d_loss")) <= ALIKE
    ]
    lines = [
        f"{len(pairs)} pairs of {len({id(b) for b, _ in pairs})} failed and "
        f"{len({id(g) for _, g in pairs})} healthy runs.",
        "",
        "| told by | area under the curve |",
        "|---|---|",
    ]
    numbers = {
        "D's loss": lambda run: _mean(run, "d_loss"),
        "G's loss": lambda run: _mean(run, "g_loss"),
        "D's accuracy": lambda run: _mean(run, "d_acc"),
        "share of the data that the samples miss": lambda run: _probed(run, "missing_share"),
        "precision of the samples": lambda run: _probed(run, "precision"),
        "coverage of the data": lambda run: _probed(run, "coverage"),
    }
    for name, number in numbers.items():
        order = [np.sign(number(bad) - number(good)) for bad, good in pairs]
        area = float(np.mean([(one + 1) / 2 for one in order])) if order else float("nan")
        lines.append(f"| {name} | {max(area, 1 - area):.3f} |")
    return lines


def _mean(run: Run, name: str) -> float:
    rows = {signal: run.readings[-END:, i] for i, signal in enumerate(run.signals)}
    if name in rows:
        return float(rows[name].mean())
    return float((rows[f"{name}_real"] + rows[f"{name}_fake"]).mean() / 2)


def _probed(run: Run, name: str) -> float:
    column = run.probes[-LAST:, run.numbers.index(name)]
    return float(np.nanmean(column)) if not np.isnan(column).all() else float("nan")


def estimates(toy: Toy, kept: Iterable[int]) -> list[tuple[int, int]]:
    """Modes a sampler really reaches and modes estimated, for samplers of that many modes."""
    found = []
    for seed in range(SEEDS):
        rng = np.random.default_rng(seed)
        sample = RealSample(toy.draw(REAL, rng))
        for count in kept:
            modes = rng.permutation(toy.modes)[:count]
            centres = toy.centres[modes[rng.integers(count, size=DRAWN)]]
            drawn = centres + rng.normal(0, toy.spread, centres.shape)
            look = sample.compare(drawn)
            assert look.modes_covered is not None
            found.append((count, look.modes_covered))
    return found


def mode_counts() -> list[str]:
    """Estimated against true modes of samplers that drop some."""
    lines = ["| data | samplers | mean error, modes | rank correlation |", "|---|---|---|---|"]
    for name, kept in (("ring", range(1, 9)), ("grid", range(1, 26, 2))):
        true, told = np.array(estimates(TOYS[name], kept)).T
        error = float(np.abs(true - told).mean())
        lines.append(
            f"| {name} of {TOYS[name].modes} | {len(true)} | {error:.2f} "
            f"| {rank_correlation(true, told):.3f} |"
        )
    return lines


def rank_correlation(a: np.ndarray, b: np.ndarray) -> float:
    """Spearman's, ties at their mean rank."""
    ranks = [(np.searchsorted(np.sort(x), x) + np.searchsorted(np.sort(x), x, "right")) / 2
             for x in (a, b)]  # fmt: skip
    return float(np.corrcoef(*ranks)[0, 1])
