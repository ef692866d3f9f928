"""The trials that ``full`` adds: only those that can still change the diagnosis."""

from __future__ import annotations

import itertools
from collections.abc import Sequence

from keras_collapse.reproducibility.seeded_process import LARGEST_SEED
from keras_collapse.triage.analysis.candidates import Candidate, trials_with
from keras_collapse.triage.analysis.case import MOST_SEEDS, tie_breakers
from keras_collapse.triage.analysis.diagnosis import Diagnosis
from keras_collapse.triage.analysis.evidence import Evidence
from keras_collapse.triage.analysis.rules import TOO_SHORT, UNDECIDED
from keras_collapse.triage.plans import Plan, TrialConfig

CONFIRMED = 3
"""Seeds on which a change must work before it is named: 3 of 3 failed against 0 of 3 is 0.95."""
AT_A_TIME = 3
"""Changes to usual settings that are tested before looking whether one helps."""


def next_trials(
    found: Diagnosis, evidence: Evidence, plan: Plan, candidates: Sequence[Candidate]
) -> tuple[list[TrialConfig], str]:
    """Return the trials to run next, and why; no trials if the diagnosis is final.

    Args:
        found: the diagnosis so far.
        evidence: all trials so far.
        plan: the plan.
        candidates: the changes that can be tested.
    """
    if found.root_cause != "inconclusive" or found.rule in (UNDECIDED, TOO_SHORT):
        return [], f"the diagnosis is final: {found.root_cause.replace('_', ' ')}"
    first = plan.trials[0]
    baseline = evidence.baseline(plan)
    large, small = baseline.at(plan.target), baseline.at(plan.smallest)
    if large.rate.all and (small.rate.failed or plan.smallest == plan.target):
        trials = _changed(evidence, plan, candidates, large)
        if trials:
            return trials, "a smaller batch size does not help, so test one change at a time"
    trials = tie_breakers(baseline, plan)
    if trials:
        return trials, "every seed at the smallest and at the target batch size"
    seeds = {result.trial.seed for result in baseline.results}
    if large.rate.failed and len(seeds) >= MOST_SEEDS:
        trials = _changed(evidence, plan, candidates, large)
        if trials:
            return trials, "more seeds do not decide it, so test one change at a time"
    if len(seeds) < MOST_SEEDS and not (large.rate.all and small.rate.all):
        seed = new_seeds(evidence, 1)[0]
        sizes = dict.fromkeys((plan.smallest, plan.target))
        return [
            TrialConfig(seed=seed, batch_size=size, params=first.params, purpose="tie-breaker")
            for size in sizes
        ], "one more seed"
    return [], "no further trial can change the diagnosis"


def _changed(
    evidence: Evidence, plan: Plan, candidates: Sequence[Candidate], large: Evidence
) -> list[TrialConfig]:
    """Test changes on one failing seed, some at a time; then those that fixed it on more seeds.

    A GAN may fail with some seeds after its fault is gone too. So a change that fixes most of three
    seeds is tested on new ones, before usual settings are changed. So is one that fixes all, if the
    unchanged GAN works with some seeds: three are no proof then. And where no change works, those
    to unusual settings are tested on two more seeds: the first may be one that always fails. A
    trial that stayed undecided is replaced by one with another seed.
    """
    base, target = plan.trials[0], plan.target
    failing = [seed for seed, failed in large.by_seed.items() if failed]
    pairs = [(one, trials_with(evidence, one, target)) for one in candidates]
    tested = [(one, after) for one, after in pairs if after.results]
    untested = [one for one, after in pairs if not after.results]
    fixes = [(one, after) for one, after in tested if after.rate.none]
    partly = [(one, after) for one, after in tested if _fixes_most(after)]
    unusual = [one for one in untested if one.oddness > 0]
    if untested and (unusual or not (fixes or partly)):
        now = unusual or untested[:AT_A_TIME]
        return [candidate.trial(base, failing[0], target) for candidate in now]
    enough = CONFIRMED if large.rate.all else MOST_SEEDS
    odd = [(one, after) for one, after in tested if one.oddness > 0]
    for some, wanted in ((fixes, enough), (partly, MOST_SEEDS), (odd, CONFIRMED)):
        trials = []
        for candidate, after in some:
            known = {result.trial.seed for result in after.results}
            rest = [seed for seed in failing if seed not in known]
            rest += new_seeds(evidence, MOST_SEEDS)
            count = min(wanted - after.rate.of, MOST_SEEDS - len(known))
            trials += [candidate.trial(base, seed, target) for seed in rest[: max(count, 0)]]
        if trials:
            return trials
    return []


def _fixes_most(after: Evidence) -> bool:
    """Return whether a change fixed most of its seeds, not all, and is worth more of them."""
    seeds = {result.trial.seed for result in after.results}
    return CONFIRMED <= len(seeds) < MOST_SEEDS and 0 < 2 * after.rate.failed < after.rate.of


def new_seeds(evidence: Evidence, count: int) -> list[int]:
    """Return unused seeds: those after the largest used one, wrapping around to 0."""
    used = {result.trial.seed for result in evidence.results}
    largest = max(used, default=-1)
    after = ((largest + place) % (LARGEST_SEED + 1) for place in itertools.count(1))
    return list(itertools.islice((seed for seed in after if seed not in used), count))
