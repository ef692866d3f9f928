"""The interface of a detector: it takes readings or probes and reports findings."""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from dataclasses import replace
from typing import Protocol, runtime_checkable

from keras_collapse.core.findings import Finding, Severity
from keras_collapse.core.readings.reading import Reading
from keras_collapse.core.samples.probe import Probe

MOST_CLOSED = 16
"""Resolved findings that a detector keeps, the latest: a run may fail and recover for ever."""


def closed() -> deque[Finding]:
    """An empty list of resolved findings that never grows beyond `MOST_CLOSED`."""
    return deque(maxlen=MOST_CLOSED)


@runtime_checkable
class Detector(Protocol):
    """Watches readings for one failure.

    Attributes:
        kind: the failure's name, as in its findings.
        steps_assessed: on how many training steps it could say yes or no.
        unavailable_reason: why it could not assess the latest steps; empty if it could.
    """

    kind: str
    steps_assessed: int
    unavailable_reason: str

    def update(self, reading: Reading) -> None:
        """Take the next reading; its steps follow those of the previous one."""

    @property
    def findings(self) -> Sequence[Finding]:
        """The findings so far, oldest first; the latest may still grow or be resolved."""


@runtime_checkable
class ProbeDetector(Protocol):
    """Watches probes for one failure; a detector may watch readings as well.

    Attributes:
        kind: the failure's name, as in its findings.
        unavailable_reason: why the latest probes leave open whether this fails; empty if they do
            not.
    """

    kind: str
    unavailable_reason: str

    def update_probe(self, probe: Probe) -> None:
        """Take the next probe; its step follows that of the previous one."""

    @property
    def findings(self) -> Sequence[Finding]:
        """The findings so far, oldest first; the latest may still grow or be resolved."""


class Following:
    """What a detector of probes reports: at most one open finding, and those that were resolved."""

    def __init__(self) -> None:
        self.unavailable_reason = ""
        self._open: Finding | None = None
        self._closed = closed()

    @property
    def findings(self) -> Sequence[Finding]:
        return [*self._closed, self._open] if self._open else list(self._closed)

    def _report(self, found: Finding, first_step: int, severity: Severity) -> None:
        """Open a finding, or renew the open one: its first step stays, and its worst severity."""
        if self._open is not None:
            first_step = self._open.first_step
            severity = max(severity, self._open.severity, key=lambda one: one.rank)
        self._open = replace(found, first_step=first_step, severity=severity)

    def _resolve(self) -> None:
        """Close the open finding, if there is one."""
        if self._open is not None:
            self._closed.append(replace(self._open, resolved=True))
            self._open = None
