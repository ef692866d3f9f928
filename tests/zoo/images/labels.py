"""What the oracle calls a check and a run. Fixed before any verdict on these runs was read."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

GOOD_FRECHET, GOOD_PRECISION, GOOD_SPREAD = 0.35, 0.5, 0.6
GOOD_COVERED, GOOD_FOREIGN, GOOD_REPEATED, GOOD_NEAR = 0.25, 0.15, 0.1, 0.4
"""Bounds of a good check: every category has a quarter of its due, as in the other zoo."""
NEAR_FRECHET = 0.12
"""Fréchet distance up to which precision is not asked for: of data that computers draw, hardly any
sample lies within the manifold of the others."""
COLLAPSED_SPREAD, COLLAPSED_REPEATED, COLLAPSED_NEAR = 0.4, 0.5, 0.25
"""Spread or distance to the nearest sample up to which, or share of repeated samples from which, a
check shows complete collapse."""
MISSING_COVERED, MISSING_SHARE = 0.1, 0.08
"""A category with at least this share of the data is missing up to this part of its due."""
MISSING_FRECHET = 0.5
"""Fréchet distance beyond which samples of low precision belong to no category."""
GARBAGE_FRECHET, GARBAGE_PRECISION, GARBAGE_FOREIGN = 0.8, 0.35, 0.5
"""Samples that far from the data are garbage if few look real, or most like other data."""
LAST = 5
"""Checks at the end that decide."""
IMPROVING = 0.75
"""A bad run whose Fréchet distance falls to this part within its last ten checks is not scored."""

KINDS = ("collapse", "missing", "garbage", "nan")


def missing_categories(row: dict, shares: Sequence[float]) -> list[int]:
    """The categories that a check misses; those of few data are not counted."""
    return [
        k
        for k, (part, share) in enumerate(zip(row["covered"], shares, strict=True))
        if share >= MISSING_SHARE and part <= MISSING_COVERED
    ]


def check_label(row: dict | None, shares: Sequence[float]) -> str:
    """``good``, ``between``, or one of `KINDS`; None stands for samples that are not finite."""
    if row is None:
        return "nan"
    alike = row["repeated"] >= COLLAPSED_REPEATED or row["near"] <= COLLAPSED_NEAR
    if alike or row["spread"] <= COLLAPSED_SPREAD:
        return "collapse"
    far = row["frechet"] >= GARBAGE_FRECHET
    if far and (row["precision"] <= GARBAGE_PRECISION or row["foreign"] >= GARBAGE_FOREIGN):
        return "garbage"
    real = row["precision"] >= GOOD_PRECISION
    missing = len(shares) > 1 and missing_categories(row, shares)
    if missing and (real or row["frechet"] <= MISSING_FRECHET):
        return "missing"
    good = (
        row["frechet"] <= GOOD_FRECHET
        and (real or row["frechet"] <= NEAR_FRECHET)
        and row["spread"] >= GOOD_SPREAD
        and row["foreign"] <= GOOD_FOREIGN
        and row["repeated"] <= GOOD_REPEATED
        and row["near"] >= GOOD_NEAR
        and min(row["covered"]) >= GOOD_COVERED
    )
    return "good" if good else "between"


def run_label(rows: Sequence[dict | None], shares: Sequence[float]) -> str:
    """``healthy``, ``between``, or one of `KINDS`."""
    labels = [check_label(row, shares) for row in rows]
    last = labels[-LAST:]
    bad = [label for label in last if label in KINDS]
    if last.count("good") > LAST // 2 and not bad:
        return "healthy"
    if len(bad) <= LAST // 2:
        return "between"
    early, late = ([r["frechet"] for r in part if r] for part in (rows[-10:-5], rows[-5:]))
    if early and late and sum(late) / len(late) < IMPROVING * sum(early) / len(early):
        return "between"
    return Counter(bad).most_common(1)[0][0]
