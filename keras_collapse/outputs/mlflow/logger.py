"""MLflowLogger: a run's parameters, readings, samples and verdict in MLflow."""

from __future__ import annotations

import os
import sys
import tempfile
import time
import uuid
import weakref
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from keras_collapse.core.errors import InputError
from keras_collapse.core.findings import Finding, Severity, Verdict
from keras_collapse.core.readings.reading import Reading
from keras_collapse.core.samples.probe import Probe
from keras_collapse.outputs.markdown import cause_tags
from keras_collapse.outputs.mlflow.end_of_run import put_end, put_verdict
from keras_collapse.outputs.mlflow.outbox import FOLDER, Outbox
from keras_collapse.outputs.mlflow.sender_thread import SenderThread
from keras_collapse.outputs.subscriber import Subscriber

DRAIN_SECONDS = 20.0
"""Longest time that the end of ``fit`` waits for a server that answers."""
LAST_SECONDS = 5.0
"""The same where ``fit`` has ended by an exception."""
AUTOLOG = "readings/"
"""Before our names where autologging is on: it logs epochs under the same ones."""


class MLflowLogger(Subscriber):
    """Logs what the `CollapseMonitor` of the same ``fit`` sees to MLflow.

    Parameters, versions, seed and the data's digest; every reading as a metric at its true step;
    sample grids under ``samples``; the verdict as the tags ``collapse.verdict``,
    ``collapse.cause`` and ``collapse.first_step``, as the metric ``collapse.severity`` (0 healthy,
    1 unknown, 2 warning, 3 failed) and, in words, as the run's description; the journal as an
    artifact. It uses the run that is active when ``fit`` begins, and leaves it open; else it makes
    one, and ends it.

    Nothing is sent by the training itself: all is written into the run's folder, from where a
    thread sends it. A server that is slow, or gone, costs nothing: what it has not taken when
    ``fit`` ends waits there for ``keras-collapse sync``.

    Args:
        run_id: an existing run to go on with: its steps are not logged again.
        run_name: the name of a new run; without one the run is named by its verdict. Where
            something was found a symbol stands before it: ▲ a warning, ✘ a failure.
        tracking_uri: where to log; MLflow's own setting if None: ``MLFLOW_TRACKING_URI`` or
            ``sqlite:///mlflow.db``.
        experiment: name of the experiment, made if missing; MLflow's own setting if None.
        parent_run_id: the run that a new run is a child of.
        resume: go on with the latest run of that ``run_name`` that has not finished, if there is
            one: for a training that is started again after a crash.

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
        self._run_dir: Any = None
        self._own_run = False
        self._prefix = ""
        self._unfinished: Any = None

    @property
    def run_id(self) -> str | None:
        """The run logged to; None before MLflow was reached."""
        known = self._outbox.target.get("run_id") if self._outbox is not None else None
        return known or self._given_run

    # -- what the monitor says -------------------------------------------------------------

    def on_run(self, facts: Mapping[str, Any]) -> None:
        if self._outbox is None or facts.get("run_dir") != self._run_dir:
            self._open(str(facts.get("run_dir")))
        assert self._outbox is not None
        self._outbox.claim()
        if self._thread is None or not self._thread.is_alive():
            self._thread = SenderThread(self._outbox)
        self._thread.go_on()
        if self._own_run:
            self._outbox.put("status", status="RUNNING")
            self._unfinished = weakref.finalize(
                self, _end_unfinished, self._outbox, self._thread, self._run_dir
            )
            _after_cell(self)
        self._put_facts(facts)
        if not self._thread.is_alive():
            self._thread.start()

    def on_reading(self, reading: Reading) -> None:
        if self._thread is not None:
            self._thread.machine.step = reading.step
        self._put_metrics(reading.step, reading.values, self._prefix)

    def on_probe(self, probe: Probe) -> None:
        self._put_metrics(probe.step, probe.values, "samples/")

    def on_epoch(self, step: int, epoch: int, numbers: Mapping[str, float]) -> None:
        self._put_metrics(step, {**numbers, "epoch": epoch + 1}, self._prefix)

    def on_samples(self, step: int, images: Any) -> None:
        from PIL import Image

        if self._outbox is not None:
            path = self._outbox.place_for(f"samples-{step}.png")
            Image.fromarray(images).save(path)
            file = str(path.relative_to(self._outbox.folder))
            self._outbox.put("image", file=file, key="samples", step=step)

    def on_finding(self, finding: Finding) -> None:
        if finding.severity is Severity.FAILED and not finding.resolved:
            self._tag({"collapse.verdict": "failed"} | cause_tags(finding))

    def on_verdict(self, verdict: Verdict, samples: Any) -> None:
        if self._outbox is None or self._thread is None:
            return
        put_verdict(self._outbox, verdict)
        put_end(self._outbox, self._run_dir, "FINISHED" if self._own_run else None)
        if self._own_run:
            self._unfinished.detach()
        if not self._thread.finish(DRAIN_SECONDS):
            print(
                f"keras-collapse: {self._outbox.waiting()} items wait for MLflow "
                f"({self._thread.trouble[:200] or 'it is slow'}). Send them when it answers: "
                f"keras-collapse sync {self._run_dir}",
                flush=True,
            )

    # -- the outbox ------------------------------------------------------------------------

    def _open(self, run_dir: str) -> None:
        """A new outbox in the run's folder, or where that cannot be, in a temporary one."""
        self._run_dir, self._thread = run_dir, None
        try:
            outbox = Outbox(Path(run_dir) / FOLDER)
        except OSError:
            outbox = Outbox(Path(tempfile.mkdtemp(prefix="keras-collapse-")) / FOLDER)
        mlflow = sys.modules.get("mlflow")  # where it is not loaded, no run can be active
        active = mlflow.active_run() if mlflow else None
        active_id = active.info.run_id if active else None
        run_id = self._given_run or active_id
        self._own_run = active_id is None or active_id != run_id
        self._prefix = AUTOLOG if active and _autologging() else ""
        outbox.note(
            run_id=run_id,
            continues=run_id is not None and self._own_run,
            began=int(time.time() * 1000),
            tracking_uri=self.tracking_uri or (mlflow.get_tracking_uri() if mlflow else None),
            wanted={**self._wanted, "token": uuid.uuid4().hex},
            own=self._own_run,
            prefix=self._prefix,
        )
        self._outbox = outbox

    def _put_facts(self, facts: Mapping[str, Any]) -> None:
        assert self._outbox is not None
        seeding = facts.get("seeding") or {}
        plain = {k: v for k, v in facts.items() if k not in ("seeding", "summary", "run_dir")}
        self._tag({"collapse.run_dir": self._run_dir})
        if "seed" in seeding:
            plain["seed"] = seeding["seed"]
        plain |= {f"seed.{k}": "; ".join(seeding[k]) for k in seeding if k != "seed"}
        self._outbox.put("params", values=plain)
        for name, text in facts.get("summary", {}).items():
            self._outbox.put("text", name=f"model/{name}.txt", text=text)
        if "data.digest" in facts:
            shape = f"{facts['data.shape']} {facts['data.dtype']}"
            self._outbox.put("data", name="fit", digest=facts["data.digest"], shape=shape)

    def _put_metrics(self, step: int, values: Mapping[str, float], prefix: str = "") -> None:
        if self._outbox is not None:
            named = {prefix + name: float(value) for name, value in values.items()}
            self._outbox.put("metrics", step=step, values=named)

    def _tag(self, tags: Mapping[str, str]) -> None:
        if self._outbox is not None:
            self._outbox.put("tags", values=dict(tags))


def _autologging() -> bool:
    from mlflow.utils.autologging_utils import autologging_is_disabled

    return not (autologging_is_disabled("keras") and autologging_is_disabled("tensorflow"))


def _after_cell(logger: MLflowLogger) -> None:
    """In a notebook an exception ends the cell, not the process: that ends the run too."""
    ipython = sys.modules.get("IPython")
    shell = ipython.get_ipython() if ipython else None
    if shell is None:
        return
    unfinished = logger._unfinished

    def end(result: Any) -> None:
        error = result.error_in_exec
        if not unfinished.alive or error is not None:
            shell.events.unregister("post_run_cell", end)
        if error is not None and (left := unfinished.detach()) is not None:
            _, action, arguments, _ = left
            action(*arguments, error)

    shell.events.register("post_run_cell", end)


def _end_unfinished(
    outbox: Outbox, thread: SenderThread, run_dir: str, reason: BaseException | None = None
) -> None:
    """A fit that never reached its end: KILLED after Ctrl-C, else FAILED, with the reason."""
    reason = reason or getattr(sys, "last_value", None)
    killed = isinstance(reason, KeyboardInterrupt)
    said = f"{type(reason).__name__}: {reason}" if reason is not None else "fit did not end"
    put_end(outbox, run_dir, "KILLED" if killed else "FAILED", said)
    thread.finish(LAST_SECONDS)
