"""How many training steps a trial needs before it can show each kind of end."""

from __future__ import annotations

import math

from keras_collapse.core.detectors import discriminator_dominates, discriminator_pinned
from keras_collapse.core.detectors.no_progress import STRETCH
from keras_collapse.core.samples.probe import APART
from keras_collapse.triage.trial.outcome import LAST_CHECKS, SETTLED


def needed(steps_per_epoch: int | None) -> dict[str, int]:
    """Return what a trial can show, and from which step on.

    Args:
        steps_per_epoch: of the experiment; None if unknown. Samples are compared with the data at
            the ends of epochs, or every 100 steps where an epoch is longer.

    >>> needed(64)
    {'a pinned D': 300, 'good samples': 512, 'a D that wins': 1000, 'bad samples': 1228}
    """
    epoch = steps_per_epoch or APART
    between = math.ceil(APART / epoch) * epoch if epoch <= APART else APART
    return {
        "a pinned D": discriminator_pinned.WARM_UP + discriminator_pinned.FAIL_AFTER,
        "good samples": LAST_CHECKS * between,
        "a D that wins": discriminator_dominates.FAIL_AFTER,
        "bad samples": max(SETTLED, STRETCH + between),
    }


def explained(steps: int, longest: int, steps_per_epoch: int | None) -> str:
    """Return what trials of that many steps can show, in two sentences at most.

    Args:
        steps: of a trial.
        longest: up to which an undecided trial goes on.
        steps_per_epoch: see `needed`.
    """
    missing = {what: step for what, step in needed(steps_per_epoch).items() if step > steps}
    if not missing:
        return f"{steps} steps are enough for every kind of failure to show."
    words = ", ".join(f"{what} (from step {step})" for what, step in missing.items())
    if longest > steps:
        return (
            f"{steps} steps are too few to show {words}: "
            f"trials go on until they are decided, up to step {longest}."
        )
    return f"{steps} steps are too few to show {words}."
