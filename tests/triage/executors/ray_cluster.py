"""Trials on a real local Ray cluster of several nodes, one of which is killed in the middle.

python tests/triage/executors/ray_cluster.py

Or make ray: half a minute; it needs keras-collapse[ray].
"""

from __future__ import annotations

import os
import tempfile
import threading
import time
from pathlib import Path

import ray
from ray.cluster_utils import Cluster

from keras_collapse.core.atomic_files import write_json
from keras_collapse.triage import results
from keras_collapse.triage.executors.jobs import Job
from keras_collapse.triage.executors.ray_cluster import RayCluster
from keras_collapse.triage.plans import TrialConfig

os.environ.setdefault("KERAS_BACKEND", "jax")

CODE = """
import time

def train(trial):
    with trial.watching():
        for step in range(trial.steps):
            time.sleep(0.05)
            trial.monitor.update(d_loss=0.69, g_loss=0.7)

def broken(trial):
    raise ValueError("no such data")
"""


def job(folder: Path, function: str, seed: int, timeout: float = 200) -> Job:
    (folder / "gan.py").write_text(CODE)
    trial = TrialConfig(seed=seed, batch_size=8)
    asked = {"experiment": f"{folder}/gan.py:{function}", "trial": trial.model_dump(), "steps": 200,
             "longest": 200,
             "epochs": 1, "exact": False, "stop_early": True, "audit": False}  # fmt: skip
    home = folder / "trials" / str(seed)
    write_json(home / results.CONFIGURATION, asked)
    return Job(trial, home, 200, timeout)


def main() -> None:
    cluster = Cluster(initialize_head=True, head_node_args={"num_cpus": 0})
    nodes = [cluster.add_node(num_cpus=1) for _ in range(3)]
    cluster.wait_for_nodes()
    executor = RayCluster(cluster.address, "cpu")
    print(executor.room)
    with tempfile.TemporaryDirectory() as place:
        jobs = [job(Path(place), "train", 1), job(Path(place), "train", 2),
                job(Path(place), "broken", 3)]  # fmt: skip
        killed: list[float] = []

        def kill_one() -> None:
            time.sleep(12)
            mine = ray.get_runtime_context().get_node_id()
            victim = next(node for node in nodes if node.unique_id != mine)
            cluster.remove_node(victim, allow_graceful=False)
            killed.append(time.monotonic())

        threading.Thread(target=kill_one, daemon=True).start()
        found = {r.trial.seed: r for r in executor.run(jobs, lambda running: None)}
        for seed, result in sorted(found.items()):
            print(seed, result.ended, result.steps, result.reason, result.device)
        assert killed, "no node was killed while trials ran"
        assert [found[s].ended for s in (1, 2, 3)] == ["done", "done", "crashed"]
        assert found[1].steps == found[2].steps == 200
        assert "no such data" in found[3].reason
        assert (jobs[0].folder / "run" / "journal.jsonl").exists()
        assert found[1].folder == str(jobs[0].folder)
    ray.shutdown()
    cluster.shutdown()
    print("3 trials on 3 nodes, one killed in the middle: all as they should be")


if __name__ == "__main__":
    main()
