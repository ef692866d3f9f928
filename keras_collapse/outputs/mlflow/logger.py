"""MLflowLogger: a run's parameters, readings, samples and verdict in MLflow."""

from __future__ import annotations

import functools
import os
import shlex
import sys
import tempfile
import time
import uuid
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from keras_collapse.core.errors import InputError
from keras_collapse.core.findings import Finding, Severity, Verdict
from keras_collapse.core.process.printable import printable
from keras_collapse.core.process.termination import EarlyEnd, Ending
from keras_collapse.core.readings.reading import Reading
from keras_collapse.core.samples.probe import Probe
from keras_collapse.outputs.markdown import cause_tags
from keras_collapse.outputs.mlflow.budget import ReadingPoints
from keras_collapse.outputs.mlflow.end_of_run import (
    end_early,
    put_end,
    put_reading,
    put_verdict,
    verdict_tags,
)
from keras_collapse.outputs.mlflow.outbox import BEGIN, Outbox
from keras_collapse.outputs.mlflow.runs import run_link
from keras_collapse.outputs.mlflow.sender_thread import SenderThread
from keras_collapse.outputs.subscriber import Subscriber
from keras_collapse.sources.mlflow_run import CHARTED, READINGS, SAMPLES

TRAINING = "training/"
"""Prefix of the metrics of an epoch. MLflow's UI has a section of charts for each prefix, in
alphabetical order: readings, samples, system, training."""


class MLflowLogger(Subscriber):
    """Logs what the `CollapseMonitor` of the same ``fit`` measures to MLflow.

    - Parameters: hyperparameters, seed, versions, device; the data's digest as the run's dataset.
    - Metrics: the readings at their steps (``readings/d_loss``, …), every step's as long as sending
      them fits the budget, else means over as few steps as do; after each sample check the eight
      statistics that the verdict rests on (``samples/…``; all others are in the artifact
      ``sample_checks.csv``); epoch and learning rates (``training/…``); CPU, memory and GPU use
      (``system/…``); ``collapse.severity`` (0 healthy, 1 unknown, 2 warning, 3 failed).
    - Images: the sample grids that fit the budget, as one series next to the readings.
    - Tags: ``collapse.verdict``, ``collapse.cause``, ``collapse.first_step``. The run's description
      is the verdict in words with the first and the latest samples.
    - Artifacts: the journal, which has every step, the networks' summaries, the last sample grid.

    It logs to the run that is active when ``fit`` begins and leaves it open. Without one it creates
    a run and ends it: FINISHED, FAILED after an exception, KILLED after Ctrl-C or SIGTERM.

    The budget is 2 % of the training's time, and of half a minute at least, so that short trainings
    are sent in full. The training itself sends nothing. Everything is written to the run's folder,
    from where a thread sends it, so a slow or missing server costs at most 2 seconds at the end of
    ``fit``. What it has not received then is sent in the background, also after the program has
    ended; if that fails it waits for ``keras-collapse sync``.

    Args:
        run_id: an existing run to continue: its steps are not logged again.
        run_name: name of a new run; without one the run is named by its verdict. If something was
            found, a symbol is put in front: ▲ a warning, ✘ a failure.
        tracking_uri: where to log; MLflow's own setting if None: ``MLFLOW_TRACKING_URI`` or
            ``sqlite:///mlflow.db``.
        experiment: name of the experiment, created if missing; MLflow's own setting if None.
        parent_run_id: the parent of a new run.
        resume: whether to continue the latest run called ``run_name`` that has not finished, if
            there is one: for a training that is restarted after a crash.

    Raises:
        InputError: ``resume`` without a ``run_name``.

    Example::

        gan.fit(data, callbacks=[kc.CollapseMonitor(), kc.MLflowLogger()])
    """

    def __init__(
        self,
        run_id: str | None = None,
        run_name: str | None = None,
        tracking_uri: str | None = None,
        experiment: str | None = None,
        parent_run_id: str | None = None,
        resume: bool = False,
    ) -> None:
        super().__init__()
        if resume and not run_name:
            raise InputError("resume=True looks for a run by its name. Give run_name too.")
        self._given_run = run_id or os.environ.get("MLFLOW_RUN_ID")
        self.tracking_uri = tracking_uri
        self._wanted = {
            "run_name": run_name,
            "experiment": experiment,
            "parent_run_id": parent_run_id,
            "resume": resume,
        }
        self._outbox: Outbox | None = None
        self._thread: SenderThread | None = None
        self._early: EarlyEnd | None = None
        self._run_dir = Path()
        self._probes: list[Probe] = []
        self._points: ReadingPoints | None = None

    @property
    def run_id(self) -> str | None:
        """Id of the run that is logged to; None before MLflow has answered."""
        known = self._outbox.state.get("run_id") if self._outbox is not None else None
        return known or self._given_run

    def link(self, server: str | None = None) -> str | None:
        """Return the address of the run's page in MLflow's UI.

        Args:
            server: address of the UI; by default the server that is logged to.

        Returns:
            None if there is no server, or it has not answered.
        """
        state = self._outbox.state if self._outbox is not None else {}
        if "experiment_id" not in state:
            return None
        uri = server or state["tracking_uri"]
        return run_link(uri, state["experiment_id"], state["run_id"])

    # -- the monitor's events --------------------------------------------------------------

    def on_run(self, facts: Mapping[str, Any]) -> None:
        run_dir = Path(str(facts.get("run_dir")))
        if self._early is not None:  # the fit before did not reach its end
            if run_dir == self._run_dir:
                self._early.cancel()
            else:
                self._early.end(Ending.of(None))
        if self._outbox is None or run_dir != self._run_dir:
            self._open(run_dir)
        assert self._outbox is not None
        assert self._points is not None
        if self._lost:
            return
        if self._thread is None or not self._thread.go_on():
            self._thread = SenderThread(self._outbox)
        self._put(BEGIN)
        end = functools.partial(
            end_early, self._outbox, self._thread, run_dir, self._probes, self._points
        )
        self._early = EarlyEnd(self, end)
        self._put_facts(facts)
        if not self._thread.is_alive():
            self._thread.start()

    def on_reading(self, reading: Reading) -> None:
        if self._thread is not None:
            self._thread.system.step = reading.step
        if self._points is not None and (point := self._points.add(reading)) is not None:
            self._put_metrics(point.step, READINGS, point.values)

    def on_probe(self, probe: Probe) -> None:
        self._probes.append(probe)
        charted = {name: value for name, value in probe.values.items() if name in CHARTED}
        self._put_metrics(probe.step, SAMPLES, charted)

    def on_epoch(self, step: int, epoch: int, numbers: Mapping[str, float]) -> None:
        self._put_metrics(step, TRAINING, {**numbers, "epoch": epoch + 1})

    def on_samples(self, step: int, images: Any) -> None:
        from PIL import Image

        if self._outbox is None or self._lost or not self._outbox.budgets["image"].allows(1):
            return
        try:
            path = self._outbox.path_for(f"samples-{step}.png")
            Image.fromarray(images).save(path)
        except OSError as error:
            self._abandon(error)
            return
        self._put("image", file=f"{path.parent.name}/{path.name}", step=step)

    def on_finding(self, finding: Finding) -> None:
        if finding.severity is Severity.FAILED and not finding.resolved:
            self._tag({"collapse.verdict": "failed"} | cause_tags(finding))

    def on_verdict(self, verdict: Verdict, samples: Any) -> None:
        if self._outbox is None or self._thread is None:
            return
        if self._early is not None:
            self._early.cancel()
            self._early = None
        if self._lost:
            self._thread.end_lost(verdict_tags(verdict))
            return
        try:
            if self._points is not None and (point := self._points.rest()) is not None:
                put_reading(self._outbox, point)
            put_verdict(self._outbox, self._run_dir, verdict, self._probes)
            put_end(self._outbox, self._run_dir, "FINISHED")
        except OSError as error:
            self._abandon(error)
        if self._thread.finish():
            if link := self.link():
                print(f"keras-collapse: this run in MLflow: {printable(link)}", flush=True)
        elif self._lost:
            self._thread.end_lost(verdict_tags(verdict))
        else:
            why = self._thread.trouble[:200] or "it is slow"
            what = (
                f"{self._outbox.waiting()} items wait for MLflow ({why}). They are sent in the "
                f"background. If that fails: keras-collapse sync {shlex.quote(str(self._run_dir))}"
            )
            print(f"keras-collapse: {printable(what)}", flush=True)

    # -- the outbox ------------------------------------------------------------------------

    def _open(self, run_dir: Path) -> None:
        """Create an outbox in the run's folder, or in a temporary one if that is not possible."""
        self._run_dir, self._thread, self._probes = run_dir, None, []
        mlflow = sys.modules.get("mlflow")  # if it is not loaded, no run can be active
        active = mlflow.active_run() if mlflow else None
        active_id = active.info.run_id if active else None
        run_id = self._given_run or active_id
        own = active_id is None or active_id != run_id
        state = {
            "run_id": run_id,
            "continues": run_id is not None and own,
            "began": int(time.time() * 1000),
            "tracking_uri": self.tracking_uri or (mlflow.get_tracking_uri() if mlflow else None),
            "wanted": {**self._wanted, "token": uuid.uuid4().hex},
            "own": own,
        }
        try:
            self._outbox = Outbox.new(run_dir, **state)
        except (OSError, InputError):
            temporary = Path(tempfile.mkdtemp(prefix="keras-collapse-"))
            self._outbox = Outbox.new(temporary, **state)
            self._outbox.run_dir = run_dir
        self._points = ReadingPoints(self._outbox.budgets["metrics"])

    def _put(self, kind: str, **fields: Any) -> None:
        if self._outbox is None or self._lost:
            return
        try:
            self._outbox.put(kind, **fields)
        except OSError as error:
            self._abandon(error)

    @property
    def _lost(self) -> bool:
        """Whether the outbox can no longer be used; this was reported."""
        return self._thread is not None and bool(self._thread.fault)

    def _abandon(self, error: OSError) -> None:
        assert self._outbox is not None
        assert self._thread is not None
        self._thread.abandon(f"cannot write to {self._outbox.folder} ({error.strerror or error})")

    def _put_facts(self, facts: Mapping[str, Any]) -> None:
        seeding = facts.get("seeding") or {}
        plain = {k: v for k, v in facts.items() if k not in ("seeding", "summary", "run_dir")}
        self._tag({"collapse.run_dir": str(self._run_dir)})
        if "seed" in seeding:
            plain["seed"] = seeding["seed"]
        plain |= {f"seed.{k}": "; ".join(seeding[k]) for k in seeding if k != "seed"}
        self._put("params", values=plain)
        for name, text in facts.get("summary", {}).items():
            self._put("text", name=f"model/{name}.txt", text=text)
        if "data.digest" in facts:
            shape = f"{facts['data.shape']} {facts['data.dtype']}"
            self._put("data", name="fit", digest=facts["data.digest"], shape=shape)

    def _put_metrics(self, step: int, prefix: str, values: Mapping[str, float]) -> None:
        named = {prefix + name: float(value) for name, value in values.items()}
        self._put("metrics", step=step, values=named)

    def _tag(self, tags: Mapping[str, str]) -> None:
        self._put("tags", values=dict(tags))
