"""Base class of the detectors of samples: bad samples that do not get better."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections import deque
from collections.abc import Sequence

from keras_collapse.core.detectors.base import Following
from keras_collapse.core.detectors.sample_quality import bad, better, in_few_dimensions
from keras_collapse.core.findings import Finding, Severity
from keras_collapse.core.samples.probe import Probe

STRETCH = 1100
"""Steps without progress from which samples that never were good have failed. Healthy runs begin
with bad samples too and may pause: 2 of 100 for longer than this in the detection benchmark."""
STRETCH_OF_MANY = 800
"""The same for data of many dimensions, such as images, where healthy runs pause less."""
WARN_SHARE = 0.5
"""Share of the stretch after which there is a warning."""
RELAPSE = 400
"""Steps of bad samples, improving or not, after which a generator that was good has failed."""
RELAPSE_WARN = 100
LEAST_CHECKS, MOST_CHECKS = 4, 2 * STRETCH
"""Sample checks in a stretch: at least, since epochs may be long, and kept at most."""
ARRIVED = 2
"""Consecutive good sample checks after which G counts as having been good."""
HEALS_AFTER = 2
"""Consecutive good sample checks that end a failure, and of data of many dimensions any stretch of
bad checks: one alone may be chance."""


def rounded(probe: Probe, names: Sequence[str]) -> dict[str, float]:
    """Those of the named numbers that the probe has, rounded for display."""
    return {name: round(probe.values[name], 4) for name in names if name in probe.values}


class NoProgress(Following, ABC):
    """Follows consecutive bad sample checks until they are a failure or end.

    A detector of samples implements `is_mine` and `describe`, so that every failure of the samples
    is reported by one detector only.

    Attributes:
        unavailable_reason: why the latest samples, although bad, are not a failure yet; empty if
            they are good, unknown, or this detector's failure.
    """

    kind = ""

    def __init__(self) -> None:
        super().__init__()
        # The latest consecutive bad checks.
        self._stretch: deque[Probe] = deque(maxlen=MOST_CHECKS)
        self._since = 0  # the step of the first of them
        self._good_in_a_row = 0
        self._arrived = False  # G has been good
        self._failing = False  # the stretch is a failure, of this kind or of another
        self._mine = False

    @abstractmethod
    def is_mine(self, checks: Sequence[Probe]) -> bool:
        """Whether these bad checks show this detector's failure, and not another's."""

    @abstractmethod
    def describe(self, probe: Probe) -> Finding:
        """The finding as the latest check shows it."""

    def update_probe(self, probe: Probe) -> None:
        holds = bad(probe)
        if holds is None and not self._ends_repetition(probe):
            return
        if not holds:
            self._recover(probe)
            return
        self._good_in_a_row = 0
        if not self._stretch:
            self._since = probe.step
        self._stretch.append(probe)
        stretch = STRETCH if in_few_dimensions(probe) else STRETCH_OF_MANY
        while len(self._stretch) > LEAST_CHECKS and probe.step - self._stretch[1].step >= stretch:
            self._stretch.popleft()
        severity = self._severity(probe, stretch)
        if not self._failing:
            self._mine = self.is_mine(self._stretch)
            self._failing = severity is not None
        self.unavailable_reason = "" if self._failing or not self._mine else self._pending(probe)
        if self._failing and self._mine:
            first = self._since if self._arrived else self._stretch[0].step
            self._report(self.describe(probe), first, severity or Severity.WARNING)

    def _ends_repetition(self, probe: Probe) -> bool:
        """Whether a repetition has ended that was found without comparing with the data."""
        alone = all("missing_share" not in earlier.values for earlier in self._stretch)
        return bool(self._stretch) and alone and "duplicate_share" in probe.values

    def _severity(self, probe: Probe, stretch: int) -> Severity | None:
        """The severity of the stretch so far; None if it is not a failure."""
        checks = list(self._stretch)
        if len(checks) < LEAST_CHECKS:
            return None
        if self._arrived:
            lasted = probe.step - self._since
            if lasted < RELAPSE_WARN:
                return None
            return Severity.FAILED if lasted >= RELAPSE else Severity.WARNING
        half = len(checks) // 2
        lasted = probe.step - checks[0].step
        share = min(lasted / stretch, 1.0)
        if share < WARN_SHARE or better(checks[:half], checks[half:], share):
            return None
        return Severity.FAILED if lasted >= stretch else Severity.WARNING

    def _pending(self, probe: Probe) -> str:
        return (
            f"{self.describe(probe).message} Too early to say whether this persists; train longer"
        )

    def _recover(self, probe: Probe) -> None:
        self.unavailable_reason = ""
        self._good_in_a_row += 1
        self._arrived |= self._good_in_a_row >= ARRIVED
        lasts = self._failing or not in_few_dimensions(probe)
        if lasts and self._stretch and self._good_in_a_row < HEALS_AFTER:
            return
        self._stretch.clear()
        self._failing = False
        self._resolve()
