"""A fault of the samples that lasts and does not get better: what detectors of probes share."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import replace

from keras_collapse.core.findings import Finding, Severity
from keras_collapse.core.probes import Probe

WARN_AFTER, FAIL_AFTER = 500, 1000
"""Steps of it before a warning and before "failed". Healthy runs of the zoo begin with such samples
too, and leave them while getting better; those that stand still this long do not come back."""
LEAST_LOOKS = 4
"""Looks in such a stretch at least."""
HEALS_AFTER = 2
"""Looks without it, one after another, after which G has recovered."""


def evidence_of(probe: Probe, names: Sequence[str]) -> dict[str, float]:
    """Those of the probe's numbers that were told, as a person reads them."""
    return {name: round(probe.values[name], 4) for name in names if name in probe.values}


class Standstill:
    """Follows one condition over looks: is it there, does it get better, for how long already?

    Args:
        holds: whether a look shows it; None where the look cannot tell.
        better: whether the second of two groups of looks is better than the first.
        finding: makes the finding, from the step since which it stands, the latest look, and
            whether it has failed by now.
    """

    def __init__(
        self,
        holds: Callable[[Probe], bool | None],
        better: Callable[[Sequence[Probe], Sequence[Probe]], bool],
        finding: Callable[[int, Probe, Severity], Finding],
    ) -> None:
        self._holds, self._better, self._make = holds, better, finding
        self._stretch: deque[Probe] = deque()  # the latest looks at which it held
        self._since: int | None = None  # the step from which it has stood still
        self._good = 0
        self._open: Finding | None = None
        self._closed: list[Finding] = []

    @property
    def findings(self) -> Sequence[Finding]:
        return [*self._closed, self._open] if self._open else self._closed

    def look(self, probe: Probe) -> None:
        holds = self._holds(probe)
        if holds is None:
            return
        if not holds:
            self._recover()
            return
        self._good = 0
        self._stretch.append(probe)
        while len(self._stretch) > LEAST_LOOKS and probe.step - self._stretch[1].step >= FAIL_AFTER:
            self._stretch.popleft()
        looks = list(self._stretch)
        half = len(looks) // 2
        if self._open is None and (half == 0 or self._better(looks[:half], looks[half:])):
            self._since = None
            return
        if self._since is None:
            self._since = looks[0].step
        lasted = probe.step - self._since
        if self._open is None and (len(looks) < LEAST_LOOKS or lasted < WARN_AFTER):
            return
        failed = lasted >= FAIL_AFTER or (
            self._open is not None and self._open.severity is Severity.FAILED
        )
        self._open = self._make(self._since, probe, Severity.FAILED if failed else Severity.WARNING)

    def _recover(self) -> None:
        self._good += 1
        if self._open is None or self._good >= HEALS_AFTER:
            self._stretch.clear()
            self._since = None
            if self._open is not None:
                self._closed.append(replace(self._open, healed=True))
                self._open = None
