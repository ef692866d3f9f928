"""The Ray executor on a pretended cluster; `make ray` runs it on a real one."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from pretend_machine import OUT_OF_MEMORY, Machine, machine, run
from pretend_ray import PretendRay, use
from simulated import result_of

from keras_collapse.core.errors import InputError
from keras_collapse.triage.command import executor_of
from keras_collapse.triage.executors import gpus, ray_cluster
from keras_collapse.triage.executors.jobs import Job
from keras_collapse.triage.executors.ray_cluster import RayCluster, connection_error
from keras_collapse.triage.options import Options, PlanSettings
from keras_collapse.triage.plans import TrialConfig, load
from keras_collapse.triage.spec import TriageSpec

__all__ = ["machine"]  # a fixture


def job(folder: Path, seed: int, batch_size: int = 8) -> Job:
    (folder / "gan.py").write_text("def train(trial): ...\n")
    home = folder / "trials" / str(seed)
    home.mkdir(parents=True)
    (home / "trial.json").write_text(json.dumps({"experiment": f"{folder}/gan.py:train"}))
    return Job(TrialConfig(seed=seed, batch_size=batch_size), home, 8, 60)


def test_gpus_are_asked_for_by_fraction_and_what_does_not_fit_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    ray = use(monkeypatch, PretendRay({"a": 2, "b": 2}))

    def does(*given: Any) -> Any:
        *_, home, seed, trials = given
        if seed == 2 and trials > 1:
            return 2, "node b", {"log.txt": b"CUDA out of memory. Tried to allocate 2 GiB"}
        done = result_of(TrialConfig(seed=seed, batch_size=1024), "healthy", folder=home)
        return 0, "node a", {"result.json": json.dumps(done.to_dict()).encode()}

    ray.does = does
    executor = RayCluster(None, trials_per_gpu=3)
    assert executor.room == "a Ray cluster of 2 nodes with 4 GPUs"
    assert executor.parallel == 12
    first, second = run(executor, [job(tmp_path, 1, 1024), job(tmp_path, 2, 1024)])  # type: ignore[arg-type]
    assert [(one["num_gpus"], one["last"]) for one in ray.asked] == [
        (0.3333, 3),
        (0.3333, 3),
        (1.0, 1),
    ]
    assert first.explanation == ""
    assert second.ended == "done"
    assert second.explanation == "batch 1024 does not fit beside 2 others: tried again alone"


def test_auto_chooses_from_the_checks_here_too(monkeypatch: pytest.MonkeyPatch) -> None:
    use(monkeypatch, PretendRay({"a": 1, "b": 1}))
    executor = RayCluster(None, auto=True)
    assert executor.parallel == 2
    checks = [
        result_of(TrialConfig(seed=1, batch_size=size), "unknown",
                  facts={"step_seconds": 0.01, "gpu_peak_mib": 100.0, "gpu_mib": 36000.0})
        for size in (256, 1024)
    ]  # fmt: skip
    assert executor.settle(checks).startswith("8 trials on each GPU")
    assert executor.parallel == 16


def test_a_trial_on_a_node_gets_its_share_of_the_gpu_that_ray_gave(
    machine: Machine, monkeypatch: pytest.MonkeyPatch
) -> None:
    machine.has((40000, 30000), (40000, 0))  # trials of this triage fill the first
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "0")
    seen = machine.folder / "seen"
    monkeypatch.setattr(
        ray_cluster, "command",
        lambda home: ["sh", "-c", f"env > {seen}; {OUT_OF_MEMORY}"],
    )  # fmt: skip
    status, node, files = ray_cluster.run_on_node({}, {}, {}, 20, "home", 1, 2)
    assert (status, node.startswith("Ray node")) == (2, True)
    assert b"CUDA out of memory" in files["log.txt"]
    known = dict(line.split("=", 1) for line in seen.read_text().splitlines() if "=" in line)
    assert known["CUDA_VISIBLE_DEVICES"] == "0"
    assert known[gpus.GPU_SHARE] == known[gpus.OLD_FRACTION] == "0.450"
    assert known[gpus.GPU_MIB] == "18000"


@pytest.mark.parametrize(
    ("uri", "said"),
    [
        ("", "MLflow's store 'mlflow.db' is on this machine's disk, and the cluster has 2 nodes"),
        ("sqlite:////home/me/mlflow.db", "is on this machine's disk"),
        ("./mlruns", "is on this machine's disk"),
        ("file:///home/me/mlruns", "is on this machine's disk"),
        ("http://server:5000", "1 of 2 nodes do not reach the tracking server at server:5000 "),
        ("https://server", "at server:443 (b: timed out)"),
    ],
)
def test_a_tracking_server_that_a_node_does_not_reach_is_one_line(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, uri: str, said: str
) -> None:
    use(monkeypatch, PretendRay({"a": 0, "b": 0}, unreachable=["b"]))
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    spec = TriageSpec("gan.py:train", load("plan-a", PlanSettings(), {}), tmp_path, "jax")
    asked = Options("plan-a", "gan.py:train", executor="ray", tracking_uri=uri or None)
    with pytest.raises(InputError) as error:
        executor_of(asked, spec)
    assert said in str(error.value)
    assert "\n" not in str(error.value)
    executor_of(Options("plan-a", "gan.py:train", executor="ray", mlflow=False), spec)


@pytest.mark.parametrize("uri", ["http://server:5000", "databricks", "postgresql://server/mlflow"])
def test_one_that_all_reach_is_not(monkeypatch: pytest.MonkeyPatch, uri: str) -> None:
    use(monkeypatch, PretendRay({"a": 0, "b": 0}))
    RayCluster(None).require_reachable(uri)


def test_one_node_may_log_to_its_own_disk(monkeypatch: pytest.MonkeyPatch) -> None:
    use(monkeypatch, PretendRay({"a": 0}))
    RayCluster(None).require_reachable("")


def test_a_connection_that_is_refused_is_named() -> None:
    assert "Connection refused" in connection_error("127.0.0.1", 9)
