"""The run in MLflow that is logged to, made where MLflow's own settings say; needs no Keras."""

from __future__ import annotations

import contextlib
import subprocess
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from mlflow import MlflowClient

LONGEST_TAG = 8000
"""Characters of a tag, so of the description."""
DEFAULT_EXPERIMENT = "0"
PARENT = "mlflow.parentRunId"
"""The tag by which MLflow knows a child."""
COMMIT = "mlflow.source.git.commit"
FOUND = ("▲", "✘")
"""Before the name of a run in which something was found: a warning, a failure."""
TOKEN = "mlflow.collapse.token"
"""The tag (hidden in the UI, as all that begin so) by which a run is found again whose making was
asked for, but never answered."""


def new_run(
    client: MlflowClient,
    name: str | None = None,
    experiment: str | None = None,
    parent_run_id: str | None = None,
) -> str:
    """Make a run and give its id.

    Args:
        client: of the store.
        name: of the run; MLflow makes one up if None.
        experiment: its name, made if missing; MLflow's own setting if None.
        parent_run_id: the run that it is a child of.
    """
    return str(_new(client, experiment_of(client, experiment), name, parent_run_id).info.run_id)


def bare_name(name: str) -> str:
    """A run's name without the symbol that says what was found in it.

    >>> bare_name("✘ my-gan")
    'my-gan'
    """
    return name[2:] if name.startswith(tuple(f"{symbol} " for symbol in FOUND)) else name


def find_or_make(client: MlflowClient, wanted: Mapping[str, Any], began: int) -> tuple[Any, bool]:
    """The run that is wanted, and whether it continues an earlier training.

    Args:
        client: of the store.
        wanted: ``run_name``, ``experiment``, ``parent_run_id``, ``token``, and ``resume``:
            whether to continue the latest run of that name that has not finished.
        began: when the training began, Unix milliseconds.
    """
    experiment = experiment_of(client, wanted["experiment"])
    made = client.search_runs([experiment], f"tags.`{TOKEN}` = '{wanted['token']}'")
    if made:
        return made[0], False
    if wanted["resume"]:
        open_runs = client.search_runs([experiment], "attributes.status != 'FINISHED'")
        for run in open_runs:  # the latest first
            if bare_name(str(run.info.run_name)) == wanted["run_name"]:
                return run, True
    tags = {TOKEN: wanted["token"]}
    name, parent = wanted["run_name"], wanted["parent_run_id"]
    return _new(client, experiment, name, parent, tags, began), False


def experiment_of(client: MlflowClient, name: str | None) -> str:
    """The id of the experiment of that name, made if missing; by MLflow's settings if None."""
    from mlflow.environment_variables import MLFLOW_EXPERIMENT_ID, MLFLOW_EXPERIMENT_NAME

    name = name or MLFLOW_EXPERIMENT_NAME.get()
    if not name:
        return str(MLFLOW_EXPERIMENT_ID.get() or DEFAULT_EXPERIMENT)
    found = client.get_experiment_by_name(name)
    return str(found.experiment_id if found else client.create_experiment(name))


def _new(
    client: MlflowClient,
    experiment: str,
    name: str | None,
    parent_run_id: str | None,
    more: Mapping[str, str] | None = None,
    began: int | None = None,
) -> Any:
    from mlflow.tracking.context.registry import resolve_tags

    tags = {k: v for k, v in resolve_tags().items() if v} | dict(more or {})
    commit = _commit()
    if commit:
        tags.setdefault(COMMIT, commit)  # MLflow itself knows it for scripts only
    if parent_run_id is not None:
        tags[PARENT] = parent_run_id
    return client.create_run(experiment, start_time=began, run_name=name, tags=tags)


def _commit() -> str:
    """The working folder's commit; empty where it is in no repository."""
    with contextlib.suppress(OSError, subprocess.SubprocessError):
        asked = ["git", "rev-parse", "HEAD"]
        return subprocess.run(
            asked, capture_output=True, text=True, check=True, timeout=5
        ).stdout.strip()
    return ""
