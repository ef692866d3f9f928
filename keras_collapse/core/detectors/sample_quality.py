"""What one sample check shows: collapsed, off the data, or neither; and whether checks improve.

The thresholds were chosen on one part of each of the two detection benchmarks, points in the plane
and images; the data's intrinsic dimension tells which apply.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from math import log

from keras_collapse.core.samples.probe import Probe

MISSING = 0.4
"""Share of the data that the samples miss from which they count as collapsed, for data of few
dimensions. 99 % of the good checks show less."""
MISSING_OF_MANY = 0.15
"""The same for data of more dimensions, such as images, where a part that is proven to be missing
is a lower bound of what is. Good checks of healthy image GANs show less, in most 0."""
NARROW = 1.25
"""Mean distance between samples, relative to that of the data, up to which missing parts count as
dropped: samples that are further apart than the data have not reached it yet."""
REPEATING = 0.5
"""Share of samples that repeat another one from which they count as collapsed, whatever is missing.
Samples of the data itself show about 0.01."""
REPEATING_OF_MANY = 0.8
"""The same for data of more dimensions: blurred images of sound GANs are alike too."""
ALIKE = 0.6
"""Mean distance between samples, relative to that of the data, up to which bad samples of many
dimensions are called collapsed rather than off the data. On the image benchmark, nine in ten checks
of collapsed generators show less, and nine in ten of garbage more."""

OFF_MANIFOLD = 0.2
"""Precision up to which samples are off the data; 99 % of the good checks show more than 0.44. It
applies only if the data fill few dimensions: in many, a nearest-neighbour ball holds next to
nothing, and good drawings show 0.03."""
FEW_DIMENSIONS = 4.0
"""Intrinsic dimensions up to which that holds; in more, distances decide."""
FAR = 4.0
"""Sliced Wasserstein distance to the data, relative to that of two halves of the data, from which
samples are off the data if precision or missing parts say so too. Healthy runs come below 3."""
FAR_OF_MANY = 6.0
"""The same for data of many dimensions, whatever precision says."""
FAR_PRECISION = 0.1
"""Precision up to which samples that far away count as off the data."""

FEWER_REPEATS, LESS_MISSING, MORE_PRECISE = 0.1, 0.1, 0.03
"""Change of a mean from the first half of a stretch of checks to the second that counts as progress
(`no_progress.STRETCH`), each for samples that fail by that number."""
NEARER = 0.2
"""Decrease of the logarithm of the distance to the data that counts as progress, 18 %."""


def collapsed(probe: Probe) -> bool | None:
    """Whether the samples cover only a part of the data or repeat each other; None if undecided."""
    if repeating(probe):
        return True
    missing, ratio = probe.get("missing_share"), probe.get("distance_ratio")
    if missing is None or ratio is None:
        return None
    return missing >= missing_limit(probe) and ratio <= NARROW


def missing_limit(probe: Probe) -> float:
    """The share of the data from which missing it counts as collapsed."""
    return MISSING if in_few_dimensions(probe) else MISSING_OF_MANY


def far_limit(probe: Probe) -> float:
    """The distance to the data, relative to that of its halves, from which samples are off it."""
    return FAR if in_few_dimensions(probe) else FAR_OF_MANY


def repeating(probe: Probe) -> bool:
    """Whether so many samples repeat another one that the rest does not matter."""
    compared = "missing_share" in probe.values
    least = REPEATING_OF_MANY if compared and not in_few_dimensions(probe) else REPEATING
    return (probe.get("duplicate_share") or 0.0) >= least


def _alike(probe: Probe) -> bool:
    """Whether samples of many dimensions are so alike that it does not matter where they are."""
    ratio = probe.get("distance_ratio")
    return ratio is not None and ratio <= ALIKE and not in_few_dimensions(probe)


def off_manifold(probe: Probe) -> bool | None:
    """Whether the samples are off the data; None if undecided."""
    precision, missing = probe.get("precision"), probe.get("missing_share")
    distance, near = probe.get("sliced_wasserstein"), probe.get("sliced_wasserstein_baseline")
    if precision is None or missing is None or distance is None or near is None:
        return None
    far = distance >= far_limit(probe) * near
    if not in_few_dimensions(probe):
        return far
    if precision <= OFF_MANIFOLD:
        return True
    wide = probe.values.get("distance_ratio", 0.0) > NARROW
    return far and (precision <= FAR_PRECISION or (wide and missing >= MISSING))


def in_few_dimensions(probe: Probe) -> bool:
    """Whether the data fill at most `FEW_DIMENSIONS` dimensions, as points in a plane do."""
    return 0 < probe.values.get("dimension", 0.0) <= FEW_DIMENSIONS


def bad(probe: Probe) -> bool | None:
    """Whether the samples are collapsed or off the data; None if both are undecided."""
    answers = (collapsed(probe), off_manifold(probe))
    if True in answers:
        return True
    return None if None in answers else False


def quality(probe: Probe) -> float | None:
    """How good the samples are, as one number to compare the sample checks of one run by.

    The share of the data that they reach, times the share of them that repeats no other one, times
    their nearness: the distance to the data of a perfect generator, relative to theirs.

    Returns:
        In [0, 1], where 1 is as good as another part of the data; None where they were not compared
        with the data.

    >>> values = {"missing_share": 0.1, "duplicate_share": 0.0, "sliced_wasserstein": 0.2}
    >>> quality(Probe(0, {**values, "sliced_wasserstein_baseline": 0.1}))
    0.45
    """
    missing, distance = probe.get("missing_share"), probe.get("sliced_wasserstein")
    perfect = probe.get("sliced_wasserstein_baseline")
    if missing is None or distance is None or perfect is None:
        return None
    nearness = perfect / distance if distance > perfect else 1.0
    return round((1 - missing) * (1 - (probe.get("duplicate_share") or 0.0)) * nearness, 4)


def mostly_collapsed(checks: Iterable[Probe]) -> bool:
    """Whether most of these bad checks show samples on a part of the data, rather than off it.

    Samples that repeat each other, or nearly do, are collapsed wherever they are.
    """
    votes = [
        repeating(check)
        or _alike(check)
        or (collapsed(check) is True and off_manifold(check) is not True)
        for check in checks
    ]
    return 2 * sum(votes) > len(votes)


def better(before: Sequence[Probe], after: Sequence[Probe], share: float = 1.0) -> bool:
    """Whether later checks are better than earlier ones in what is wrong with the later ones.

    Samples that repeat each other get better only if they do so less; others if they miss less of
    the data, where they miss a part of it, or come nearer to it, where they are off it. Precision
    is not counted for samples that are alike and miss a part: they are off the data because of
    what they miss, and one category drawn ever better is no progress in that.

    Args:
        before, after: the two halves of a stretch.
        share: of the gains that a full stretch needs.
    """

    def gained(name: str, gain: float) -> bool:
        return (_mean(after, name) - _mean(before, name)) / gain >= share

    if _most(map(repeating, after)):
        return gained("duplicate_share", -FEWER_REPEATS)
    if _most(collapsed(check) is True for check in after) and gained(
        "missing_share", -LESS_MISSING
    ):
        return True
    if not _most(off_manifold(check) is True for check in after):
        return False
    nearer = _log_distance(after) <= _log_distance(before) - share * NEARER
    if _most(collapsed(check) is True and _alike(check) for check in after):
        return nearer
    return nearer or gained("precision", MORE_PRECISE)


def _most(answers: Iterable[bool]) -> bool:
    known = list(answers)
    return 2 * sum(known) >= len(known)


def _mean(checks: Sequence[Probe], name: str) -> float:
    known = [probe.values[name] for probe in checks if name in probe.values]
    return sum(known) / len(known) if known else 0.0


def _log_distance(checks: Sequence[Probe]) -> float:
    known = [log(max(p.values.get("sliced_wasserstein", 1.0), 1e-6)) for p in checks]
    return sum(known) / len(known)
