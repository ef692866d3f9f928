"""What a person wants to know of a run at this moment, kept up to date by what is told of it."""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import Any

from keras_collapse.core.events import Listener
from keras_collapse.core.examiner import ENOUGH_STEPS
from keras_collapse.core.findings import Finding, Severity, Status, Verdict
from keras_collapse.core.readings.reading import Reading
from keras_collapse.core.samples.probe import Probe

POINTS = 1024
"""Most points of a curve that are kept; at twice as many, neighbours are put together."""


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
        """The number after this step."""
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
    """Listens to a run, live or from its journal.

    Attributes:
        facts: of the latest fit.
        step: the last one heard of; -1 before the first.
        curves: by signal; ``missing_share`` among them.
        findings: as they last were, by kind and first step.
        picture: the latest samples, uint8, or None.
        verdict: at the end; None before.
        ended: why a run ended that had no verdict; empty before.
    """

    def __init__(self) -> None:
        self.facts: Mapping[str, Any] = {}
        self.step = -1
        self.epoch = 0
        self.curves: dict[str, Curve] = {}
        self.findings: dict[tuple[str, int], Finding] = {}
        self.picture: Any = None
        self.verdict: Verdict | None = None
        self.ended = ""
        self.silent = 0.0
        self._first = 0
        self._began = time.time()
        self._now: float | None = None

    # -- what is told --------------------------------------------------------------------

    def on_run(self, facts: Mapping[str, Any]) -> None:
        self.facts, self.verdict = facts, None
        self._first, self._began = self.step + 1, time.time()

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
        self.findings[finding.kind, finding.first_step] = finding

    def on_verdict(self, verdict: Verdict, samples: Any) -> None:
        self.verdict = verdict
        self.findings = {(f.kind, f.first_step): f for f in verdict.findings}

    def at(self, began: float, now: float) -> None:
        """The times, Unix seconds, between which it ran: of a run that is read, not heard."""
        self._began, self._now, self._first = began, now, 0

    # -- what is asked --------------------------------------------------------------------

    @property
    def standing(self) -> list[Finding]:
        """Findings that have not healed, gravest first, then earliest."""
        now = [f for f in self.findings.values() if not f.healed]
        return sorted(now, key=lambda f: (-f.severity.rank, f.first_step))

    @property
    def status(self) -> tuple[Status, str]:
        """The state in a word, and in a sentence."""
        if self.verdict is not None:
            return self.verdict.status, self.verdict.reason
        for finding in self.standing:
            if finding.severity is not Severity.INFO:
                status = Status(str(finding.severity))
                return status, f"{finding.kind} since step {finding.first_step}"
        if self.step + 1 < ENOUGH_STEPS:
            return Status.UNKNOWN, f"too early to tell: {ENOUGH_STEPS} steps are needed"
        return Status.HEALTHY, "no failure found so far"

    @property
    def steps(self) -> int | None:
        """Steps that the fit now running will end with; None where that is unknown."""
        epochs, steps = self.facts.get("epochs"), self.facts.get("steps")
        return int(epochs) * int(steps) if epochs and steps else None

    @property
    def speed(self) -> float:
        """Steps a second; 0 while unknown."""
        took = (self._now or time.time()) - self._began
        made = self.step + 1 - self._first
        return made / took if took > 0 and made > 0 else 0.0

    @property
    def left(self) -> float | None:
        """Seconds to the end at this speed; None where unknown."""
        if self.steps is None or not self.speed or self.verdict is not None or self.ended:
            return None
        return max(self.steps - self.step - 1, 0) / self.speed
