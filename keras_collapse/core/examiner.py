"""Runs the detectors over readings and folds what they find into a verdict."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from keras_collapse.core.detectors import Detector, ProbeDetector, default_detectors
from keras_collapse.core.findings import ROOTS, Finding, Severity, Status, Verdict
from keras_collapse.core.readings.reading import Reading
from keras_collapse.core.samples.probe import Probe

ENOUGH_STEPS = 250
"""Steps every detector must have judged before "healthy" is said: the book's healthy run needs as
many to leave chance, so fewer cannot tell a slow start from a failure."""

ENOUGH_LOOKS = 4
"""Looks at samples beside data that make up for losses which cannot be judged."""


class Examiner:
    """Readings in, verdict out.

    Args:
        detectors: the failures to watch for; by default all that are known.
        row_steps: training steps that one step of the readings stands for at least.

    Attributes:
        blind: why samples are not compared with data, in words; empty where they are, or where
            that is not known.

    >>> examiner = Examiner()
    >>> for step in range(300):
    ...     changed = examiner.update(Reading(step, 1, {"d_acc_real": 1.0, "d_acc_fake": 0.0}))
    >>> examiner.verdict().status.value
    'failed'
    """

    def __init__(
        self, detectors: Sequence[Detector | ProbeDetector] | None = None, row_steps: int = 1
    ) -> None:
        self.row_steps = row_steps
        self.detectors = list(default_detectors(row_steps) if detectors is None else detectors)
        self._of_readings = [d for d in self.detectors if isinstance(d, Detector)]
        self._of_probes = [d for d in self.detectors if isinstance(d, ProbeDetector)]
        self.steps = 0
        self.looks = 0
        self.blind = ""
        self._others: list[Finding] = []
        self._told: dict[int, dict[tuple[str, int], tuple[Severity, bool]]] = {}

    def update(self, reading: Reading) -> list[Finding]:
        """Take a reading; give the findings that are new, graver or healed since the last."""
        self.steps = reading.step + 1
        changed: list[Finding] = []
        for detector in self._of_readings:
            detector.update(reading)
            changed += self._changes(detector)
        return changed

    def look(self, probe: Probe) -> list[Finding]:
        """Take a probe; give the findings that are new, graver or healed since the last."""
        self.looks += "missing_share" in probe.values  # only such as were compared with data
        changed: list[Finding] = []
        for detector in self._of_probes:
            detector.look(probe)
            changed += self._changes(detector)
        return changed

    def _changes(self, detector: Detector | ProbeDetector) -> Iterator[Finding]:
        before, now = self._told.get(id(detector), {}), {}
        for finding in detector.findings:
            key, state = (finding.kind, finding.first_step), (finding.severity, finding.healed)
            now[key] = state
            if before.get(key) != state:
                yield finding
        self._told[id(detector)] = now

    def report(self, finding: Finding) -> None:
        """Add a finding that no detector made: the reader's, the audit's, the seeding's."""
        same = [f for f in self._others if f.kind == finding.kind]
        self._others = [f for f in self._others if f not in same] + [finding]

    def verdict(self, averaging: str | None = None) -> Verdict:
        """What all findings say together, now."""
        findings = [f for d in self.detectors for f in d.findings] + self._others
        findings.sort(key=lambda f: (f.healed, -f.severity.rank, f.kind not in ROOTS, f.first_step))
        status, reason = self._status(findings)
        return Verdict(status, tuple(findings), reason, self.steps, averaging)

    def _status(self, findings: Sequence[Finding]) -> tuple[Status, str]:
        standing = [f for f in findings if not f.healed]
        for severity, status in (
            (Severity.FAILED, Status.FAILED),
            (Severity.WARNING, Status.WARNING),
        ):
            for finding in standing:
                if finding.severity is severity:
                    return status, f"{finding.kind} since step {finding.first_step}"
        for finding in findings:
            if finding.severity is Severity.FAILED:
                return Status.WARNING, (
                    f"{finding.kind} from step {finding.first_step} to {finding.last_step}, "
                    "then recovered"
                )
        for detector in self._of_readings:
            judged = detector.judged * self.row_steps
            if not detector.blind and judged < ENOUGH_STEPS:
                return Status.UNKNOWN, (
                    f"too few steps: {detector.kind} was judged on {judged}, "
                    f"{ENOUGH_STEPS} are needed"
                )
        for watcher in self._of_probes:
            if watcher.blind and not isinstance(watcher, Detector):
                return Status.UNKNOWN, watcher.blind
        for detector in self._of_readings:
            if detector.blind and self.looks < ENOUGH_LOOKS:  # samples say more than losses
                return Status.UNKNOWN, f"{detector.kind} cannot be judged: {detector.blind}"
        seen = f"and {self.looks} looks at its samples"
        if not self.looks:
            seen = f"by its losses alone ({self.blind})" if self.blind else "by its losses alone"
        return Status.HEALTHY, f"no failure found in {self.steps} steps {seen}"


def verdict_of(findings: Sequence[Finding]) -> Verdict:
    """The verdict on one training step: as bad as its worst finding."""
    worst = max((f.severity for f in findings), key=lambda severity: severity.rank, default=None)
    status = {Severity.FAILED: Status.FAILED, Severity.WARNING: Status.WARNING}.get(
        worst or Severity.INFO, Status.HEALTHY
    )
    found = ", ".join(dict.fromkeys(finding.kind for finding in findings))
    return Verdict(status, tuple(findings), found or "no fault of the wiring found in one step", 1)
