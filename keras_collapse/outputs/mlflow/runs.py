"""Find or create runs and experiments in MLflow, and link to them; needs no Keras."""

from __future__ import annotations

import contextlib
import subprocess
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from keras_collapse.core.guard import warn
from keras_collapse.core.process.redaction import HIDDEN, redact
from keras_collapse.outputs.mlflow.mlflow_internals import context_tags
from keras_collapse.outputs.mlflow.writer import is_busy, token_of

if TYPE_CHECKING:
    from mlflow import MlflowClient

LONGEST_TAG = 8000
"""Characters of a tag, and so of the description."""
DEFAULT_EXPERIMENT = "0"
KIND = {"mlflow.experimentKind": "custom_model_development"}
"""Tag of the experiments that we create: their kind is then "Machine learning", not inferred. An
experiment of the user's keeps its tags. (MLflow 3.17 opens an experiment as "GenAI" whatever its
kind, so links also say `MODEL_TRAINING`.)"""
MODEL_TRAINING = "workflowType=machine_learning"
"""Query of a link that opens MLflow 3 in its "Model training" view."""
PARENT = "mlflow.parentRunId"
"""Tag by which MLflow knows a child run."""
COMMIT = "mlflow.source.git.commit"
FOUND = ("▲", "✘")
"""Symbols in front of a run's name if something was found: a warning, a failure."""
SYMBOLS = ("✔", "?", *FOUND)
TOKEN = "mlflow.collapse.token"
"""Tag (hidden in the UI, as all of this prefix) that identifies a run whose creation was requested
but not confirmed."""


def run_link(tracking_uri: str, experiment_id: str, run_id: str) -> str | None:
    """Return the address of a run's page in MLflow's UI, or None if the store has no server.

    Args:
        tracking_uri: the store's address.
        experiment_id: of the run's experiment.
        run_id: the run.

    >>> run_link("http://localhost:5000", "0", "a1b2")
    'http://localhost:5000/#/experiments/0/runs/a1b2?workflowType=machine_learning'
    >>> run_link("sqlite:///mlflow.db", "0", "a1b2")
    """
    if not tracking_uri.startswith(("http://", "https://")):
        return None
    tracking_uri = redact(tracking_uri).replace(f"{HIDDEN}@", "")  # the browser asks for it
    page = f"{tracking_uri.rstrip('/')}/#/experiments/{experiment_id}/runs/{run_id}"
    return f"{page}?{MODEL_TRAINING}"


def new_run(
    client: MlflowClient,
    name: str | None = None,
    experiment: str | None = None,
    parent_run_id: str | None = None,
) -> Any:
    """Create a run and return it.

    Args:
        client: of the store.
        name: of the run; MLflow generates one if None.
        experiment: name of its experiment, created if missing; MLflow's own setting if None.
        parent_run_id: the parent of the run.
    """
    return _new(client, experiment_of(client, experiment), name, parent_run_id)


def bare_name(name: str) -> str:
    """Return a run's name without the symbol of its verdict.

    >>> bare_name("✘ my-gan")
    'my-gan'
    """
    return name[2:] if name.startswith(tuple(f"{symbol} " for symbol in SYMBOLS)) else name


def find_or_make(client: MlflowClient, state: Mapping[str, Any]) -> tuple[Any, bool]:
    """Return the run of a training and whether it continues an earlier one.

    A run that another process is writing now is never continued; that is reported.

    Args:
        client: of the store.
        state: of the outbox: ``run_id`` of a run to continue, or None; ``began``, the start of the
            training in Unix milliseconds; and ``wanted``: ``run_name``, ``experiment``,
            ``parent_run_id``, ``token``, and ``resume``: whether to continue the latest run of
            that name that has not finished.
    """
    wanted, busy = state["wanted"], None
    if state.get("run_id"):
        run = client.get_run(state["run_id"])
        if not (state["own"] and is_busy(run, state)):
            return run, bool(state["continues"])
        experiment, busy = run.info.experiment_id, run
    else:
        experiment = experiment_of(client, wanted["experiment"])
        made = client.search_runs([experiment], f"tags.`{TOKEN}` = '{token_of(state)}'")
        if made:
            return made[0], False
    if wanted["resume"] and busy is None:
        open_runs = client.search_runs([experiment], "attributes.status != 'FINISHED'")
        for run in open_runs:  # the latest first
            if bare_name(str(run.info.run_name)) == wanted["run_name"]:
                if not is_busy(run, state):
                    return run, True
                busy = busy or run
    if busy is not None:
        warn(
            f"another training is writing the run {busy.info.run_id} in MLflow, so this one has a "
            "run of its own. Give each training its own run_name.",
            stacklevel=2,
        )
    tags = {TOKEN: token_of(state)}
    name, parent = wanted["run_name"], wanted["parent_run_id"]
    return _new(client, experiment, name, parent, tags, state["began"]), False


def experiment_of(client: MlflowClient, name: str | None) -> str:
    """Return an experiment's id, creating it if missing; by MLflow's own settings if None."""
    from mlflow.environment_variables import MLFLOW_EXPERIMENT_ID, MLFLOW_EXPERIMENT_NAME

    name = name or MLFLOW_EXPERIMENT_NAME.get()
    if not name:
        return str(MLFLOW_EXPERIMENT_ID.get() or DEFAULT_EXPERIMENT)
    found = client.get_experiment_by_name(name)
    return str(found.experiment_id if found else client.create_experiment(name, tags=KIND))


def _new(
    client: MlflowClient,
    experiment: str,
    name: str | None,
    parent_run_id: str | None,
    more: Mapping[str, str] | None = None,
    began: int | None = None,
) -> Any:
    tags = context_tags() | dict(more or {})
    commit = _commit()
    if commit:
        tags.setdefault(COMMIT, commit)  # MLflow sets it for scripts only
    if parent_run_id is not None:
        tags[PARENT] = parent_run_id
    return client.create_run(experiment, start_time=began, run_name=name, tags=tags)


def _commit() -> str:
    """Return the working folder's git commit; empty outside of a repository."""
    with contextlib.suppress(OSError, subprocess.SubprocessError):
        command = ["git", "rev-parse", "HEAD"]
        found = subprocess.run(command, capture_output=True, text=True, check=True, timeout=5)
        return found.stdout.strip()
    return ""
