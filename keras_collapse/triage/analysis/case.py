"""What the rules look at: the trials so far, the plan, and the changes that can be tested."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from keras_collapse.triage.analysis.candidates import Candidate
from keras_collapse.triage.analysis.evidence import Evidence
from keras_collapse.triage.plans import Plan, TrialConfig

NAMED = 0.8
"""Confidence from which a cause is named. Three of five seeds failing at the large batch size and
none at the small one give 0.92, two of three against none 0.8, one of three only 0.5."""

MOST_SEEDS = 6
"""Most seeds at the smallest and at the target batch size, and with a change that fixes most seeds.
3 of 6 failed against 0 of 6 is 0.91; 3 of 3 failed unchanged against 1 of 6 with a change, 0.95."""


class Case:
    """The evidence, sorted for the rules.

    Args:
        evidence: all trials so far.
        plan: the plan, with the batch sizes in question.
        candidates: changes that were, or could be, tested.
        full: whether trials are added until the diagnosis is final.

    Attributes:
        baseline: trials of the unchanged GAN.
        large, small: of these, the ones at the target and at the smallest batch size.
    """

    def __init__(
        self, evidence: Evidence, plan: Plan, candidates: Sequence[Candidate], full: bool = False
    ) -> None:
        self.all, self.plan, self.candidates, self.full = evidence, plan, candidates, full
        self.baseline = evidence.baseline(plan)
        self.target, self.smallest = plan.target, plan.smallest
        self.large = self.baseline.at(self.target)
        self.small = self.baseline.at(self.smallest)

    def rates(self) -> dict[str, str]:
        """Return failure rates with exact intervals, by batch size."""
        return {str(size): str(self.baseline.at(size).rate) for size in self.baseline.batch_sizes}

    def evidence(self, *used: Evidence, **more: Any) -> dict[str, Any]:
        """Return the evidence of a diagnosis: failure rates, further numbers, trials used."""
        trials = [name for one in used for name in one.names()]
        return {"collapse_rates": self.rates(), **more, "trials": trials}

    def distances(self, trials: Evidence) -> str:
        """Return how far the trials' last samples are from the data, in a sentence with a space."""
        known = [r.distance for r in trials.decided if not r.failed and r.distance is not None]
        if not known:
            return ""
        low, high = min(known), max(known)
        times = f"{low:.1f}" if f"{low:.1f}" == f"{high:.1f}" else f"{low:.1f} to {high:.1f}"
        return (
            f" Their last samples are {times} times as far from the data as two halves of the data "
            "are from each other."
        )

    def shown(self) -> str:
        """Return what most failed trials show, in a sentence after a space; empty if nothing."""
        failed = [result for result in self.baseline.decided if result.failed]
        counts = Evidence(failed).kinds()
        common = [
            f"{kind.replace('_', ' ')} ({counts[kind]} of {len(failed)})"
            for kind in self.baseline.common_kinds()
        ]
        return f" What the failed trials show: {', '.join(common)}." if common else ""

    def finding_advice(self) -> list[str]:
        """Return the first advice of the finding that most failed trials show."""
        for kind in self.baseline.common_kinds():
            for result in self.baseline.decided:
                for finding in result.verdict.get("findings", ()):
                    if finding["kind"] == kind and finding.get("advice"):
                        return [str(finding["advice"][0])]
        return []

    def working_seed(self) -> list[str]:
        """Return a seed that works at the target batch size where others fail, as advice."""
        seeds = self.large.by_seed
        worked = [seed for seed, failed in seeds.items() if not failed]
        if not 0 < len(worked) < len(seeds):
            return []
        return [
            f"Until the cause is known, train with a seed that works, such as {worked[0]}: at "
            f"batch size {self.target} {len(worked)} of {len(seeds)} seeds do."
        ]

    def confounded(self) -> str:
        """Return what the guide's Plan B cannot separate, in words; empty if nothing."""
        if len(self.small.by_seed) == 1 < len(self.large.by_seed):
            [seed] = self.small.by_seed
            return (
                f" Batch size {self.smallest} was tested with seed {seed} only, so these trials "
                "cannot show whether it always works."
            )
        return ""


def tie_breakers(baseline: Evidence, plan: Plan) -> list[TrialConfig]:
    """Return the missing trials of each seed at the smallest and at the target batch size.

    Of `MOST_SEEDS` seeds at most: fixes are tested on more.

    Args:
        baseline: trials of the unchanged GAN.
        plan: the plan, with the seeds and batch sizes in question.
    """
    first = plan.trials[0]
    used = list(dict.fromkeys(r.trial.seed for r in baseline.results))
    seeds = used[:MOST_SEEDS] or [first.seed]
    found = []
    for size in (plan.smallest, plan.target):
        known = {r.trial.seed for r in baseline.at(size).results}
        found += [
            TrialConfig(seed=seed, batch_size=size, params=first.params, purpose="tie-breaker")
            for seed in seeds
            if seed not in known
        ]
    return found


def caps(baseline: Evidence, plan: Plan) -> list[int]:
    """Return the batch sizes below the target at which no trial failed, largest first."""
    sizes = [s for s in baseline.batch_sizes if s < plan.target and baseline.at(s).rate.none]
    return sorted(sizes, reverse=True)


def cap(baseline: Evidence, plan: Plan) -> int:
    """Return the largest of `caps`; the smallest batch size if there is none."""
    return next(iter(caps(baseline, plan)), plan.smallest)
