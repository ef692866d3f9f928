"""What one look at G's samples shows: collapsed, elsewhere or neither; and do looks get better?

The thresholds were chosen on the zoo's part for choosing (docs/benchmarks/detection.md), where
together they flag 0.9 % of the looks that the oracle calls good and 99 % of those it calls bad.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from math import log

from keras_collapse.core.samples.probe import Probe

MISSING = 0.4
"""Share of the data that a look's samples miss from which it counts as collapsed. 99 % of the good
looks show less."""
NARROW = 1.25
"""Mean distance between samples, in that of the data, up to which what is missing was dropped:
samples that lie wider apart than the data have not arrived there."""
REPEATING = 0.5
"""Share of samples that repeat another one from which a look counts as collapsed, whatever is
missing. Perfect samples of the data repeat each other at 0.01 or so."""

OFF_MANIFOLD = 0.2
"""Precision up to which samples are not where the data is; 99 % of the good looks show more than
0.44. Only where the data fill few dimensions: in many, a nearest-neighbour ball holds next to
nothing, and good drawings show 0.03."""
FEW_DIMENSIONS = 4.0
"""Intrinsic dimensions up to which that holds; in more, a rule of distances must do."""
FAR = 4.0
"""Distance to the data (sliced Wasserstein), in that of two halves of the data, from which samples
lie elsewhere in any number of dimensions. Healthy runs come below 3, the camel GAN too."""
FAR_PRECISION = 0.1
"""Precision up to which samples that are so far count as elsewhere."""

GAINS = {"coverage": 0.03, "missing_share": -0.1, "precision": 0.03}
"""Rise (or fall) of a mean from the first half of a stretch of looks to the second that counts as
getting better (`standstill.STRETCH`)."""
NEARER = 0.2
"""Fall of the logarithm of the distance to the data that does, 18 %."""


def collapsed(probe: Probe) -> bool | None:
    """Do the samples cover a part of the data only, or repeat each other? None: cannot tell."""
    if (probe.get("duplicate_share") or 0.0) >= REPEATING:
        return True
    missing, ratio = probe.get("missing_share"), probe.get("distance_ratio")
    if missing is None or ratio is None:
        return None
    return missing >= MISSING and ratio <= NARROW


def off_manifold(probe: Probe) -> bool | None:
    """Are the samples not where the data is? None: cannot tell."""
    precision, missing = probe.get("precision"), probe.get("missing_share")
    distance, near = probe.get("sliced_wasserstein"), probe.get("sliced_wasserstein_baseline")
    if precision is None or missing is None or distance is None or near is None:
        return None
    if precision <= OFF_MANIFOLD and 0 < probe.values.get("dimension", 0.0) <= FEW_DIMENSIONS:
        return True
    wide = probe.values.get("distance_ratio", 0.0) > NARROW
    return distance >= FAR * near and (precision <= FAR_PRECISION or (wide and missing >= MISSING))


def bad(probe: Probe) -> bool | None:
    """Collapsed or elsewhere; None where neither can be told."""
    answers = (collapsed(probe), off_manifold(probe))
    if True in answers:
        return True
    return None if None in answers else False


def mostly_collapsed(looks: Iterable[Probe]) -> bool:
    """Are most of these bad looks of samples that lie where the data is, but only on a part of it?

    Samples that repeat each other are collapsed wherever they lie.
    """
    votes = [
        (look.get("duplicate_share") or 0.0) >= REPEATING
        or (collapsed(look) is True and off_manifold(look) is not True)
        for look in looks
    ]
    return 2 * sum(votes) > len(votes)


def better(before: Sequence[Probe], after: Sequence[Probe], share: float = 1.0) -> bool:
    """Are these looks better than those, by any measure?

    Args:
        before, after: the two halves of a stretch.
        share: of the gains that would be asked of a full stretch.
    """
    for name, gain in GAINS.items():
        if (_mean(after, name) - _mean(before, name)) / gain >= share:
            return True
    return _log_distance(after) <= _log_distance(before) - share * NEARER


def _mean(looks: Sequence[Probe], name: str) -> float:
    known = [probe.values[name] for probe in looks if name in probe.values]
    return sum(known) / len(known) if known else 0.0


def _log_distance(looks: Sequence[Probe]) -> float:
    known = [log(max(p.values.get("sliced_wasserstein", 1.0), 1e-6)) for p in looks]
    return sum(known) / len(known)
