"""The trials as a table of outcomes: who failed where, and how sure that makes us."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from math import comb
from typing import Any

from scipy.stats import binomtest, fisher_exact

from keras_collapse.triage.plans import Plan, Trial, Value
from keras_collapse.triage.results import Result

LEVEL = 0.95
"""Of the exact intervals (Clopper and Pearson, 1934)."""


@dataclass(frozen=True)
class Rate:
    """How many of the trials that tell anything failed."""

    failed: int
    of: int

    @property
    def interval(self) -> tuple[float, float]:
        """Of the probability that a trial fails, exact at `LEVEL`; (0, 1) without trials.

        >>> Rate(3, 3).interval
        (0.292, 1.0)
        """
        if not self.of:
            return 0.0, 1.0
        found = binomtest(self.failed, self.of).proportion_ci(LEVEL, method="exact")
        return round(float(found.low), 3), round(float(found.high), 3)

    @property
    def all(self) -> bool:
        """Whether there are trials and every one failed."""
        return self.failed == self.of > 0

    @property
    def none(self) -> bool:
        """Whether there are trials and none failed."""
        return self.failed == 0 < self.of

    def __str__(self) -> str:
        low, high = self.interval
        return f"{self.failed} of {self.of} ({low:.0%} to {high:.0%})"


def more_often(a: Rate, b: Rate) -> float:
    """How sure it is that trials of ``a`` fail more often than those of ``b``.

    One minus the p of Fisher's exact test (1922), one-sided.

    >>> more_often(Rate(3, 3), Rate(0, 3))
    0.95
    """
    counts = [[a.failed, a.of - a.failed], [b.failed, b.of - b.failed]]
    return round(1 - float(fisher_exact(counts, alternative="greater").pvalue), 3)


class Evidence:
    """Results of a plan's trials, looked up by what was varied.

    Args:
        results: of all trials that have ended.
    """

    def __init__(self, results: Iterable[Result]) -> None:
        self.results = list(results)

    @property
    def decided(self) -> list[Result]:
        """Those that tell whether the GAN failed."""
        return [result for result in self.results if result.failed is not None]

    def unchanged(self) -> Evidence:
        """The trials of the GAN as it is."""
        return Evidence(r for r in self.results if not r.trial.changes)

    def at(
        self,
        batch_size: int,
        changes: Mapping[str, Value] | None = None,
        params: Mapping[str, Value] | None = None,
    ) -> Evidence:
        """The trials with this batch size and these changes, by default none."""
        return Evidence(
            r
            for r in self.results
            if r.trial.batch_size == batch_size
            and r.trial.changes == dict(changes or {})
            and (params is None or r.trial.params == dict(params))
        )

    def as_it_is(self, plan: Plan) -> Evidence:
        """The trials of the GAN without any change, and with the plan's own parameters."""
        own = plan.trials[0].params
        return Evidence(r for r in self.unchanged().results if r.trial.params == own)

    def with_change(
        self, batch_size: int, changes: Mapping[str, Value], params: Mapping[str, Value]
    ) -> Evidence:
        """The trials with this batch size, exactly these changes, and at least these parameters."""
        return Evidence(
            r
            for r in self.results
            if r.trial.batch_size == batch_size
            and r.trial.changes == dict(changes)
            and all(r.trial.params.get(k) == v for k, v in params.items())
        )

    @property
    def by_seed(self) -> dict[int, bool]:
        """Whether a seed's trials failed; of repeats any."""
        found: dict[int, bool] = {}
        for result in self.decided:
            found[result.trial.seed] = found.get(result.trial.seed, False) or bool(result.failed)
        return found

    @property
    def rate(self) -> Rate:
        """Of seeds, repeats counted once."""
        return Rate(sum(self.by_seed.values()), len(self.by_seed))

    @property
    def batch_sizes(self) -> list[int]:
        """Ascending."""
        return sorted({result.trial.batch_size for result in self.results})

    def repeats(self) -> list[list[Result]]:
        """Groups of trials that ended and differ in nothing but their number."""
        groups: dict[str, list[Result]] = {}
        for result in self.results:
            if result.ended == "done":
                key = result.trial.model_copy(update={"repeat": 0}).key
                groups.setdefault(key, []).append(result)
        return [group for group in groups.values() if len(group) > 1]

    def of(self, trial: Trial) -> Result | None:
        """The result of this very trial, if it has ended."""
        return next((r for r in self.results if r.trial.key == trial.key), None)

    def names(self) -> list[str]:
        """Its trials in words, with what each says."""
        return [f"{result.trial.name}: {result.says}" for result in self.results]


def same_to_the_bit(group: Sequence[Result]) -> bool | None:
    """Whether repeats ended with the same weights; None where no fingerprint tells."""
    prints = [(r.fingerprints.get("begin"), r.fingerprints.get("end"), r.steps) for r in group]
    if any(end is None for _, end, _ in prints):
        return None
    return len(set(prints)) == 1


def reproducible(evidence: Evidence) -> dict[str, Any]:
    """Plan A's question: whether repeats were the same to the bit, and in their verdicts."""
    groups = evidence.repeats()
    bits = [same_to_the_bit(group) for group in groups]
    known = [bit for bit in bits if bit is not None]
    return {
        "to_the_bit": all(known) if known else None,
        "in_verdicts": all(len({r.says for r in group}) == 1 for group in groups) or None
        if groups
        else None,
        "trials": [r.trial.name for group in groups for r in group],
    }


def agreement(a: Mapping[int, bool], b: Mapping[int, bool]) -> float:
    """How sure it is that the seed decides in both: one minus the chance of agreeing by luck.

    With k failures in each of two rows of n seeds, both on the same seeds, luck has one chance in
    n over k. 0 where the rows differ, or where all seeds end alike.

    >>> round(agreement({1: True, 2: True, 3: False, 4: False, 5: False},
    ...                 {1: True, 2: True, 3: False, 4: False, 5: False}), 3)
    0.9
    """
    common = sorted(a.keys() & b.keys())
    if [a[seed] for seed in common] != [b[seed] for seed in common]:
        return 0.0
    failed = sum(a[seed] for seed in common)
    return round(1 - 1 / comb(len(common), failed), 3) if common else 0.0


def facts_of(results: Iterable[Result]) -> Mapping[str, Any]:
    """What the first trial of the unchanged GAN found out about it."""
    for result in results:
        if result.facts and not result.trial.changes:
            return result.facts
    return {}
