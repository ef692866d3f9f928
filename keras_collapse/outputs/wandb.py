"""WandbLogger: logs readings, samples and findings to Weights & Biases."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from keras_collapse.core.errors import InputError
from keras_collapse.core.findings import Finding, Severity, Verdict
from keras_collapse.core.readings.reading import Reading
from keras_collapse.core.samples.probe import Probe
from keras_collapse.outputs.markdown import description
from keras_collapse.outputs.style import SEVERITY
from keras_collapse.outputs.subscriber import Subscriber

STEP = "training_step"
"""Metric used as the x axis. W&B's own step must increase with every call of any logger."""


class WandbLogger(Subscriber):
    """Callback that logs the results of the `CollapseMonitor` of the same ``fit`` to W&B.

    It logs readings, sample checks, learning rates and sample grids over ``training_step``; the
    run's parameters as its configuration; failures as alerts; and the verdict in the run's summary
    and notes. If a W&B run is active when ``fit`` begins, it logs there and leaves it open; else it
    starts a run and finishes it. It needs ``pip install 'keras-collapse[wandb]'``.
    ``WANDB_MODE=offline`` stores everything locally.

    Args:
        project, name: project and name of a new run; W&B's own settings if None.

    Raises:
        InputError: the ``wandb`` package is not installed.

    Example::

        callbacks = [kc.CollapseMonitor(), kc.WandbLogger(project="gans")]
        gan.fit(data, epochs=20, callbacks=callbacks)
    """

    def __init__(self, project: str | None = None, name: str | None = None) -> None:
        super().__init__()
        try:
            import wandb
        except ImportError:
            raise InputError(
                "WandbLogger needs the wandb package. Do: pip install 'keras-collapse[wandb]'"
            ) from None
        self.project, self.run_name = project, name
        self._wandb: Any = wandb
        self._run: Any = None
        self._own = False

    # -- events of the monitor -------------------------------------------------------------

    def on_run(self, facts: Mapping[str, Any]) -> None:
        if self._run is None:
            self._own = self._wandb.run is None
            self._run = self._wandb.run or self._wandb.init(
                project=self.project, name=self.run_name
            )
            self._run.define_metric(STEP, hidden=True)
            for names in ("readings/*", "samples/*", "rates/*"):
                self._run.define_metric(names, step_metric=STEP)
        plain = {name: value for name, value in facts.items() if name != "summary"}
        self._run.config.update(plain, allow_val_change=True)

    def on_reading(self, reading: Reading) -> None:
        self._log(reading.step, reading.values, "readings/")

    def on_probe(self, probe: Probe) -> None:
        self._log(probe.step, probe.values, "samples/")

    def on_epoch(self, step: int, epoch: int, numbers: Mapping[str, float]) -> None:
        self._log(step, numbers, "rates/")

    def on_samples(self, step: int, images: Any) -> None:
        self._run.log({STEP: step, "samples/grid": self._wandb.Image(images)})

    def on_finding(self, finding: Finding) -> None:
        if finding.severity is Severity.FAILED and not finding.resolved:
            title = f"{finding.kind} since step {finding.first_step}"
            self._run.alert(title=title, text=finding.message)

    def on_verdict(self, verdict: Verdict, samples: Any) -> None:
        cause = verdict.cause
        self._run.summary["collapse.verdict"] = str(verdict.status)
        self._run.summary["collapse.severity"] = SEVERITY[verdict.status]
        self._run.summary["collapse.cause"] = cause.kind if cause else "none"
        if cause is not None:
            self._run.summary["collapse.first_step"] = cause.first_step
        self._run.notes = description(verdict)
        if self._own:
            self._run.finish()
            self._run = None

    def _log(self, step: int, values: Mapping[str, float], prefix: str) -> None:
        self._run.log({STEP: step, **{prefix + name: float(v) for name, v in values.items()}})
