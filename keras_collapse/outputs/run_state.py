"""The current state of a run, kept up to date by its events, live or from its journal."""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import Any

from keras_collapse.core.events import Listener
from keras_collapse.core.examiner import ENOUGH_STEPS
from keras_collapse.core.findings import Finding, Severity, Status, Verdict
from keras_collapse.core.plain_json import count_of
from keras_collapse.core.readings.reading import Reading
from keras_collapse.core.samples.probe import Probe
from keras_collapse.outputs.printable import printable_finding, printable_verdict

POINTS = 1024
"""Points of a curve that are kept; at twice as many, neighbours are averaged."""


class Curve:
    """A number over the steps of a run, in bounded memory.

    >>> curve = Curve()
    >>> for step in range(5000):
    ...     curve.add(step, float(step))
    >>> len(curve.values) <= 2 * POINTS, curve.values[0] < curve.values[-1], curve.last
    (True, True, 4999.0)
    """

    def __init__(self) -> None:
        self.steps: list[int] = []
        self.values: list[float] = []
        self.last = 0.0
        self._stride = 1
        self._open: list[float] = []

    def add(self, step: int, value: float) -> None:
        """Append the number of this step."""
        self.last = value
        self._open.append(value)
        if len(self._open) < self._stride:
            return
        self.steps.append(step)
        self.values.append(sum(self._open) / self._stride)
        self._open.clear()
        if len(self.values) >= 2 * POINTS:
            self._stride *= 2
            pairs = zip(self.values[::2], self.values[1::2], strict=True)
            self.values = [(a + b) / 2 for a, b in pairs]
            self.steps = self.steps[1::2]


class RunState(Listener):
    """Follows the events of a run; another run, in another folder, begins a new state.

    Attributes:
        facts: of the latest fit.
        step: the latest one; -1 before the first.
        epoch: how many have ended.
        curves: by signal; ``missing_share`` among them.
        findings: in their latest form, by kind and first step.
        picture: the latest samples, uint8, or None.
        verdict: at the end; None before.
        ended: why a run ended without a verdict; empty otherwise.
        silent: seconds for which a run that may still be alive has written nothing; 0 otherwise.
        silent_because: what its process' last sign of life says of that.
        broken_lines: of the journal that is followed; what they held is missing.
    """

    def __init__(self) -> None:
        self._clear()

    def _clear(self) -> None:
        self.facts: Mapping[str, Any] = {}
        self.step = -1
        self.epoch = 0
        self.curves: dict[str, Curve] = {}
        self.findings: dict[tuple[str, int], Finding] = {}
        self.picture: Any = None
        self.verdict: Verdict | None = None
        self.ended = ""
        self.silent = 0.0
        self.silent_because = ""
        self.broken_lines = 0
        self._first = self._first_epoch = 0  # the first ones of the latest fit
        self._began = time.time()
        self._now: float | None = None

    # -- events --------------------------------------------------------------------------

    def on_run(self, facts: Mapping[str, Any]) -> None:
        if self.facts and self.facts.get("run_dir") != facts.get("run_dir"):
            self._clear()
        self.facts, self.verdict = facts, None
        resumed = self._fact("initial_epoch") * self._fact("steps")
        self._first, self._began = (self.step + 1) or resumed, time.time()
        self._first_epoch = self.epoch

    def on_logs(self, step: int, logs: Mapping[str, float]) -> None:
        self.step = max(self.step, step)  # readings may wait until their averaging is known

    def on_reading(self, reading: Reading) -> None:
        self.step = max(self.step, reading.step)
        for signal, value in reading.values.items():
            self.curves.setdefault(signal, Curve()).add(reading.step, value)

    def on_probe(self, probe: Probe) -> None:
        missing = probe.get("missing_share")
        if missing is not None:
            self.curves.setdefault("missing_share", Curve()).add(probe.step, missing)

    def on_epoch(self, step: int, epoch: int, numbers: Mapping[str, float]) -> None:
        self.epoch = epoch + 1

    def on_samples(self, step: int, images: Any) -> None:
        self.picture = images

    def on_finding(self, finding: Finding) -> None:
        finding = printable_finding(finding)
        self.findings[finding.kind, finding.first_step] = finding

    def on_verdict(self, verdict: Verdict, samples: Any) -> None:
        self.verdict = verdict = printable_verdict(verdict)
        self.findings = {(f.kind, f.first_step): f for f in verdict.findings}

    def at(self, began: float, now: float) -> None:
        """Set the times, Unix seconds, between which a replayed run was active."""
        self._began, self._now, self._first = began, now, 0

    # -- the state -------------------------------------------------------------------------

    @property
    def standing(self) -> list[Finding]:
        """Findings that are not resolved, most severe first, then earliest."""
        now = [f for f in self.findings.values() if not f.resolved]
        return sorted(now, key=lambda f: (-f.severity.rank, f.first_step))

    @property
    def status(self) -> tuple[Status, str]:
        """The status so far, and its reason in one sentence."""
        if self.verdict is not None:
            return self.verdict.status, self.verdict.reason
        for finding in self.standing:
            if finding.severity is not Severity.INFO:
                status = Status(str(finding.severity))
                return status, f"{finding.kind} since step {finding.first_step}"
        if self.step + 1 < ENOUGH_STEPS:
            return Status.UNKNOWN, f"too early to say: at least {ENOUGH_STEPS} steps are needed"
        return Status.HEALTHY, "no failure found so far"

    @property
    def epochs_done(self) -> int:
        """The number of epochs of the current fit that have ended, numbered as Keras does."""
        return self.epoch - self._first_epoch + self._fact("initial_epoch")

    @property
    def steps(self) -> int | None:
        """The number of steps the run will have when the current fit ends; None if unknown."""
        epochs, steps = self.epochs, self._fact("steps")
        if not epochs or not steps:
            return None
        return self._first + (epochs - self._fact("initial_epoch")) * steps

    @property
    def epochs(self) -> int:
        """The number of epochs of the current fit; 0 if unknown."""
        return self._fact("epochs")

    def _fact(self, name: str) -> int:
        """A count among the facts; 0 if it is missing or none."""
        return count_of(self.facts.get(name))

    @property
    def speed(self) -> float:
        """Training steps per second; 0 while unknown."""
        took = (self._now or time.time()) - self._began
        made = self.step + 1 - self._first
        return made / took if took > 0 and made > 0 else 0.0

    @property
    def left(self) -> float | None:
        """Seconds until the current fit ends at this speed; None if unknown."""
        if self.steps is None or not self.speed or self.verdict is not None or self.ended:
            return None
        return max(self.steps - self.step - 1, 0) / self.speed
