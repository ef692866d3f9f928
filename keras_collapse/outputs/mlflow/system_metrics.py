"""CPU, memory and GPU use during a training, from MLflow's own monitors."""

from __future__ import annotations

import time
from typing import Any

from keras_collapse.outputs.mlflow.mlflow_internals import system_monitors
from keras_collapse.outputs.mlflow.outbox import Outbox

EVERY_SECONDS = 10.0
"""Time between two measurements, MLflow's own default."""


class SystemMetrics:
    """Measures CPU and memory, and the GPUs if ``nvidia-ml-py`` is installed.

    Attributes:
        step: the current training step; set by the logger.
    """

    def __init__(self) -> None:
        self.step = 0
        self._monitors: list[Any] | None = None
        self._last = 0.0

    def stop(self) -> None:
        """Measure no more."""
        self._monitors = []

    def put(self, outbox: Outbox) -> None:
        """Put a measurement into the outbox if `EVERY_SECONDS` have passed since the last one."""
        now = time.monotonic()
        if self._monitors == [] or now - self._last < EVERY_SECONDS:
            return
        self._last = now
        if self._monitors is None:
            self._monitors = system_monitors()
        values: dict[str, float] = {}
        for monitor in self._monitors:
            monitor.collect_metrics()
            values |= {f"system/{k}": v for k, v in monitor.aggregate_metrics().items()}
            monitor.clear_metrics()
        if values:
            outbox.put("metrics", step=self.step, values=values)
