"""A Ray cluster: the same trials on its nodes; one that is lost with its node is run again."""

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

BEAT_SECONDS = 0.5
HUNG = 124
"""The exit status by which a node says that a trial ran past its limit, as ``timeout`` does."""


class RayCluster:
    """Runs jobs as tasks of a Ray cluster, each in a fresh process on its node.

    The experiment's folder travels with the task, and the trial's folder comes back whole, so
    nodes need no shared disk; they need this package and the backend.

    Args:
        address: of the cluster, as ``ray.init`` takes it; None finds one, or starts one here.
        device: ``"gpu"``, ``"cpu"``, or ``"auto"``: GPUs where the cluster has any.
        per_gpu: trials that share a GPU, so each asks for that fraction.
        most: trials at once, at most; None for as many as the cluster has room for.

    Raises:
        InputError: Ray is not installed or not reached, or a GPU was demanded and there is none.
    """

    def __init__(
        self, address: str | None, device: str = "auto", per_gpu: int = 1, most: int | None = None
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
        self._needs = {"num_cpus": 1.0, "num_gpus": round(1 / per_gpu, 4) if gpus else 0.0}
        self._most = most
        nodes = [node for node in ray.nodes() if node["Alive"]]
        what = f"{gpus:g} GPUs" if gpus else f"{total.get('CPU', 0):g} CPUs"
        self.room = f"a Ray cluster of {len(nodes)} nodes with {what}"

    def run(
        self, jobs: Sequence[Job], beat: Callable[[Sequence[Job]], None]
    ) -> Iterator[results.Result]:
        """See `Executor`."""
        ray, waiting = self._ray, list(jobs)
        running: dict[Any, tuple[Job, float]] = {}
        # Ray runs a task again when its worker or node has gone; a trial that crashes is a result.
        task = ray.remote(max_retries=-1, retry_exceptions=False, **self._needs)(run_on_node)
        try:
            while waiting or running:
                while waiting and (self._most is None or len(running) < self._most):
                    job = waiting.pop(0)
                    prepare(job)
                    running[task.remote(*_package(job))] = (job, time.monotonic())
                beat([job for job, _ in running.values()])
                try:
                    ready, _ = ray.wait(list(running), num_returns=1, timeout=BEAT_SECONDS)
                except (ValueError, ray.exceptions.RaySystemError):
                    raise InputError(
                        "the Ray cluster has gone. Start it and give the same command again: what "
                        "had finished is kept."
                    ) from None
                for reference in ready:
                    job, began = running.pop(reference)
                    yield self._result(job, reference, time.monotonic() - began)
        finally:
            for reference in running:
                with contextlib.suppress(Exception):  # Ray's own, of a cluster that has gone
                    ray.cancel(reference, force=True)

    def _result(self, job: Job, reference: Any, seconds: float) -> results.Result:
        try:
            status, device, files = self._ray.get(reference)
        except Exception as error:  # Ray's own: the task could not be run at all
            (job.folder / results.LOG).write_text(f"{type(error).__name__}: {error}")
            return ended(job, None, seconds, "Ray")
        for name, content in files.items():
            target = job.folder / name
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_bytes(content)
        why = "hung" if status == HUNG else ""
        return ended(job, status, seconds, device, why)


def _package(job: Job) -> tuple[Any, ...]:
    """All that a node needs: the configuration and the Python files beside the experiment."""
    asked = json.loads((job.folder / results.CONFIGURATION).read_text(encoding="utf-8"))
    file, _, name = str(asked["place"]).rpartition(":")
    path = Path(file).resolve()
    code = {one.name: one.read_bytes() for one in path.parent.glob("*.py")}
    asked["place"] = f"{path.name}:{name}"
    kept = ("KERAS_BACKEND", "TF_CPP_MIN_LOG_LEVEL", "KERAS_COLLAPSE_DATA")
    variables = {k: os.environ[k] for k in kept if k in os.environ}
    return asked, code, variables, job.limit, str(job.folder), job.trial.seed


def run_on_node(
    asked: Mapping[str, Any],
    code: Mapping[str, bytes],
    variables: Mapping[str, str],
    limit: float,
    home: str,
    seed: int,
) -> tuple[int, str, dict[str, bytes]]:
    """Run a trial in a fresh process here; its exit status, this node, and the files it left."""
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place) / "trial"
        folder.mkdir()
        for name, content in code.items():
            (Path(place) / name).write_bytes(content)
        write_json(folder / results.CONFIGURATION, {**asked, "home": home})
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
                    timeout=limit,
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
