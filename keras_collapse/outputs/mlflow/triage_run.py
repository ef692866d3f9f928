"""A triage as a parent run in MLflow: ``python -m keras_collapse.outputs.mlflow.triage_run``.

It runs in a process of its own, so that the triage does not load MLflow. Its standard input is a
list in JSON, of what to do and with what: ``open`` prints the run as JSON, ``close`` logs the
report, the tags and the artifacts to it, ``stop`` ends it without results.
"""

from __future__ import annotations

import contextlib
import json
import os
import shlex
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from keras_collapse.core.atomic_files import write_json
from keras_collapse.core.errors import InputError
from keras_collapse.core.findings import Status
from keras_collapse.core.process.redaction import redact
from keras_collapse.outputs.markdown import without_emoji
from keras_collapse.outputs.mlflow.runs import LONGEST_TAG, PARENT, new_run, run_link
from keras_collapse.outputs.style import SYMBOL

RUN_FILE = "mlflow_run.json"
UI = "http://localhost:5000"
"""Where ``mlflow ui`` serves by default."""
ENDED = "collapse.ended"
"""The tag with the reason why a run has no results."""
ARTIFACTS = ("triage.json", "report.md", "report.html", "known_good.toml")


def open_run(name: str, folder: Path, tracking_uri: str | None) -> dict[str, str]:
    """Create the parent run of a triage's folder, or reopen it if the triage is resumed.

    Args:
        name: the triage's title.
        folder: of the triage; the answer is kept in it.
        tracking_uri: the server; MLflow's own setting if None.

    Returns:
        ``run_id``, ``experiment_id``, ``tracking_uri`` and ``name``.

    Raises:
        InputError: MLflow does not answer.
    """
    kept = folder / RUN_FILE
    known = json.loads(kept.read_text())["run_id"] if kept.exists() else ""
    answer = _call("open", name, tracking_uri or "", known)
    found: dict[str, str] = {**json.loads(answer), "name": name}
    uri = found["tracking_uri"]
    write_json(kept, found, private=redact(uri) != uri)
    return found


def close_run(run: Mapping[str, str], folder: Path) -> None:
    """Log the results in a triage's folder to its parent run, and end it.

    Args:
        run: as `open_run` returned it.
        folder: of the triage.

    Raises:
        InputError: MLflow does not answer; the results stay in the folder.
    """
    _call("close", run["run_id"], run["tracking_uri"], run["name"], str(folder))


def stop_run(run: Mapping[str, str], reason: str = "") -> None:
    """End the parent run of a triage without results, and its children.

    Args:
        run: as `open_run` returned it. A server that does not answer is not waited for.
        reason: why the triage could not run; empty if it was interrupted.
    """
    with contextlib.suppress(InputError):
        _call("stop", run["run_id"], run["tracking_uri"], redact(reason))


def how_to_view(run: Mapping[str, str]) -> str:
    """Return the address of a triage's run in MLflow's UI, with the command that serves it.

    >>> run = {"tracking_uri": "sqlite:///mlflow.db", "experiment_id": "0", "run_id": "a1b2"}
    >>> print(how_to_view(run))  # doctest: +NORMALIZE_WHITESPACE
    http://localhost:5000/#/experiments/0/runs/a1b2?workflowType=machine_learning
    (first: mlflow ui --backend-store-uri sqlite:///mlflow.db)
    """
    place = run["experiment_id"], run["run_id"]
    link = run_link(run["tracking_uri"], *place)
    if link is not None:
        return link
    store = shlex.quote(redact(run["tracking_uri"]))
    return f"{run_link(UI, *place)}  (first: mlflow ui --backend-store-uri {store})"


def _call(*arguments: str) -> str:
    command = [sys.executable, "-m", "keras_collapse.outputs.mlflow.triage_run"]
    patience = {"MLFLOW_HTTP_REQUEST_MAX_RETRIES": "2", "MLFLOW_HTTP_REQUEST_TIMEOUT": "10"}
    done = subprocess.run(
        command,
        input=json.dumps(arguments),  # others can read the arguments of a process
        env={**patience, **os.environ, "MLFLOW_ENABLE_ASYNC_LOGGING": "false"},
        capture_output=True,
        text=True,
        check=False,
    )
    lines = done.stdout.strip().splitlines()
    if done.returncode or not lines:
        reason = redact((done.stderr.strip().splitlines() or ["no answer"])[-1])
        raise InputError(
            f"MLflow does not answer ({reason[:300]}). Start its server, give another "
            "--tracking-uri, or --no-mlflow; finished trials are kept."
        )
    return lines[-1]


def _open(name: str, tracking_uri: str, known: str) -> None:
    import mlflow

    uri = tracking_uri or mlflow.get_tracking_uri()
    client = mlflow.MlflowClient(uri)
    if known:
        client.update_run(known, status="RUNNING", name=name)
    run = client.get_run(known) if known else new_run(client, name)
    if ENDED in run.data.tags:
        client.delete_tag(known, ENDED)
    info = {"run_id": run.info.run_id, "experiment_id": run.info.experiment_id}
    print(json.dumps({**info, "tracking_uri": uri}))


def _close(run_id: str, tracking_uri: str, name: str, folder: Path) -> None:
    import mlflow

    client = mlflow.MlflowClient(tracking_uri)
    found = json.loads((folder / "triage.json").read_text(encoding="utf-8"))
    cause, verdict = found["root_cause"], _verdict(found["root_cause"])
    confirmed = [cure["cure"] for cure in found["cure"] if cure["held"]]
    report = (folder / "report.md").read_text(encoding="utf-8").splitlines()
    note = "\n".join(line for line in report if not line.startswith("!["))  # no pictures there
    tags = {
        "collapse.verdict": str(verdict),
        "collapse.cause": cause,
        "collapse.first_step": "",
        "collapse.cure": ", ".join(confirmed) or "none",
        "mlflow.note.content": without_emoji(note),
    }
    for tag, value in tags.items():
        client.set_tag(run_id, tag, value[:LONGEST_TAG])
    client.log_metric(run_id, "trials", len(found["trials"]))
    client.log_metric(run_id, "trials_failed", found["failed"])
    known = client.get_run(run_id).data.params
    for param in ("plan", "experiment", "backend", "steps"):
        if param not in known:
            client.log_param(run_id, param, found[param])
    for file in ARTIFACTS:
        if (folder / file).exists():
            client.log_artifact(run_id, str(folder / file))
    _end_orphans(client, run_id)
    client.update_run(run_id, name=_name(verdict, cause, name))
    client.set_terminated(run_id, "FINISHED")
    print("done")


def _stop(run_id: str, tracking_uri: str, reason: str) -> None:
    import mlflow

    client = mlflow.MlflowClient(tracking_uri)
    _end_orphans(client, run_id)
    if reason:
        client.set_tag(run_id, ENDED, reason[:LONGEST_TAG])
    client.set_terminated(run_id, "FAILED" if reason else "KILLED")
    print("done")


def _verdict(cause: str) -> Status:
    """Return the verdict that a root cause amounts to."""
    return {"none": Status.HEALTHY, "inconclusive": Status.UNKNOWN}.get(cause, Status.FAILED)


def _name(verdict: Status, cause: str, title: str) -> str:
    """Return the parent run's name: a run table shows names first.

    >>> _name(Status.FAILED, "weak_discriminator", "plan-b gan.py:train")
    '✘ failed, weak discriminator: plan-b gan.py:train'
    >>> _name(Status.HEALTHY, "none", "full gan.py:train")
    '✔ healthy: full gan.py:train'
    """
    why = f", {cause.replace('_', ' ')}" if cause != "none" else ""
    return f"{SYMBOL[verdict]} {verdict}{why}: {title}"


def _end_orphans(client: Any, parent: str) -> None:
    """End the children whose process was killed: they would stay RUNNING for ever."""
    experiment = client.get_run(parent).info.experiment_id
    children = client.search_runs(
        [experiment], f"tags.`{PARENT}` = '{parent}' AND attributes.status = 'RUNNING'"
    )
    for child in children:
        client.set_tag(child.info.run_id, ENDED, "its process was killed")
        client.set_terminated(child.info.run_id, "KILLED")


def main() -> None:
    what, *rest = json.load(sys.stdin)
    if what == "open":
        _open(*rest)
    elif what == "stop":
        _stop(*rest)
    else:
        run_id, tracking_uri, name, folder = rest
        _close(run_id, tracking_uri, name, Path(folder))


if __name__ == "__main__":
    main()
