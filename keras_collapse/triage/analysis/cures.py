"""The cure that fits a cause, run on seeds that were not used before."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from keras_collapse.triage.analysis.candidates import INITIALIZER
from keras_collapse.triage.analysis.diagnosis import Diagnosis
from keras_collapse.triage.analysis.evidence import Evidence
from keras_collapse.triage.analysis.next_trials import fresh
from keras_collapse.triage.analysis.rules import caps
from keras_collapse.triage.plans import Plan, Trial, Value

SEEDS = 3
"""New seeds that a cure is tried on."""
OTHER_INITIALIZER = "orthogonal"
"""Saxe et al., 2014; the usual one of large GANs (Brock et al., BigGAN, 2019)."""


@dataclass(frozen=True)
class Cure:
    """One way to train it.

    Args:
        words: what is done.
        batch_size: to train with.
        changes, params: to make.
    """

    words: str
    batch_size: int
    changes: Mapping[str, Value] = field(default_factory=dict)
    params: Mapping[str, Value] = field(default_factory=dict)

    def trials(self, plan: Plan, seeds: Sequence[int]) -> list[Trial]:
        """The cure on these seeds."""
        base = plan.trials[0]
        return [
            Trial(
                seed=seed,
                batch_size=self.batch_size,
                params={**base.params, **self.params},
                changes=dict(self.changes),
                purpose=f"cure: {self.words}",
            )
            for seed in seeds
        ]


def cures(found: Diagnosis, evidence: Evidence, plan: Plan) -> list[Cure]:
    """What may cure that cause, likeliest first; none where nothing can be tried from outside."""
    target = plan.target
    if found.candidate is not None:
        return [
            Cure(one.words, target, one.changes, one.params)
            for one in (found.candidate, *found.others)
        ]
    if found.root_cause in ("batch_size", "batch_size_and_initialization"):
        sizes = caps(evidence.unchanged(), plan) or [plan.smallest]
        factor = sizes[0] / target
        return [
            *(Cure(f"a batch size of {size}", size) for size in sizes),
            Cure(
                f"learning rates scaled with the batch size, by {factor:g}",
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
    """New ones."""
    return fresh(evidence, SEEDS)


def outcome(cure: Cure, seeds: Sequence[int], evidence: Evidence) -> dict[str, Any]:
    """Whether the cure held on those seeds, as in ``triage.json``."""
    own = evidence.with_change(cure.batch_size, cure.changes, cure.params)
    mine = Evidence(r for r in own.results if r.trial.seed in seeds)
    rate = mine.rate
    held = None if rate.of < len(seeds) - 1 or not rate.of else rate.none
    return {
        "cure": cure.words,
        "held": held,
        "failed": str(rate),
        "batch_size": cure.batch_size,
        "changes": dict(cure.changes),
        "params": dict(cure.params),
        "trials": mine.names(),
    }
