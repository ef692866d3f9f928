"""Comparisons with uncertain numbers: true, false, or None where it is undecided."""

from __future__ import annotations


def at_least(value: float, bound: float, uncertainty: float) -> bool | None:
    """Whether ``value >= bound``; None if the uncertainty leaves that open.

    >>> at_least(0.8, 0.7, 0.05), at_least(0.6, 0.7, 0.05), at_least(0.72, 0.7, 0.05)
    (True, False, None)
    """
    if value - uncertainty >= bound:
        return True
    return False if value + uncertainty < bound else None


def within(value: float, low: float, high: float, uncertainty: float) -> bool | None:
    """Whether ``value`` lies in [low, high]; None if the uncertainty is wider than the band.

    ``value`` counts as inside if it lies inside and its uncertainty is at most half of the band's
    width.

    >>> within(0.73, 0.72, 0.75, 0.005), within(0.6, 0.72, 0.75, 0.005)
    (True, False)
    >>> within(0.73, 0.72, 0.75, 0.1) is None
    True
    """
    if value + uncertainty < low or value - uncertainty > high:
        return False
    return True if low <= value <= high and uncertainty <= (high - low) / 2 else None


def both(*answers: bool | None) -> bool | None:
    """The conjunction: False if any answer is False, else None if any is None, else True."""
    if False in answers:
        return False
    return None if None in answers else True
