"""How a trial came out at the end of its budget, where the verdict leaves it open."""

from __future__ import annotations

from collections.abc import Sequence

from keras_collapse.core.detectors.looks import bad
from keras_collapse.core.findings import Status
from keras_collapse.core.probes import Probe

LAST = 4
"""Looks at the end that decide."""
MOST = 3
"""Of these: bad ones from which a trial has not ended well."""


def ended_well(status: str, looks: Sequence[Probe]) -> bool | None:
    """Whether a trial gave a working GAN within its budget; None where that cannot be told.

    A live verdict must not call a training failed that may still recover. A trial is over: where
    the verdict is ``unknown`` or ``warning`` its last looks at the samples decide, by the same
    rule by which the detectors call a look bad.

    Args:
        status: the verdict in a word.
        looks: at the samples, oldest first.
    """
    if status in (Status.HEALTHY, Status.FAILED):
        return status == Status.HEALTHY
    votes = [bad(look) for look in looks[-LAST:]]
    if len(votes) < LAST or None in votes:
        return None
    if sum(map(bool, votes)) >= MOST:
        return False
    return True if not any(votes) else None
