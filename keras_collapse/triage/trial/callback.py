"""The callback that connects a trial's training to the runner."""

from __future__ import annotations

import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import keras

from keras_collapse.core.atomic_files import write_json
from keras_collapse.core.errors import InputError
from keras_collapse.core.guard import guarded
from keras_collapse.core.samples.probe import Probe
from keras_collapse.outputs.subscriber import Subscriber
from keras_collapse.training.probe.real_data import fit_given
from keras_collapse.training.wiring.audit import audit, one_batch
from keras_collapse.triage import results
from keras_collapse.triage.trial.interventions import settings_of
from keras_collapse.triage.trial.outcome import early_stop, over

FIRST_STEPS = 4
"""Steps that are not timed: the first ones compile."""
PROGRESS_SECONDS = 0.5
"""Seconds between two writes of a trial's progress."""


class TrialCallback(Subscriber):
    """Ends a trial once it is decided, or early if it has failed, and writes its progress.

    Args:
        folder: the trial's folder.
        steps: training steps of the trial, at least.
        longest: steps up to which it goes on while it is undecided.
        monitor: the `CollapseMonitor` whose verdict can end it.
        stop_early: whether the verdict ends it.
        exact: end within an epoch, which makes JAX and PyTorch synchronise after each step.
            Otherwise the trial ends with an epoch.

    Attributes:
        facts: settings of the GAN, and why the trial was stopped early.
    """

    def __init__(
        self,
        folder: Path,
        steps: int,
        longest: int,
        monitor: Any,
        stop_early: bool,
        exact: bool,
    ) -> None:
        super().__init__()
        self.folder, self.steps, self.longest = folder, steps, longest
        self.monitor, self.stop_early = monitor, stop_early
        self.facts: dict[str, Any] = {}
        self.async_safe = not exact
        self._exact = exact
        self._step = 0
        self._checks: list[Probe] = []
        self._began = 0.0
        self._data: Any = None
        self._gan: Any = None
        self._written = 0.0

    def on_train_begin(self, logs: Mapping[str, Any] | None = None) -> None:
        super().on_train_begin(logs)
        if self._gan is None and isinstance(self.model, keras.Model):
            self._gan = self.model
            given = guarded(self, fit_given, self.model) or {}
            self._data = (given.get("x"), given.get("y")) if given else None
            self.facts |= guarded(self, settings_of, self.model) or {}

    def on_train_batch_end(self, batch: int, logs: Mapping[str, Any] | None = None) -> None:
        # Not self.model: on JAX that property synchronises the weights, here from another thread.
        self._step += int(getattr(self._gan, "steps_per_execution", 1) or 1)
        if self._step == FIRST_STEPS:
            self._began = time.monotonic()
        if self._exact:
            self._end_if_over()

    def on_probe(self, probe: Probe) -> None:
        self._checks.append(probe)

    def _end_if_over(self) -> None:
        if self._step < self.steps:
            return
        verdict = self.monitor.verdict
        if self._step >= self.longest or over(verdict.status, self._checks, self._step):
            self._gan.stop_training = True

    def on_logs(self, step: int, logs: Mapping[str, float]) -> None:
        now = time.monotonic()
        if now - self._written > PROGRESS_SECONDS:
            self._written = now
            status = self.monitor.verdict.status
            steps = self.steps if step < self.steps else self.longest
            progress = {"step": step + 1, "steps": steps, "verdict": status}
            write_json(self.folder / results.PROGRESS, progress)

    def on_epoch_end(self, epoch: int, logs: Mapping[str, Any] | None = None) -> None:
        verdict = self.monitor.verdict
        if self.stop_early and (why := early_stop(verdict.findings, verdict.steps)):
            self.facts["stopped"] = f"{why.kind} since step {why.first_step}"
            self._gan.stop_training = True
        self._end_if_over()

    def on_train_end(self, logs: Mapping[str, Any] | None = None) -> None:
        if self._began and self._step > FIRST_STEPS:
            took = time.monotonic() - self._began
            self.facts["step_seconds"] = took / (self._step - FIRST_STEPS)

    def audit(self) -> dict[str, Any]:
        """Audit the GAN in its present state.

        Returns:
            ``findings``, or ``skipped`` with the reason.
        """
        if self._gan is None or self._data is None:
            return {"skipped": "the arguments of fit were not found"}
        x, y = self._data
        try:
            batch = one_batch(x if y is None else (x, y))
            return {"findings": [finding.to_dict() for finding in audit(self._gan, batch)]}
        except InputError as error:
            return {"skipped": str(error)}
