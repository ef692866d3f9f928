"""Runs the detectors over readings and probes, and combines their findings into a verdict."""

from __future__ import annotations

import copy
from collections.abc import Iterator, Sequence
from dataclasses import replace

from keras_collapse.core.advice import Setting, advice_for
from keras_collapse.core.detectors import Detector, ProbeDetector, default_detectors
from keras_collapse.core.detectors.divergence import Divergence
from keras_collapse.core.detectors.persistent_condition import BlockDetector
from keras_collapse.core.detectors.sample_quality import bad
from keras_collapse.core.errors import InputError
from keras_collapse.core.findings import ROOTS, Finding, Severity, Status, Verdict
from keras_collapse.core.readings.columns import Columns
from keras_collapse.core.readings.reading import Reading
from keras_collapse.core.samples.probe import Probe

ENOUGH_STEPS = 250
"""Steps that every detector must have assessed before a run is called healthy. The healthy run of
Foster, "Generative Deep Learning" (2019), needs as many to leave chance level, so fewer cannot tell
a slow start from a failure."""

ENOUGH_CHECKS = 4
"""Sample checks after which losses that cannot be assessed no longer matter."""

TWO_SIDED = (("d_acc_real", "d_acc_fake"), ("d_acc", "g_acc"))
"""Accuracies of which a log must hold one pair to show that neither network wins: a healthy D loss
is one that a failed D may have too."""

DETECTOR_NEEDS = (
    "kind, unavailable_reason, findings, and steps_assessed with update(reading), or "
    "update_probe(probe)"
)
"""What makes an object a detector."""


class Examiner:
    """Turns readings and probes into a verdict.

    Args:
        detectors: the detectors to run; by default all.
        row_steps: the least number of training steps that one step of the readings stands for.
        log_only: whether the readings come from a log whose samples nobody can check. Otherwise a
            run is healthy only if its samples were compared with the data.

    Attributes:
        setting: how the run is trained, and what of its wiring was checked.
        steps: training steps seen.
        sample_checks: sample checks that compared samples with data.
        drawn_only: those that came too soon after another one and only drew samples.
        unavailable_reason: why samples are not compared with the data; empty where they are, or
            where that is not known.

    Raises:
        InputError: one of the detectors is none.

    >>> examiner = Examiner()
    >>> for step in range(300):
    ...     changed = examiner.update(Reading(step, 1, {"d_acc_real": 1.0, "d_acc_fake": 0.0}))
    >>> examiner.verdict().status.value
    'failed'
    """

    def __init__(
        self,
        detectors: Sequence[Detector | ProbeDetector] | None = None,
        row_steps: int = 1,
        log_only: bool = False,
    ) -> None:
        self.log_only = log_only
        self.row_steps = row_steps
        self.detectors = list(default_detectors(row_steps) if detectors is None else detectors)
        for one in self.detectors:
            if not isinstance(one, Detector | ProbeDetector):
                raise InputError(
                    f"detectors: {type(one).__name__} is neither a Detector nor a ProbeDetector. "
                    f"It needs {DETECTOR_NEEDS}."
                )
        self._fresh = copy.deepcopy(self.detectors)
        self._sort_detectors()
        self.steps = 0
        self.sample_checks = self.drawn_only = 0
        self.unavailable_reason = ""
        self._signals: set[str] = set()
        self.setting = Setting()
        self._samples_good: bool | None = None  # in the latest sample check with the data
        self._others: list[Finding] = []
        self._undone: list[Finding] = []  # of the detectors before `restart`
        self._from = 0  # the first step whose readings count
        self._objective: tuple[str, float | None] | None = None
        self._known: dict[int, dict[tuple[str, int], tuple[Severity, bool]]] = {}

    def _sort_detectors(self) -> None:
        sharing: dict[int, list[BlockDetector]] = {}
        for detector in self.detectors:
            if isinstance(detector, BlockDetector):
                sharing.setdefault(detector.row_steps, []).append(detector)
        self._of_blocks = [(group[0].input, group) for group in sharing.values()]
        for block_input, group in self._of_blocks:
            for one in group:
                one.input = block_input
        self._of_readings = [d for d in self.detectors if isinstance(d, Detector)]
        self._each_reading = [d for d in self._of_readings if not isinstance(d, BlockDetector)]
        self._of_probes = [d for d in self.detectors if isinstance(d, ProbeDetector)]

    def know_objective(self, objective: str, scale: float | None = None) -> None:
        """Take the objective of the losses once it is known; see `CrossEntropy.know`."""
        self._objective = (objective, scale)
        for block_input, _ in self._of_blocks:
            block_input.form.know(objective, scale)

    def update(self, reading: Reading) -> list[Finding]:
        """Take a reading; return the findings that are new, more severe, or resolved."""
        if reading.step < self._from:  # held back until its averaging was known
            return []
        self.steps = reading.step + 1
        if not reading.values.keys() <= self._signals:
            self._signals.update(reading.values)
        changed: list[Finding] = []
        for block_input, detectors in self._of_blocks:
            self._tell_whether_alone(detectors)
            if (block := block_input.take(reading)) is not None:
                for one in detectors:
                    one.update_block(block)
                    changed += self._changes(one)
        for detector in self._each_reading:
            detector.update(reading)
            if getattr(detector, "has_news", True):
                changed += self._changes(detector)
        return changed

    def update_columns(self, columns: Columns) -> list[Finding]:
        """Take many readings, as `update` does each of them, but several times faster."""
        if columns.first_step < self._from or not columns.values.keys() <= self._signals:
            return [finding for reading in columns for finding in self.update(reading)]
        self.steps = columns.first_step + len(columns)
        changed: list[Finding] = []
        for block_input, detectors in self._of_blocks:
            self._tell_whether_alone(detectors)
            for block in block_input.take_columns(columns):
                for one in detectors:
                    one.update_block(block)
                    changed += self._changes(one)
        for detector in self._each_reading:
            if isinstance(detector, Divergence):
                detector.update_columns(columns)
            else:
                for reading in columns:
                    detector.update(reading)
            changed += self._changes(detector)
        return changed

    def _tell_whether_alone(self, detectors: Sequence[BlockDetector]) -> None:
        """Tell detectors that share their input whether nobody compares samples with the data."""
        alone = not self.sample_checks and bool(self.log_only or self.unavailable_reason)
        if alone != detectors[0].readings_alone:
            for one in detectors:
                one.readings_alone = alone

    def update_probe(self, probe: Probe) -> list[Finding]:
        """Take a probe; return the findings that are new, more severe, or resolved."""
        if "missing_share" in probe.values:  # compared with the data
            self.sample_checks += 1
            is_bad = bad(probe)
            self._samples_good = None if is_bad is None else not is_bad
        elif self.sample_checks:
            self.drawn_only += 1
        changed: list[Finding] = []
        for detector in self._of_probes:
            detector.update_probe(probe)
            changed += self._changes(detector)
        return changed

    def restart(self, step: int) -> list[Finding]:
        """Begin with fresh detectors, since the training went back to an earlier, healthy state.

        What failed before is a resolved finding from now on, and can be found again.

        Args:
            step: the latest training step; readings up to here are not assessed any more.

        Returns:
            The findings that this has resolved.
        """
        own = [self._with_advice(f) for d in self.detectors for f in self._own_findings(d)]
        self._undone += [replace(finding, resolved=True) for finding in own]
        self._from = step + 1
        self.detectors = copy.deepcopy(self._fresh)
        self._sort_detectors()
        self._known.clear()
        if self._objective is not None:
            self.know_objective(*self._objective)
        return [replace(finding, resolved=True) for finding in own if not finding.resolved]

    def _changes(self, detector: Detector | ProbeDetector) -> Iterator[Finding]:
        before, now = self._known.get(id(detector), {}), {}
        findings = self._own_findings(detector)
        if not before and not findings:
            return
        for finding in findings:
            key, state = (finding.kind, finding.first_step), (finding.severity, finding.resolved)
            now[key] = state
            if before.get(key) != state:
                yield self._with_advice(finding)
        self._known[id(detector)] = now

    def _own_findings(self, detector: Detector | ProbeDetector) -> list[Finding]:
        """A detector's findings, but for those that the wiring has shown already."""
        findings = list(detector.findings)
        if not findings or not self._others:
            return findings
        reported = {finding.kind for finding in self._others}
        return [finding for finding in findings if finding.kind not in reported]

    def _with_advice(self, finding: Finding) -> Finding:
        """A detector's finding with the advice that fits this run."""
        faults = [f.kind for f in self._others if f.kind in ROOTS]
        return replace(finding, advice=advice_for(finding.advice, self.setting, faults))

    def report(self, finding: Finding) -> None:
        """Add a finding that no detector made, as of the reader, the wiring or the seeding.

        One of its kind that still holds, as of an earlier fit, is continued.
        """
        same = [f for f in self._others if f.kind == finding.kind]
        first = min([f.first_step for f in same if not f.resolved] + [finding.first_step])
        self._others = [f for f in self._others if f not in same]
        self._others.append(replace(finding, first_step=first))

    def verdict(self, averaging: str | None = None) -> Verdict:
        """The verdict on everything seen so far."""
        own = [self._with_advice(f) for d in self.detectors for f in self._own_findings(d)]
        findings = [*self._undone, *own, *self._others]
        findings.sort(
            key=lambda f: (f.resolved, -f.severity.rank, f.kind not in ROOTS, f.first_step)
        )
        status, reason = self._status(findings)
        return Verdict(status, tuple(findings), reason, self.steps, averaging)

    def _status(self, findings: Sequence[Finding]) -> tuple[Status, str]:
        standing = [f for f in findings if not f.resolved]
        for severity, status in (
            (Severity.FAILED, Status.FAILED),
            (Severity.WARNING, Status.WARNING),
        ):
            for finding in standing:
                if finding.severity is severity:
                    return status, f"{finding.kind} since step {finding.first_step}"
        for finding in findings:
            if finding.severity is Severity.FAILED:
                how = "rolled back" if finding in self._undone else "recovered"
                return Status.WARNING, (
                    f"{finding.kind} from step {finding.first_step} to {finding.last_step}, "
                    f"then {how}"
                )
        for detector in self._of_readings:
            usable = detector.steps_assessed * self.row_steps
            if not detector.unavailable_reason and usable < ENOUGH_STEPS:
                return Status.UNKNOWN, (
                    f"{detector.kind} needs {ENOUGH_STEPS} usable steps, has {usable}"
                )
        for watcher in self._of_probes:
            if watcher.unavailable_reason and not isinstance(watcher, Detector):
                return Status.UNKNOWN, watcher.unavailable_reason
        for detector in self._of_readings:
            # Samples are better evidence than losses.
            if detector.unavailable_reason and self.sample_checks < ENOUGH_CHECKS:
                reason = detector.unavailable_reason
                return Status.UNKNOWN, f"cannot assess {detector.kind}: {reason}"
        return self._healthy()

    def _healthy(self) -> tuple[Status, str]:
        """``healthy`` if there is evidence for it, now that nothing speaks against it."""
        nothing = f"no failure found in {self.steps} steps"
        if self.sample_checks and self._samples_good:
            plural = "s" * (self.sample_checks > 1)
            more = f" ({self.drawn_only} more only drew samples)" if self.drawn_only else ""
            return Status.HEALTHY, f"{nothing} and {self.sample_checks} sample check{plural}{more}"
        if self.sample_checks:
            return Status.UNKNOWN, (
                f"{nothing}, but the latest sample check does not tell good samples from bad; "
                "train longer, or give CollapseMonitor(real=...) more samples"
            )
        if not self.log_only:
            why = self.unavailable_reason or "no sample check was made; train longer"
            return Status.UNKNOWN, f"{nothing}, but its samples were not compared with data: {why}"
        if not any(self._signals.issuperset(pair) for pair in TWO_SIDED):
            return Status.UNKNOWN, (
                f"{nothing}, but losses alone cannot show that the samples are good; log D's "
                "accuracy on real and on fake samples, or train with CollapseMonitor()"
            )
        return Status.HEALTHY, f"{nothing}, from the log alone"
