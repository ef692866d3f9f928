"""Fixes for a root cause, and their test on seeds that no trial has used before."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from keras_collapse.triage.analysis.candidates import INITIALIZER
from keras_collapse.triage.analysis.case import caps
from keras_collapse.triage.analysis.diagnosis import Diagnosis
from keras_collapse.triage.analysis.evidence import Evidence
from keras_collapse.triage.analysis.next_trials import new_seeds
from keras_collapse.triage.options import Value
from keras_collapse.triage.plans import Plan, TrialConfig

SEEDS = 3
"""New seeds that each fix is tested on."""
OTHER_INITIALIZER = "orthogonal"
"""Saxe et al., 2014; common in large GANs (Brock et al., BigGAN, 2019)."""


@dataclass(frozen=True)
class Cure:
    """One fix.

    Args:
        words: the fix in words.
        batch_size: to train with.
        changes, params: to apply; see `TrialConfig`.
    """

    words: str
    batch_size: int
    changes: Mapping[str, Value] = field(default_factory=dict)
    params: Mapping[str, Value] = field(default_factory=dict)

    def trials(self, plan: Plan, seeds: Sequence[int]) -> list[TrialConfig]:
        """Return one trial with the fix per seed."""
        base = plan.trials[0]
        return [
            TrialConfig(
                seed=seed,
                batch_size=self.batch_size,
                params={**base.params, **self.params},
                changes=dict(self.changes),
                altered=tuple(self.params),
                purpose=f"fix: {self.words}",
            )
            for seed in seeds
        ]


def cures(found: Diagnosis, evidence: Evidence, plan: Plan) -> list[Cure]:
    """Return the fixes to test for that diagnosis, likeliest first; empty if there is none."""
    target = plan.target
    if found.candidate is not None:
        return [
            Cure(one.words, target, one.changes, one.params)
            for one in (found.candidate, *found.alternatives)
        ]
    if found.root_cause in ("batch_size", "batch_size_and_initialization"):
        sizes = caps(evidence.baseline(plan), plan) or [plan.smallest]
        factor = sizes[0] / target
        return [
            *(Cure(f"batch size {size}", size) for size in sizes),
            Cure(
                f"learning rates scaled with the batch size (factor {factor:g})",
                target,
                {"rates_factor": factor},
            ),
        ]
    if found.root_cause == "initialization":
        return [
            Cure(f"initial weights from {name}", target, {"init": name})
            for name in (INITIALIZER, OTHER_INITIALIZER)
        ]
    return []


def seeds_for(evidence: Evidence) -> list[int]:
    """Return unused seeds to test a fix on."""
    return new_seeds(evidence, SEEDS)


def outcome(cure: Cure, seeds: Sequence[int], evidence: Evidence) -> dict[str, Any]:
    """Return whether the fix worked on those seeds, as ``triage.json`` holds it."""
    trials = evidence.with_change(cure.batch_size, cure.changes, cure.params)
    own = Evidence(r for r in trials.results if r.trial.seed in seeds)
    rate = own.rate
    held = None if rate.of < len(seeds) - 1 or not rate.of else rate.none
    return {
        "cure": cure.words,
        "held": held,
        "passed": f"{rate.of - rate.failed} of {len(seeds)} new seeds",
        "failed": str(rate),
        "batch_size": cure.batch_size,
        "changes": dict(cure.changes),
        "params": dict(cure.params),
        "trials": own.names(),
    }
