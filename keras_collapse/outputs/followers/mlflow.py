"""Follow a run on an MLflow tracking server and pass on what is new."""

from __future__ import annotations

import time
from typing import Any

from keras_collapse.core.errors import InputError
from keras_collapse.core.findings import Finding, Severity, Status, Verdict
from keras_collapse.core.process.redaction import redact
from keras_collapse.core.readings.reading import Reading
from keras_collapse.core.readings.signals import SIGNALS
from keras_collapse.core.samples.probe import Probe
from keras_collapse.outputs.followers.journal import SILENT_SECONDS
from keras_collapse.outputs.mlflow.mlflow_internals import latest_metrics
from keras_collapse.outputs.run_state import RunState
from keras_collapse.sources.mlflow_run import READINGS, SAMPLES

ASK_SECONDS = 1.5
"""Pause between two requests to the server."""
WHOLE_SECONDS = 60.0
"""Pause between two fetches of all metric histories; in between, the latest values are fetched."""
MISSING = f"{SAMPLES}missing_share"


class MLflowFollower:
    """Reads a run from a tracking server, again and again.

    Args:
        run_id: the run.
        tracking_uri: MLflow's own setting if None.
        state: receives what is new.

    Raises:
        InputError: the server does not answer, or has no such run.
    """

    def __init__(self, run_id: str, tracking_uri: str | None, state: RunState) -> None:
        import mlflow

        self.run_id, self.state = run_id, state
        self._client = mlflow.MlflowClient(tracking_uri)
        self._uri = tracking_uri or mlflow.get_tracking_uri()
        self._asked = 0.0
        self._whole = 0.0
        self._last: dict[str, int] = {}
        self._image = ""
        self._prefix = ""
        self._metrics: list[Any] = []
        self._run = self._ask()
        facts = {k: int(v) if v.isdigit() else v for k, v in self._run.data.params.items()}
        state.on_run({"model": self._run.info.run_name, **facts})

    def _ask(self) -> Any:
        from mlflow.exceptions import MlflowException

        try:
            return self._client.get_run(self.run_id)
        except MlflowException as error:
            reason = redact(" ".join(str(error).split()))[:200]
            raise InputError(
                f"cannot read run {self.run_id!r} from MLflow at {redact(self._uri)} ({reason}). "
                "Give a run's id, and --tracking-uri or MLFLOW_TRACKING_URI."
            ) from None

    def read(self) -> None:
        """Fetch what is new, if `ASK_SECONDS` have passed.

        Raises:
            InputError: the server no longer answers.
        """
        now = time.monotonic()
        if now - self._asked < ASK_SECONDS and self._asked:
            return
        self._asked = now
        self._run = self._ask()
        self._metrics = latest_metrics(self._client, self._run)
        # Autologging uses the bare names for its epochs.
        ours = any(m.key.startswith(READINGS) for m in self._metrics)
        self._prefix = READINGS if ours else ""
        if now - self._whole > WHOLE_SECONDS or not self._whole:
            self._whole = now
            self._read_histories()
        else:
            self._read_latest()
        self._read_tags()
        self._read_picture()
        self._read_end()

    def _read_histories(self) -> None:
        """Pass on all steps that are new."""
        prefix = self._prefix
        found: dict[int, dict[str, float]] = {}
        for signal in SIGNALS:
            if prefix + signal in self._run.data.metrics:
                for metric in self._client.get_metric_history(self.run_id, prefix + signal):
                    found.setdefault(metric.step, {})[signal] = metric.value
        for step in sorted(found):
            if step > self.state.step:
                self.state.on_reading(Reading(step, 1, found[step]))
        for metric in self._client.get_metric_history(self.run_id, MISSING):
            self._probe(metric.step, metric.value)
        times = [self._run.info.start_time / 1000, time.time()]
        self.state.at(times[0], times[1])

    def _read_latest(self) -> None:
        metrics = {m.key: m for m in self._metrics}
        latest = {s: metrics[k] for s in SIGNALS if (k := self._prefix + s) in metrics}
        known = {s: m for s, m in latest.items() if m.step > self.state.step}
        if known:
            step = max(m.step for m in known.values())
            values = {k: m.value for k, m in known.items()}
            self.state.on_reading(Reading(step, 1, values))
        if MISSING in metrics:
            self._probe(metrics[MISSING].step, metrics[MISSING].value)
        self.state.at(self._run.info.start_time / 1000, time.time())

    def _probe(self, step: int, value: float) -> None:
        if step > self._last.get(MISSING, -1):
            self._last[MISSING] = step
            self.state.on_probe(Probe(step, {"missing_share": value}))

    def _read_tags(self) -> None:
        tags = self._run.data.tags
        first = tags.get("collapse.first_step", "")
        if tags.get("collapse.verdict") in ("failed", "warning") and first.isdigit():
            severity = Severity(tags["collapse.verdict"])
            kind = tags.get("collapse.cause", "")
            message = "The run's page in MLflow has the evidence and the advice."
            self.state.on_finding(Finding(kind, severity, int(first), self.state.step, message))

    def _read_picture(self) -> None:
        if "mlflow.loggedImages" not in self._run.data.tags:
            return
        files = [f.path for f in self._client.list_artifacts(self.run_id, "images")]
        grids = [path for path in files if path.endswith(".png")]
        newest = max(grids, key=_step_of, default="")
        if newest in ("", self._image):
            return
        import mlflow
        import numpy as np

        image = mlflow.artifacts.load_image(f"{self._run.info.artifact_uri}/{newest}")
        self._image = newest
        self.state.on_samples(self.state.step, np.asarray(image))

    def _read_end(self) -> None:
        state, info, tags = self.state, self._run.info, self._run.data.tags
        quiet = time.time() - max(
            [m.timestamp / 1000 for m in self._metrics],
            default=info.start_time / 1000,
        )
        state.silent = quiet if info.status == "RUNNING" and quiet > 2 * SILENT_SECONDS else 0.0
        state.silent_because = "a long step, or it was killed"
        if info.status in ("KILLED", "FAILED"):
            state.ended = f"{info.status}: {tags.get('collapse.ended', 'no reason recorded')}"
        elif info.status == "FINISHED" and state.verdict is None:
            word = tags.get("collapse.verdict", "unknown")
            status = Status(word) if word in set(Status) else Status.UNKNOWN
            note = tags.get("mlflow.note.content", "").partition("**")[2].partition("**")[0]
            reason = note.partition(": ")[2].rstrip(".")
            findings = tuple(state.standing)
            state.on_verdict(Verdict(status, findings, reason, state.step + 1), None)


def _step_of(path: str) -> int:
    found = [part for part in path.replace("%", "+").split("+") if part.isdigit()]
    return int(found[0]) if found else -1
