"""What every detector is: readings in, findings out, and honest about what it could judge."""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from typing import Protocol, runtime_checkable

from keras_collapse.core.findings import Finding
from keras_collapse.core.probes import Probe
from keras_collapse.core.readings import Reading

MOST_CLOSED = 16
"""Findings that have ended which a detector keeps, the latest: a run may fail and heal for ever."""


def closed() -> deque[Finding]:
    """A place for findings that have ended; it never grows beyond `MOST_CLOSED`."""
    return deque(maxlen=MOST_CLOSED)


@runtime_checkable
class Detector(Protocol):
    """Watches readings for one failure.

    Attributes:
        kind: the failure's name, as in its findings.
        judged: on how many training steps it could say yes or no.
        blind: why it could not judge the latest steps, in words; empty if it could.
    """

    kind: str
    judged: int
    blind: str

    def update(self, reading: Reading) -> None:
        """Take the next reading; its steps follow those of the last."""

    @property
    def findings(self) -> Sequence[Finding]:
        """What is known by now, oldest first; a finding may still grow or heal."""


@runtime_checkable
class ProbeDetector(Protocol):
    """Watches probes for one failure; a detector may watch readings as well.

    Attributes:
        kind: the failure's name, as in its findings.
        blind: why the latest probes leave it open whether this fails, in words; empty if not.
    """

    kind: str
    blind: str

    def look(self, probe: Probe) -> None:
        """Take the next probe; its step follows that of the last."""

    @property
    def findings(self) -> Sequence[Finding]:
        """What is known by now, oldest first; a finding may still grow or heal."""


def at_least(value: float, bound: float, uncertainty: float) -> bool | None:
    """Is ``value >= bound``? None where the uncertainty leaves that open.

    >>> at_least(0.8, 0.7, 0.05), at_least(0.6, 0.7, 0.05), at_least(0.72, 0.7, 0.05)
    (True, False, None)
    """
    if value - uncertainty >= bound:
        return True
    return False if value + uncertainty < bound else None


def within(value: float, low: float, high: float, uncertainty: float) -> bool | None:
    """Does ``value`` lie in [low, high]? None where the uncertainty is wider than the band.

    A band is for a level known to about its width: ``value`` counts as inside where it is so
    itself and its uncertainty is at most half of the width.

    >>> within(0.73, 0.72, 0.75, 0.005), within(0.6, 0.72, 0.75, 0.005)
    (True, False)
    >>> within(0.73, 0.72, 0.75, 0.1) is None
    True
    """
    if value + uncertainty < low or value - uncertainty > high:
        return False
    return True if low <= value <= high and uncertainty <= (high - low) / 2 else None


def both(*answers: bool | None) -> bool | None:
    """All of the answers: False if one is, else None if one is, else True."""
    if False in answers:
        return False
    return None if None in answers else True
