"""The triage as a parent run in MLflow: ``python -m keras_collapse.outputs.mlflow.triage_run``.

In a process of its own, so that the runner stays small: ``open NAME`` prints the run's id,
``close RUN_ID FOLDER`` gives it the report, the tags and the artifacts.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

from keras_collapse.core.atomic_files import write_json
from keras_collapse.core.errors import InputError
from keras_collapse.outputs.mlflow.runs import LONGEST_TAG, PARENT, new_run

RUN_FILE = "mlflow_run.json"


def open_run(name: str, folder: Path, tracking_uri: str | None) -> dict[str, Any]:
    """The parent run of this folder, made at first asking: its id and where it is tracked.

    Raises:
        InputError: MLflow cannot be reached.
    """
    kept = folder / RUN_FILE
    known = kept.read_text() if kept.exists() else ""
    answer = _ask("open", name, tracking_uri or "", json.loads(known)["run_id"] if known else "")
    found: dict[str, Any] = json.loads(answer)
    write_json(kept, found)
    return found


def close_run(run: dict[str, Any], folder: Path) -> None:
    """Give the parent its report.

    Raises:
        InputError: MLflow cannot be reached; the results are in the folder.
    """
    _ask("close", run["run_id"], run["tracking_uri"], str(folder))


def _ask(*arguments: str) -> str:
    command = [sys.executable, "-m", "keras_collapse.outputs.mlflow.triage_run", *arguments]
    patient = {"MLFLOW_HTTP_REQUEST_MAX_RETRIES": "2", "MLFLOW_HTTP_REQUEST_TIMEOUT": "10"}
    done = subprocess.run(
        command, env={**patient, **os.environ}, capture_output=True, text=True, check=False
    )
    lines = done.stdout.strip().splitlines()
    if done.returncode or not lines:
        said = (done.stderr.strip().splitlines() or ["no answer"])[-1]
        raise InputError(
            f"MLflow cannot be reached ({said[:300]}). Start its server, give another "
            "--tracking-uri, or --no-mlflow; what had finished is kept."
        )
    return lines[-1]


def _open(name: str, tracking_uri: str, known: str) -> None:
    import mlflow

    uri = tracking_uri or mlflow.get_tracking_uri()
    client = mlflow.MlflowClient(uri)
    if known:
        client.update_run(known, status="RUNNING")
        run_id = known
    else:
        run_id = new_run(client, name)
    print(json.dumps({"run_id": run_id, "tracking_uri": uri}))


def _close(run_id: str, tracking_uri: str, folder: Path) -> None:
    import mlflow

    client = mlflow.MlflowClient(tracking_uri)
    found = json.loads((folder / "triage.json").read_text(encoding="utf-8"))
    held = [cure["cure"] for cure in found["cure"] if cure["held"]]
    failed = sum(t["verdict"].get("verdict") == "failed" for t in found["trials"])
    report = (folder / "report.md").read_text(encoding="utf-8").splitlines()
    note = "\n".join(line for line in report if not line.startswith("!["))  # it shows no pictures
    tags = {
        "collapse.verdict": "healthy" if found["root_cause"] == "none" else "failed",
        "collapse.cause": found["root_cause"],
        "collapse.first_step": "",
        "collapse.cure": ", ".join(held) or "none",
        "mlflow.note.content": note,
    }
    if found["root_cause"] == "inconclusive":
        tags["collapse.verdict"] = "unknown"
    for name, value in tags.items():
        client.set_tag(run_id, name, value[:LONGEST_TAG])
    client.log_metric(run_id, "trials", len(found["trials"]))
    client.log_metric(run_id, "trials_failed", failed)
    known = client.get_run(run_id).data.params
    for name in ("plan", "experiment", "backend", "steps"):
        if name not in known:
            client.log_param(run_id, name, found[name])
    for name in ("triage.json", "report.md", "report.html", "curves.png", "known_good.toml"):
        if (folder / name).exists():
            client.log_artifact(run_id, str(folder / name))
    _end_orphans(client, run_id)
    client.set_terminated(run_id, "FINISHED")
    print("done")


def _end_orphans(client: Any, parent: str) -> None:
    """Children whose process was killed would stay RUNNING for ever."""
    experiment = client.get_run(parent).info.experiment_id
    children = client.search_runs(
        [experiment], f"tags.`{PARENT}` = '{parent}' AND attributes.status = 'RUNNING'"
    )
    for child in children:
        client.set_tag(child.info.run_id, "collapse.ended", "its process was killed")
        client.set_terminated(child.info.run_id, "KILLED")


def main() -> None:
    what, *rest = sys.argv[1:]
    if what == "open":
        _open(*rest)
    else:
        _close(rest[0], rest[1], Path(rest[2]))


if __name__ == "__main__":
    main()
