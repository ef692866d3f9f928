"""MLflowLogger: a run's parameters, readings, samples and verdict in MLflow."""

from __future__ import annotations

import sys
import time
import warnings
import weakref
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import keras

from keras_collapse.core.findings import Finding, Severity, Verdict
from keras_collapse.core.hub import Hub, Listener, guarded, hub_of
from keras_collapse.core.probes import Probe
from keras_collapse.core.readings import Reading
from keras_collapse.outputs.mlflow_run import LONGEST_TAG, new_run

if TYPE_CHECKING:
    from mlflow import MlflowClient

BATCH_METRICS = 1000
"""Metrics that one ``log_batch`` takes at most."""
BATCH_PARAMS = 100
"""Parameters, or tags, that one ``log_batch`` takes at most."""
LONGEST_PARAM = 6000
"""Characters of a parameter that MLflow keeps."""
FLUSH_SECONDS = 10.0
"""Longest time a reading waits before the tracking server sees it."""


class MLflowLogger(keras.callbacks.Callback, Listener):  # type: ignore[misc]  # Keras has no type hints
    """Logs what the `CollapseMonitor` of the same ``fit`` sees to MLflow.

    Parameters, versions and seed as parameters; every reading as a metric at its true step; sample
    grids under ``samples``; the verdict as the tags ``collapse.verdict``, ``collapse.cause`` and
    ``collapse.first_step`` and, in words, as the run's description. It uses the run that is
    active when ``fit`` begins, and leaves it open; else it makes one, and ends it.

    Without a tracking address it uses MLflow's own default, ``MLFLOW_TRACKING_URI`` or
    ``sqlite:///mlflow.db``. A fault of MLflow is reported once and switches the logger off.

    Args:
        run_id: an existing run to log to.
        run_name: the name of a new run.
        tracking_uri: where to log; MLflow's own setting if None.
        experiment: name of the experiment, made if missing; MLflow's own setting if None.
        parent_run_id: the run that a new run is a child of.

    Attributes:
        run_id: the run logged to, once training has begun.

    Example::

        gan.fit(data, callbacks=[kc.CollapseMonitor(), kc.MLflowLogger()])
    """

    async_safe = True

    def __init__(
        self,
        run_id: str | None = None,
        run_name: str | None = None,
        tracking_uri: str | None = None,
        experiment: str | None = None,
        parent_run_id: str | None = None,
    ) -> None:
        super().__init__()
        self.run_id: Any = run_id
        self.run_name = run_name
        self.tracking_uri = tracking_uri
        self.experiment = experiment
        self.parent_run_id = parent_run_id
        self._given_run = run_id is not None
        self._own_run = False
        self._client: MlflowClient | None = None
        self._run_dir: object = None
        self._metrics: list[Any] = []
        self._flushed = 0.0
        self._unfinished: Any = None
        self._heard = False

    # -- Keras ---------------------------------------------------------------------------

    def set_model(self, model: Any) -> None:
        super().set_model(model)
        hub: Hub = hub_of(model)
        hub.join(self)

    def on_epoch_end(self, epoch: int, logs: Mapping[str, Any] | None = None) -> None:
        if self._client is None and not self._heard:
            self._heard = True
            warnings.warn(
                "MLflowLogger has heard nothing, so it logs nothing. Put a CollapseMonitor() "
                "into the same callbacks list.",
                stacklevel=2,
            )
        guarded(self, self._flush, off=self._switch_off)

    def _switch_off(self, _: object) -> None:
        self._client = None
        self._metrics.clear()

    # -- what the monitor says -------------------------------------------------------------

    def on_run(self, facts: Mapping[str, Any]) -> None:
        import mlflow

        self._heard = True
        same = self._client is not None and facts.get("run_dir") == self._run_dir
        self._client = mlflow.MlflowClient(self.tracking_uri)
        self._run_dir = facts.get("run_dir")
        if not same and not self._given_run:
            active = mlflow.active_run()
            self._own_run = active is None
            self.run_id = active.info.run_id if active else self._new_run()
        elif self._own_run:
            self._client.update_run(self.run_id, status="RUNNING")
        if self._own_run:
            self._unfinished = weakref.finalize(self, _end_unfinished, self._client, self.run_id)
        self._log_params(facts)

    def on_reading(self, reading: Reading) -> None:
        from mlflow.entities import Metric

        now = int(time.time() * 1000)
        self._metrics += [
            Metric(signal, value, now, reading.step) for signal, value in reading.values.items()
        ]
        if len(self._metrics) >= BATCH_METRICS or time.monotonic() - self._flushed > FLUSH_SECONDS:
            self._flush()

    def on_probe(self, probe: Probe) -> None:
        from mlflow.entities import Metric

        now = int(time.time() * 1000)
        self._metrics += [
            Metric(f"samples/{name}", value, now, probe.step)
            for name, value in probe.values.items()
        ]

    def on_samples(self, step: int, images: Any) -> None:
        if self._client is not None:
            self._client.log_image(self.run_id, images, key="samples", step=step)

    def on_finding(self, finding: Finding) -> None:
        if finding.severity is Severity.FAILED and not finding.healed:
            self._tag({"collapse.verdict": "failed"} | _cause_tags(finding))

    def on_verdict(self, verdict: Verdict, samples: Any) -> None:
        if self._client is None:
            return
        self._flush()
        tags = {"collapse.verdict": str(verdict.status)}
        tags |= _cause_tags(verdict.cause)
        tags["mlflow.note.content"] = description(verdict)[:LONGEST_TAG]
        self._tag(tags)
        if samples is not None:
            self._client.log_image(self.run_id, samples, artifact_file="samples.png")
        if self._own_run:
            self._client.set_terminated(self.run_id, "FINISHED")
            self._unfinished.detach()

    # -- MLflow ----------------------------------------------------------------------------

    def _new_run(self) -> str:
        assert self._client is not None
        return new_run(self._client, self.run_name, self.experiment, self.parent_run_id)

    def _log_params(self, facts: Mapping[str, Any]) -> None:
        from mlflow.entities import Param

        assert self._client is not None
        seeding = facts.get("seeding") or {}
        plain = {k: v for k, v in facts.items() if k != "seeding"}
        if "seed" in seeding:
            plain["seed"] = seeding["seed"]
        # A parameter cannot change: a second fit into the same run keeps the first one's.
        known = self._client.get_run(self.run_id).data.params
        params = [
            Param(key, str(value)[:LONGEST_PARAM])
            for key, value in plain.items()
            if key not in known
        ]
        for start in range(0, len(params), BATCH_PARAMS):
            self._client.log_batch(self.run_id, params=params[start : start + BATCH_PARAMS])
        if seeding:
            lists = {f"collapse.seed.{k}": "; ".join(seeding[k]) for k in seeding if k != "seed"}
            self._tag(lists)

    def _tag(self, tags: Mapping[str, str]) -> None:
        from mlflow.entities import RunTag

        if self._client is not None:
            pairs = [RunTag(key, value[:LONGEST_TAG]) for key, value in tags.items()]
            self._client.log_batch(self.run_id, tags=pairs)

    def _flush(self) -> None:
        self._flushed = time.monotonic()
        if self._client is None or not self._metrics:
            return
        waiting, self._metrics = self._metrics, []
        for start in range(0, len(waiting), BATCH_METRICS):
            self._client.log_batch(self.run_id, metrics=waiting[start : start + BATCH_METRICS])


def description(verdict: Verdict) -> str:
    """The verdict as Markdown: in words, with its evidence, and what to do next."""
    lines = [f"## {verdict.status.upper()}", "", verdict.reason + "."]
    for finding in verdict.findings:
        healed = ", recovered" if finding.healed else ""
        lines += [
            "",
            f"### {finding.kind} ({finding.severity}{healed}), "
            f"steps {finding.first_step} to {finding.last_step}",
            "",
            finding.message,
            "",
            "| evidence | |",
            "|---|---|",
            *(f"| {name} | {value} |" for name, value in finding.evidence.items()),
            "",
            *(f"{number}. {advice}" for number, advice in enumerate(finding.advice, 1)),
        ]
    return "\n".join(lines)


def _cause_tags(finding: Finding | None) -> dict[str, str]:
    if finding is None:
        return {"collapse.cause": "none", "collapse.first_step": ""}
    return {"collapse.cause": finding.kind, "collapse.first_step": str(finding.first_step)}


def _end_unfinished(client: Any, run_id: str) -> None:
    """A fit that never reached its end: KILLED after Ctrl-C, else FAILED, with the reason."""
    reason = getattr(sys, "last_value", None)
    killed = isinstance(reason, KeyboardInterrupt)
    said = f"{type(reason).__name__}: {reason}" if reason is not None else "fit did not end"
    client.set_tag(run_id, "collapse.ended", said[:LONGEST_TAG])
    client.set_terminated(run_id, "KILLED" if killed else "FAILED")
