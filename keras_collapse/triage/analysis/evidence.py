"""The trials as a table of outcomes: which failed, and how much that proves."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from math import comb
from typing import Any

from scipy.stats import binomtest, fisher_exact

from keras_collapse.triage.options import Value
from keras_collapse.triage.plans import Plan
from keras_collapse.triage.results import TrialResult

LEVEL = 0.95
"""Confidence level of the exact intervals (Clopper and Pearson, 1934)."""


@dataclass(frozen=True)
class Rate:
    """Failures among decided trials.

    >>> str(Rate(3, 3)), str(Rate(0, 0))
    ('3 of 3 (29% to 100%)', 'no decided trials')
    """

    failed: int
    of: int

    @property
    def interval(self) -> tuple[float, float]:
        """Exact interval of the failure probability at `LEVEL`; (0, 1) without trials.

        >>> Rate(3, 3).interval
        (0.292, 1.0)
        """
        if not self.of:
            return 0.0, 1.0
        found = binomtest(self.failed, self.of).proportion_ci(LEVEL, method="exact")
        return round(float(found.low), 3), round(float(found.high), 3)

    @property
    def all(self) -> bool:
        """Whether there are trials and all of them failed."""
        return self.failed == self.of > 0

    @property
    def none(self) -> bool:
        """Whether there are trials and none of them failed."""
        return self.failed == 0 < self.of

    def __str__(self) -> str:
        if not self.of:
            return "no decided trials"
        low, high = self.interval
        return f"{self.failed} of {self.of} ({low:.0%} to {high:.0%})"


def fisher_confidence(a: Rate, b: Rate) -> float:
    """Return the confidence that trials of ``a`` fail more often than trials of ``b``.

    One minus the p-value of Fisher's exact test (1922), one-sided.

    >>> fisher_confidence(Rate(3, 3), Rate(0, 3))
    0.95
    """
    counts = [[a.failed, a.of - a.failed], [b.failed, b.of - b.failed]]
    return round(1 - float(fisher_exact(counts, alternative="greater").pvalue), 3)


class Evidence:
    """Trial results, selected by what was varied.

    Args:
        results: of trials that have ended.
    """

    def __init__(self, results: Iterable[TrialResult]) -> None:
        self.results = list(results)

    @property
    def decided(self) -> list[TrialResult]:
        """The results that show whether the GAN failed."""
        return [result for result in self.results if result.failed is not None]

    def at(
        self,
        batch_size: int,
        changes: Mapping[str, Value] | None = None,
        params: Mapping[str, Value] | None = None,
    ) -> Evidence:
        """Select a batch size and a set of changes, by default none."""
        return Evidence(
            r
            for r in self.results
            if r.trial.batch_size == batch_size
            and r.trial.changes == dict(changes or {})
            and (params is None or r.trial.params == dict(params))
        )

    def baseline(self, plan: Plan) -> Evidence:
        """Select the unchanged GAN: no changes, and the plan's own parameters."""
        own = plan.trials[0].params
        return Evidence(r for r in self.results if not r.trial.changes and r.trial.params == own)

    def with_change(
        self, batch_size: int, changes: Mapping[str, Value], params: Mapping[str, Value]
    ) -> Evidence:
        """Select a batch size, exactly these changes, and at least these parameters."""
        return Evidence(
            r
            for r in self.at(batch_size, changes).results
            if all(r.trial.params.get(name) == value for name, value in params.items())
        )

    @property
    def shortest(self) -> int:
        """The training steps of the shortest trial that did not fail; 0 if all failed."""
        return min((result.steps for result in self.decided if not result.failed), default=0)

    @property
    def by_seed(self) -> dict[int, bool]:
        """Seed to whether any of its trials failed."""
        found: dict[int, bool] = {}
        for result in self.decided:
            found[result.trial.seed] = found.get(result.trial.seed, False) or bool(result.failed)
        return found

    @property
    def rate(self) -> Rate:
        """Failures among seeds; repeats of a seed count once."""
        return Rate(sum(self.by_seed.values()), len(self.by_seed))

    @property
    def batch_sizes(self) -> list[int]:
        """The batch sizes, ascending."""
        return sorted({result.trial.batch_size for result in self.results})

    def repeats(self) -> list[list[TrialResult]]:
        """Group the trials that are done and repeat the same configuration."""
        groups: dict[str, list[TrialResult]] = {}
        for result in self.results:
            if result.ended == "done":
                key = result.trial.model_copy(update={"repeat": 0}).key
                groups.setdefault(key, []).append(result)
        return [group for group in groups.values() if len(group) > 1]

    def kinds(self) -> dict[str, int]:
        """Return the kinds of findings that stand, and how many trials show each."""
        found = [
            {one["kind"] for one in r.verdict.get("findings", ()) if _stands(one)}
            for r in self.decided
        ]
        return dict(Counter(kind for kinds in found for kind in sorted(kinds)).most_common())

    def common_kinds(self) -> list[str]:
        """Return the kinds that most of the failed trials show."""
        failed = Evidence(result for result in self.decided if result.failed)
        return [kind for kind, n in failed.kinds().items() if 2 * n > len(failed.results)]

    def names(self) -> list[str]:
        """Return each trial with its status, in words."""
        return [f"{result.trial.name}: {result.outcome}" for result in self.results]


def _stands(finding: Mapping[str, Any]) -> bool:
    return finding["severity"] in ("failed", "warning") and not finding.get("healed")


def bit_identical(group: Sequence[TrialResult]) -> bool | None:
    """Return whether all trials started and ended with the same weights.

    Returns:
        False if two begin fingerprints differ, or two end fingerprints after the same number of
        steps. None if neither does, but one is missing or the numbers of steps differ, since how
        early a failing trial is stopped depends on the machine's load.
    """
    begins = {result.fingerprints.get("begin") for result in group}
    ends: dict[int, set[str | None]] = {}
    for result in group:
        ends.setdefault(result.steps, set()).add(result.fingerprints.get("end"))
    prints = [begins, *ends.values()]
    if any(len(known - {None}) > 1 for known in prints):
        return False
    return None if len(ends) > 1 or any(None in known for known in prints) else True


def reproducible(evidence: Evidence) -> dict[str, Any]:
    """Answer Plan A's question: were repeats bit-identical, and were their verdicts equal?"""
    groups = evidence.repeats()
    bits = [bit for group in groups if (bit := bit_identical(group)) is not None]
    same = [len({r.outcome for r in group}) == 1 for group in groups]
    return {
        "to_the_bit": all(bits) if bits else None,
        "in_verdicts": all(same) if same else None,
        "trials": [r.trial.name for group in groups for r in group],
    }


def agreement(a: Mapping[int, bool], b: Mapping[int, bool]) -> float:
    """Return the confidence that the seed decides in both rows.

    One minus the probability of this agreement by chance: with k failures among n common seeds in
    each row it is one in n over k. 0 where the rows differ, or where all seeds end alike.

    >>> round(agreement({1: True, 2: True, 3: False, 4: False, 5: False},
    ...                 {1: True, 2: True, 3: False, 4: False, 5: False}), 3)
    0.9
    """
    common = sorted(a.keys() & b.keys())
    if [a[seed] for seed in common] != [b[seed] for seed in common]:
        return 0.0
    failed = sum(a[seed] for seed in common)
    return round(1 - 1 / comb(len(common), failed), 3) if common else 0.0


def gan_facts(results: Iterable[TrialResult]) -> Mapping[str, Any]:
    """Return the settings that the first trial of the unchanged GAN recorded."""
    for result in results:
        if result.facts and not result.trial.changes:
            return result.facts
    return {}
