"""Trials on the nodes of a Ray cluster; a trial whose node is lost is run again."""

from __future__ import annotations

import contextlib
import json
import logging
import os
import socket
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from keras_collapse.core.atomic_files import write_json
from keras_collapse.core.errors import InputError
from keras_collapse.core.process.redaction import redact
from keras_collapse.triage import results
from keras_collapse.triage.executors import gpus, sharing
from keras_collapse.triage.executors.jobs import (
    Job,
    command,
    ended,
    environment,
    prepare,
    tried_alone,
)
from keras_collapse.triage.spec import file_of

POLL_SECONDS = 0.5
CONNECT_SECONDS = 10.0
LOCAL = ("", "file", "sqlite")
"""Schemes of MLflow stores on a disk of this machine."""
HUNG = 124
"""Exit status of a trial that exceeded its timeout, as that of ``timeout(1)``."""


class RayCluster:
    """Runs jobs as tasks of a Ray cluster, each in a fresh process on its node.

    The Python files next to the experiment are sent with each task, and the trial's folder is
    copied back, so nodes need no shared disk. They need this package and the backend.

    Args:
        address: the cluster's address, as for ``ray.init``; None to find a cluster, or start one
            on this machine.
        device: ``"gpu"``, ``"cpu"``, or ``"auto"``: GPUs if the cluster has any.
        trials_per_gpu: trials that share one GPU.
        max_parallel: most trials in parallel; None for as many as the cluster has room for.
        auto: whether `settle` chooses how many trials share a GPU.

    Raises:
        InputError: Ray is not installed, no cluster was reached, or a GPU was requested and none
            is available.
    """

    def __init__(
        self,
        address: str | None,
        device: str = "auto",
        trials_per_gpu: int = 1,
        max_parallel: int | None = None,
        auto: bool = False,
    ) -> None:
        try:
            import ray
        except ImportError:
            raise InputError(
                "Ray is not installed. Run: pip install 'keras-collapse[ray]'"
            ) from None
        self._ray = ray
        if not ray.is_initialized():
            try:
                ray.init(address=address, logging_level=logging.ERROR, log_to_driver=False)
            except (ConnectionError, ValueError, RuntimeError) as error:
                raise InputError(
                    f"no Ray cluster at {address!r} ({' '.join(str(error).split())[:200]}). "
                    "Start one with ray start --head, or leave --address out."
                ) from None
        total = ray.cluster_resources()
        self._cpus = float(total.get("CPU", 1))
        self._gpus = float(total.get("GPU", 0)) if device != "cpu" else 0.0
        if device == "gpu" and not self._gpus:
            raise InputError("the Ray cluster has no GPU. Give --device cpu, or auto.")
        self._max_parallel, self._auto = max_parallel, auto
        self._share(trials_per_gpu)
        self.nodes = sum(bool(node["Alive"]) for node in ray.nodes())
        what = f"{self._gpus:g} GPUs" if self._gpus else f"{self._cpus:g} CPUs"
        self.room = f"a Ray cluster of {self.nodes} nodes with {what}"

    def _share(self, trials: int) -> None:
        """Let that many trials share a GPU."""
        self._trials = trials
        slots = int(self._gpus * trials) or int(self._cpus)
        self.parallel = max(min(slots, self._max_parallel or slots), 1)

    def settle(self, checks: Sequence[results.TrialResult]) -> str:
        """See `Executor`."""
        if not self._auto or not self._gpus:
            return ""
        count, why = sharing.trials_per_gpu(checks, max(int(self._cpus / self._gpus), 1))
        self._share(count)
        return why

    def require_reachable(self, tracking_uri: str) -> None:
        """Require that every node reaches MLflow's store, before any trial runs.

        Args:
            tracking_uri: where trials log; empty for MLflow's default, a file.

        Raises:
            InputError: the store is on this machine's disk and there are other nodes, or a node
                cannot connect to the server.
        """
        place = urlsplit(tracking_uri)
        if self.nodes > 1 and place.scheme in LOCAL and tracking_uri != "databricks":
            raise InputError(
                f"MLflow's store {redact(tracking_uri) or 'mlflow.db'!r} is on this machine's "
                f"disk, and the cluster has {self.nodes} nodes. Start mlflow server --host "
                "0.0.0.0 and give --tracking-uri http://THIS_HOST:5000, or --no-mlflow."
            )
        if place.scheme not in ("http", "https") or place.hostname is None:
            return
        port = place.port or {"http": 80, "https": 443}[place.scheme]
        lost = self._without_access(place.hostname, port)
        if lost:
            raise InputError(
                f"{len(lost)} of {self.nodes} nodes do not reach the tracking server at "
                f"{place.hostname}:{port} ({'; '.join(lost)}). Give a --tracking-uri that every "
                "node reaches, or --no-mlflow."
            )

    def _without_access(self, host: str, port: int) -> list[str]:
        """The nodes that cannot connect, each with the reason."""
        from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

        task = self._ray.remote(num_cpus=0)(connection_error)
        nodes = [node for node in self._ray.nodes() if node["Alive"]]
        asked = [
            task.options(
                scheduling_strategy=NodeAffinitySchedulingStrategy(node["NodeID"], soft=False)
            ).remote(host, port)
            for node in nodes
        ]
        answers = zip(nodes, self._ray.get(asked), strict=True)
        return [f"{node['NodeManagerHostname']}: {why}" for node, why in answers if why]

    def run(
        self, jobs: Sequence[Job], on_progress: Callable[[Sequence[Job]], None]
    ) -> Iterator[results.TrialResult]:
        """See `Executor`."""
        ray, waiting = self._ray, [(job, self._trials) for job in jobs]
        running: dict[Any, tuple[Job, int, float]] = {}
        # Ray retries a task whose worker or node is lost; a trial that crashes is a result.
        task = ray.remote(num_cpus=1, max_retries=-1, retry_exceptions=False)(run_on_node)
        try:
            while waiting or running:
                while waiting and (self._max_parallel is None or len(running) < self._max_parallel):
                    job, trials = waiting.pop(0)
                    prepare(job)
                    own = task.options(num_gpus=round(1 / trials, 4) if self._gpus else 0)
                    running[own.remote(*_package(job), trials)] = (job, trials, time.monotonic())
                on_progress([job for job, *_ in running.values()])
                try:
                    ready, _ = ray.wait(list(running), num_returns=1, timeout=POLL_SECONDS)
                except (ValueError, ray.exceptions.RaySystemError):
                    raise InputError(
                        "the Ray cluster is gone. Start it and run the same command again: "
                        "finished trials are kept."
                    ) from None
                for reference in ready:
                    job, trials, began = running.pop(reference)
                    result = self._result(job, reference, time.monotonic() - began)
                    if result.ended == "out_of_memory" and self._gpus and trials > 1:
                        waiting.append((job, 1))
                    else:
                        again = trials < self._trials
                        yield tried_alone(result, self._trials - 1) if again else result
        finally:
            for reference in running:
                with contextlib.suppress(Exception):  # any error of a cluster that is gone
                    ray.cancel(reference, force=True)

    def _result(self, job: Job, reference: Any, seconds: float) -> results.TrialResult:
        try:
            status, device, files = self._ray.get(reference)
        except Exception as error:  # any error of Ray: the task did not run
            (job.folder / results.LOG).write_text(f"{type(error).__name__}: {error}")
            return ended(job, None, seconds, "Ray")
        for name, content in files.items():
            target = job.folder / name
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_bytes(content)
        why = "hung" if status == HUNG else ""
        return ended(job, status, seconds, device, why)


def connection_error(host: str, port: int) -> str:
    """Return why this node cannot connect; empty if it can."""
    try:
        socket.create_connection((host, port), CONNECT_SECONDS).close()
    except OSError as error:
        return f"{type(error).__name__}: {error}"
    return ""


def _package(job: Job) -> tuple[Any, ...]:
    """Return what a node needs: the configuration and the Python files next to the experiment."""
    text = (job.folder / results.CONFIGURATION).read_text(encoding="utf-8")
    configuration = json.loads(text)
    experiment = str(configuration["experiment"])
    path = file_of(experiment).resolve()
    code = {one.name: one.read_bytes() for one in (*path.parent.glob("*.py"), path)}
    configuration["experiment"] = path.name + experiment.partition(path.name)[2]
    kept = ("KERAS_BACKEND", "TF_CPP_MIN_LOG_LEVEL", "KERAS_COLLAPSE_DATA")
    variables = {k: os.environ[k] for k in kept if k in os.environ}
    return configuration, code, variables, job.timeout, str(job.folder), job.trial.seed


def run_on_node(
    configuration: Mapping[str, Any],
    code: Mapping[str, bytes],
    variables: Mapping[str, str],
    timeout: float,
    home: str,
    seed: int,
    trials: int,
) -> tuple[int, str, dict[str, bytes]]:
    """Run a trial in a fresh process on this node, one of that many that share its GPU.

    Returns:
        Its exit status, the node in words, and its files.
    """
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place) / "trial"
        folder.mkdir()
        for name, content in code.items():
            (Path(place) / name).write_bytes(content)
        write_json(folder / results.CONFIGURATION, {**configuration, "home": home})
        given = {**os.environ, **variables}  # Ray has set CUDA_VISIBLE_DEVICES
        for gpu in gpus.visible(os.environ)[:1]:
            given |= replace(gpu, used=0).variables(trials, given)
        with (folder / results.LOG).open("wb") as log:
            try:
                status = subprocess.run(
                    command(folder),
                    env=environment(seed, given, 1, None),
                    stdin=subprocess.DEVNULL,
                    stdout=log,
                    stderr=subprocess.STDOUT,
                    cwd=place,
                    timeout=timeout,
                    check=False,
                ).returncode
            except subprocess.TimeoutExpired:
                status = HUNG
        files = {
            str(path.relative_to(folder)): path.read_bytes()
            for path in folder.rglob("*")
            if path.is_file() and path.name != results.CONFIGURATION
        }
    node = f"Ray node {os.uname().nodename}, process {os.getpid()}"
    return status, node, files
