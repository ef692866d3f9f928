"""What every detector is: readings in, findings out, and honest about what it could judge."""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from typing import Protocol, runtime_checkable

from keras_collapse.core.findings import Finding
from keras_collapse.core.readings.reading import Reading
from keras_collapse.core.samples.probe import Probe

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
    steps_assessed: int
    unavailable_reason: str

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
    unavailable_reason: str

    def update_probe(self, probe: Probe) -> None:
        """Take the next probe; its step follows that of the last."""

    @property
    def findings(self) -> Sequence[Finding]:
        """What is known by now, oldest first; a finding may still grow or heal."""
