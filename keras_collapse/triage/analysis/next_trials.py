"""What ``full`` runs next: only trials that can still change the answer."""

from __future__ import annotations

import itertools
from collections.abc import Sequence

from keras_collapse.reproducibility.seeded_process import LARGEST_SEED
from keras_collapse.triage.analysis.candidates import Candidate, tried
from keras_collapse.triage.analysis.diagnosis import Diagnosis
from keras_collapse.triage.analysis.evidence import Evidence
from keras_collapse.triage.analysis.rules import TOO_LITTLE, deciding
from keras_collapse.triage.plans import Plan, Trial

CONFIRMED = 3
"""Seeds on which a change must cure before it is named: 3 of 3 failed against 0 of 3 is 0.95."""
MOST_SEEDS = 6
"""Seeds tried at either end of the batch sizes; three failing of six against none is 0.91."""


def next_trials(
    found: Diagnosis, evidence: Evidence, plan: Plan, candidates: Sequence[Candidate]
) -> tuple[list[Trial], str]:
    """The trials to run next, and why; none where the answer stands.

    Args:
        found: what the trials so far say.
        evidence: of all trials so far.
        plan: A and B.
        candidates: the changes that can be tried.
    """
    if found.root_cause != "inconclusive" or found.rule == TOO_LITTLE:
        return [], f"the answer stands: {found.root_cause.replace('_', ' ')}"
    first = plan.trials[0]
    plain = evidence.as_it_is(plan)
    large, small = plain.at(plan.target), plain.at(plan.smallest)
    if large.rate.all and (small.rate.failed or plan.smallest == plan.target):
        trials = _changed(evidence, plan, candidates, large)
        if trials:
            return trials, "neither seed nor batch size helps: one change at a time"
    trials = deciding(plain, plan)
    if trials:
        return trials, "every seed at both ends, which Plan B as printed leaves out"
    seeds = {result.trial.seed for result in plain.results}
    if len(seeds) < MOST_SEEDS and not (large.rate.all and small.rate.all):
        seed = fresh(evidence, 1)[0]
        sizes = dict.fromkeys((plan.smallest, plan.target))
        return [
            Trial(seed=seed, batch_size=size, params=first.params, purpose="would decide")
            for size in sizes
        ], "one more seed"
    return [], "nothing more would decide"


def _changed(
    evidence: Evidence, plan: Plan, candidates: Sequence[Candidate], large: Evidence
) -> list[Trial]:
    """Each change with one seed that failed; then, of those that cured it, with more."""
    base, target = plan.trials[0], plan.target
    failing = [seed for seed, failed in large.by_seed.items() if failed]
    screen = [
        candidate.trial(base, failing[0], target)
        for candidate in candidates
        if not tried(evidence, candidate, target).results
    ]
    if screen:
        return screen
    more = []
    for candidate in candidates:
        after = tried(evidence, candidate, target)
        if after.rate.none:
            known = {result.trial.seed for result in after.results}
            rest = [seed for seed in failing if seed not in known][: CONFIRMED - len(known)]
            more += [candidate.trial(base, seed, target) for seed in rest]
    return more


def fresh(evidence: Evidence, count: int) -> list[int]:
    """Seeds that no trial has used: those after the largest, and after the last there is 0."""
    used = {result.trial.seed for result in evidence.results}
    largest = max(used, default=-1)
    after = ((largest + place) % (LARGEST_SEED + 1) for place in itertools.count(1))
    return list(itertools.islice((seed for seed in after if seed not in used), count))
