"""How busy the machine is, by MLflow's own gauges: CPU and memory, and each GPU."""

from __future__ import annotations

import contextlib
import time
from typing import Any

from keras_collapse.outputs.mlflow.outbox import Outbox

EVERY_SECONDS = 10.0
"""Between two readings of the gauges, as MLflow itself has it."""


class Machine:
    """Reads the gauges that there are; they need ``pip install 'keras-collapse[system]'``.

    Attributes:
        step: the training step, as of now.
    """

    def __init__(self) -> None:
        self.step = 0
        self._gauges: list[Any] | None = None
        self._last = 0.0

    def stop(self) -> None:
        """Read them no more."""
        self._gauges = []

    def note(self, outbox: Outbox) -> None:
        """Put the readings into the outbox, if it is time."""
        now = time.monotonic()
        if self._gauges == [] or now - self._last < EVERY_SECONDS:
            return
        self._last = now
        if self._gauges is None:
            self._gauges = _gauges()
        values: dict[str, float] = {}
        for gauge in self._gauges:
            gauge.collect_metrics()
            values |= {f"system/{k}": v for k, v in gauge.aggregate_metrics().items()}
            gauge.clear_metrics()
        if values:
            outbox.put("metrics", step=self.step, values=values)


def _gauges() -> list[Any]:
    """Those whose package, and whose device, is here."""
    found: list[Any] = []
    with contextlib.suppress(ImportError):
        from mlflow.system_metrics.metrics.cpu_monitor import CPUMonitor

        found.append(CPUMonitor())
    with contextlib.suppress(ImportError, RuntimeError):
        import pynvml  # noqa: F401
        from mlflow.system_metrics.metrics.gpu_monitor import GPUMonitor

        found.append(GPUMonitor())
    return found
