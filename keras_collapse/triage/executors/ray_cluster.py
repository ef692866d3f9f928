"""Trials on the nodes of a Ray cluster; a trial whose node is lost is run again."""

from __future__ import annotations

import contextlib
import json
import logging
import os
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from keras_collapse.core.atomic_files import write_json
from keras_collapse.core.errors import InputError
from keras_collapse.triage import results
from keras_collapse.triage.executors.jobs import Job, command, ended, environment, prepare
from keras_collapse.triage.spec import file_of

POLL_SECONDS = 0.5
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
        gpus = float(total.get("GPU", 0)) if device != "cpu" else 0.0
        if device == "gpu" and not gpus:
            raise InputError("the Ray cluster has no GPU. Give --device cpu, or auto.")
        self._needs = {"num_cpus": 1.0, "num_gpus": round(1 / trials_per_gpu, 4) if gpus else 0.0}
        self._max_parallel = max_parallel
        slots = int(gpus * trials_per_gpu) if gpus else int(total.get("CPU", 1))
        self.parallel = max(min(slots, max_parallel or slots), 1)
        nodes = [node for node in ray.nodes() if node["Alive"]]
        what = f"{gpus:g} GPUs" if gpus else f"{total.get('CPU', 0):g} CPUs"
        self.room = f"a Ray cluster of {len(nodes)} nodes with {what}"

    def run(
        self, jobs: Sequence[Job], on_progress: Callable[[Sequence[Job]], None]
    ) -> Iterator[results.TrialResult]:
        """See `Executor`."""
        ray, waiting = self._ray, list(jobs)
        running: dict[Any, tuple[Job, float]] = {}
        # Ray retries a task whose worker or node is lost; a trial that crashes is a result.
        task = ray.remote(max_retries=-1, retry_exceptions=False, **self._needs)(run_on_node)
        try:
            while waiting or running:
                while waiting and (self._max_parallel is None or len(running) < self._max_parallel):
                    job = waiting.pop(0)
                    prepare(job)
                    running[task.remote(*_package(job))] = (job, time.monotonic())
                on_progress([job for job, _ in running.values()])
                try:
                    ready, _ = ray.wait(list(running), num_returns=1, timeout=POLL_SECONDS)
                except (ValueError, ray.exceptions.RaySystemError):
                    raise InputError(
                        "the Ray cluster is gone. Start it and run the same command again: "
                        "finished trials are kept."
                    ) from None
                for reference in ready:
                    job, began = running.pop(reference)
                    yield self._result(job, reference, time.monotonic() - began)
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
) -> tuple[int, str, dict[str, bytes]]:
    """Run a trial in a fresh process on this node.

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
