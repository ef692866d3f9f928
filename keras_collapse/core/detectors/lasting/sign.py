"""Base class of the detectors that need several sample checks in a row."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections import deque
from collections.abc import Sequence

from keras_collapse.core.detectors.base import Following
from keras_collapse.core.detectors.no_progress import HEALS_AFTER, LEAST_CHECKS, MOST_CHECKS
from keras_collapse.core.findings import Finding, Severity
from keras_collapse.core.samples.probe import Probe


class LastingSign(Following, ABC):
    """Follows consecutive sample checks that show a sign until they are a finding or end.

    Attributes:
        leaves_open: whether fewer checks than a finding needs make the verdict ``unknown``.
    """

    kind = ""
    leaves_open = True

    def __init__(self) -> None:
        super().__init__()
        self._stretch: deque[Probe] = deque(maxlen=MOST_CHECKS)
        self._without = 0

    @abstractmethod
    def holds(self, probe: Probe) -> bool | None:
        """Whether a check shows the sign; None if it cannot tell."""

    @abstractmethod
    def severity(self, checks: Sequence[Probe]) -> Severity | None:
        """The severity of these checks, at least four that all show the sign; None for none."""

    @abstractmethod
    def describe(self, probe: Probe) -> Finding:
        """The finding as the latest check shows it."""

    def update_probe(self, probe: Probe) -> None:
        holds = self.holds(probe)
        if holds is None:
            return
        if not holds:
            self._recover()
            return
        self._without = 0
        self._stretch.append(probe)
        checks = list(self._stretch)
        severity = self.severity(checks) if len(checks) >= LEAST_CHECKS else None
        found = self.describe(probe)
        if self._open is not None:
            self._report(found, self._open.first_step, severity or self._open.severity)
        elif severity is not None:
            self._report(found, checks[0].step, severity)
        if not self.leaves_open:
            return
        early = f"{found.message} Too early to say whether this persists; train longer"
        self.unavailable_reason = "" if self._open else early

    def _recover(self) -> None:
        self.unavailable_reason = ""
        self._without += 1
        if self._open is not None and self._without < HEALS_AFTER:
            return
        self._stretch.clear()
        self._resolve()
