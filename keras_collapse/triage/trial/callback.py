"""The callback that a trial's training carries beside the monitor."""

from __future__ import annotations

import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import keras

from keras_collapse.core.atomic_files import write_json
from keras_collapse.core.errors import InputError
from keras_collapse.core.guard import guarded
from keras_collapse.outputs.subscriber import Subscriber
from keras_collapse.training.probe.real_data import fit_given
from keras_collapse.training.wiring.audit import audit, one_batch
from keras_collapse.triage import results
from keras_collapse.triage.trial.interventions import settings_of
from keras_collapse.triage.trial.outcome import sure

TOLD_SECONDS = 0.5
"""Between two notes of a trial's progress."""


class Attached(Subscriber):
    """Ends a trial at its step, or where it has surely failed, and says how far it is.

    Args:
        folder: the trial's.
        steps: of the whole trial.
        monitor: whose verdict may end it.
        stop_early: whether it may.
        exact: end at the very step, which makes JAX and PyTorch wait for each; else ``fit`` has to
            end by its epochs.
    """

    def __init__(
        self, folder: Path, steps: int, monitor: Any, stop_early: bool, exact: bool
    ) -> None:
        super().__init__()
        self.folder, self.steps, self.monitor, self.stop_early = folder, steps, monitor, stop_early
        self.facts: dict[str, Any] = {}
        self.async_safe = not exact
        self._exact = exact
        self._step = 0
        self._data: Any = None
        self._gan: Any = None
        self._told = 0.0

    def on_train_begin(self, logs: Mapping[str, Any] | None = None) -> None:
        super().on_train_begin(logs)
        if self._gan is None and isinstance(self.model, keras.Model):
            self._gan = self.model
            given = guarded(self, fit_given, self.model) or {}
            self._data = (given.get("x"), given.get("y")) if given else None
            self.facts |= guarded(self, settings_of, self.model) or {}

    def on_train_batch_end(self, batch: int, logs: Mapping[str, Any] | None = None) -> None:
        # Not self.model: on JAX, asking for it from a thread takes the weights from the next step.
        self._step += int(getattr(self._gan, "steps_per_execution", 1) or 1)
        if self._exact and self._step >= self.steps:
            self._gan.stop_training = True

    def on_logs(self, step: int, logs: Mapping[str, float]) -> None:
        now = time.monotonic()
        if now - self._told > TOLD_SECONDS:
            self._told = now
            self._tell(step + 1)

    def on_epoch_end(self, epoch: int, logs: Mapping[str, Any] | None = None) -> None:
        said = self.monitor.verdict
        if self.stop_early and (why := sure(said.findings, said.steps)):
            self.facts["stopped"] = f"{why.kind} since step {why.first_step}"
            self._gan.stop_training = True

    def _tell(self, step: int) -> None:
        said = {"step": step, "steps": self.steps, "verdict": self.monitor.verdict.status}
        write_json(self.folder / results.PROGRESS, said)

    def audit(self) -> dict[str, Any]:
        """What the audit finds on the GAN as it stands now: findings, or why there was none."""
        if self._gan is None or self._data is None:
            return {"skipped": "what fit was given was not found"}
        x, y = self._data
        try:
            batch = one_batch(x if y is None else (x, y))
            return {"findings": [finding.to_dict() for finding in audit(self._gan, batch)]}
        except InputError as error:
            return {"skipped": str(error)}
