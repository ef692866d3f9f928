"""A triage's parent run: what the run table and the run's page show of it."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

import mlflow
import pytest

from keras_collapse.outputs.mlflow import triage_run
from keras_collapse.outputs.mlflow.runs import PARENT
from keras_collapse.outputs.mlflow.triage_run import close_run, open_run

RESULTS = {
    "plan": "plan-b",
    "experiment": "gan.py:train",
    "backend": "jax",
    "steps": 600,
    "root_cause": "weak_discriminator",
    "cure": [{"cure": "d_rate x 4", "held": True}],
    "failed": 1,
    "trials": [{"verdict": {"verdict": "failed"}}, {"verdict": {"verdict": "healthy"}}],
}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    found = tmp_path / "triage"
    found.mkdir()
    (found / "triage.json").write_text(json.dumps(RESULTS))
    report = "# Triage of gan.py:train: weak discriminator\n\n![Losses](curves.png)\n"
    (found / "report.md").write_text(report)
    return found


def test_the_parent_names_verdict_and_cause_and_a_resumed_one_does_so_once(
    store: mlflow.MlflowClient, folder: Path
) -> None:
    uri = mlflow.get_tracking_uri()
    for _ in range(2):
        run = open_run("plan-b gan.py:train", folder, uri)
        assert store.get_run(run["run_id"]).info.run_name == "plan-b gan.py:train"
        child = store.create_run("0", tags={PARENT: run["run_id"]})
        close_run(run, folder)
        assert store.get_run(child.info.run_id).info.status == "KILLED"
    found = store.get_run(run["run_id"])
    assert found.info.run_name == "✘ failed, weak discriminator: plan-b gan.py:train"
    assert found.info.status == "FINISHED"
    assert run["experiment_id"] == found.info.experiment_id
    assert found.data.tags["collapse.cause"] == "weak_discriminator"
    assert found.data.tags["collapse.cure"] == "d_rate x 4"
    note = found.data.tags["mlflow.note.content"]
    assert note.startswith("# Triage of gan.py:train&#58; weak discriminator")
    assert "curves.png" not in note


def test_an_address_with_a_password_is_no_argument_of_the_process(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    called = []

    def run(command: list[str], **more: object) -> subprocess.CompletedProcess[str]:
        called.append((command, more))
        answer = {"run_id": "a", "experiment_id": "0", "tracking_uri": "http://me:hunter2@host"}
        return subprocess.CompletedProcess(command, 0, json.dumps(answer), "")

    monkeypatch.setattr(triage_run.subprocess, "run", run)
    open_run("plan-b", tmp_path, "http://me:hunter2@host")
    ((command, more),) = called
    assert "hunter2" not in str(command)
    assert "hunter2" in str(more["input"])
