"""Further tables of the benchmark page: runs with similar losses, the number of modes, and runs
trained one at a time compared with runs trained many at a time.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

import numpy as np
from scipy.stats import fisher_exact
from toys import TOYS, Toy
from zoo import LAST, REAL, Run

from keras_collapse.core.samples.diversity import RealSample

ALIKE = 0.03
"""Difference of D's final losses up to which two runs count as similar."""
END = 50
"""Readings at the end, 500 steps, whose mean loss is compared."""
DRAWN = 256
"""Samples of a check, as in a live run."""
SEEDS = 5


def matched(runs: Sequence[Run]) -> list[str]:
    """How well a number separates failed from healthy runs with similar D losses (± 0.03).

    The share of pairs of a failed and a healthy run of one objective that the number puts in one
    order (the area under its ROC curve within matched pairs), whichever order that is.
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
        f"{len({id(g) for _, g in pairs})} healthy runs of one objective, whose D losses differ by "
        f"at most {ALIKE} at the end.",
        "",
        "| number | area under its ROC curve |",
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
    """True and estimated number of modes, for samplers that keep some modes."""
    found = []
    for seed in range(SEEDS):
        rng = np.random.default_rng(seed)
        sample = RealSample(toy.draw(REAL, rng))
        for count in kept:
            modes = rng.permutation(toy.modes)[:count]
            centres = toy.centres[modes[rng.integers(count, size=DRAWN)]]
            drawn = centres + rng.normal(0, toy.spread, centres.shape)
            result = sample.compare(drawn)
            assert result.modes_covered is not None
            found.append((count, result.modes_covered))
    return found


def mode_counts() -> list[str]:
    """Estimated and true number of modes of samplers that drop some."""
    lines = ["| data | samplers | mean error in modes | rank correlation |", "|---|---|---|---|"]
    for name, kept in (("ring", range(1, 9)), ("grid", range(1, 26, 2))):
        true, estimated = np.array(estimates(TOYS[name], kept)).T
        error = float(np.abs(true - estimated).mean())
        lines.append(
            f"| {name} of {TOYS[name].modes} | {len(true)} | {error:.2f} "
            f"| {rank_correlation(true, estimated):.3f} |"
        )
    return lines


def rank_correlation(a: np.ndarray, b: np.ndarray) -> float:
    """Spearman's rank correlation; ties have their mean rank."""
    ranks = [(np.searchsorted(np.sort(x), x) + np.searchsorted(np.sort(x), x, "right")) / 2
             for x in (a, b)]  # fmt: skip
    return float(np.corrcoef(*ranks)[0, 1])


@dataclass(frozen=True)
class Ways:
    """Counts of the runs of one recipe, trained many at a time and one at a time.

    Args:
        name: objective and injected cause.
        failed, called: failed by label and by the verdict at the end, as (count of those trained
            many at a time, their number, count of those trained one at a time, their number).
    """

    name: str
    failed: tuple[int, int, int, int]
    called: tuple[int, int, int, int]

    def chance(self, counts: tuple[int, int, int, int]) -> float:
        """Probability of so large a difference if both ways are equivalent (Fisher, exact)."""
        a, n, b, m = counts
        return float(fisher_exact([[a, n - a], [b, m - b]]).pvalue)


def both_ways(runs: Sequence[Run], called: Callable[[Run], bool]) -> list[Ways]:
    """The recipes that were trained both ways."""
    groups: dict[str, dict[str, list[Run]]] = {}
    for run in runs:
        own = {k: v for k, v in run.recipe.items() if k not in ("seed", "live", "before")}
        key = str((sorted(run.program.items()), sorted(own.items())))
        groups.setdefault(key, {"together": [], "fit": []})[run.way].append(run)
    found = []
    for ways in groups.values():
        if ways["fit"]:
            counts = [
                tuple(n for way in ways.values() for n in (sum(map(judge, way)), len(way)))
                for judge in (lambda run: run.label == "failed", called)
            ]
            first = ways["fit"][0]
            name = f"{first.program['objective']}, `{first.recipe['cause']}`"
            found.append(Ways(name, *counts))  # type: ignore[arg-type]
    return found


def ways_table(ways: Sequence[Ways]) -> list[str]:
    """The same as a Markdown table."""
    lines = [
        "| objective, injected cause | labelled failed: many at a time | one at a time | p "
        "| called failed at the end: many at a time | one at a time | p |",
        "|---|---|---|---|---|---|---|",
    ]
    for one in ways:
        cells = []
        for counts in (one.failed, one.called):
            a, n, b, m = counts
            cells += [f"{a} of {n}", f"{b} of {m}", f"{one.chance(counts):.2f}"]
        lines.append(f"| {one.name} | {' | '.join(cells)} |")
    return lines
