"""What a triage found to work, for ``known_good.toml``."""

from __future__ import annotations

from keras_collapse.reproducibility.known_good import KnownGood
from keras_collapse.triage.analysis.evidence import Evidence
from keras_collapse.triage.runner import Triage


def known_good(found: Triage) -> KnownGood | None:
    """The settings with the most seeds that were healthy: the target's, the cure's, or a cap's.

    Returns:
        None where no trial was healthy.
    """
    plan, evidence = found.order.plan, Evidence(found.results)
    plain = evidence.unchanged()
    sizes = [size for size in plain.batch_sizes if plain.at(size).rate.none]
    held = next((cure for cure in found.cures if cure["held"]), None)
    if held is not None:
        batch_size, changes = held["batch_size"], held["changes"]
        params = {**plan.trials[0].params, **held["params"]}
    else:
        batch_size, changes, params = max(sizes, default=plan.target), {}, plan.trials[0].params
    good = [
        result.trial.seed
        for result in evidence.at(batch_size, changes, params).decided
        if not result.failed
    ]
    if not good:
        return None
    return KnownGood(
        seeds=list(dict.fromkeys(good)),
        batch_size=batch_size,
        batch_size_cap=max(sizes, default=batch_size if held else None),
        changes=dict(changes),
        params=dict(params),
        experiment=found.order.place,
    )
