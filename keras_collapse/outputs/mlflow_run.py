"""A new run in MLflow, made where MLflow's own settings say; needs no Keras."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from mlflow import MlflowClient

LONGEST_TAG = 8000
"""Characters of a tag, so of the description."""
DEFAULT_EXPERIMENT = "0"
PARENT = "mlflow.parentRunId"
"""The tag by which MLflow knows a child."""


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
    from mlflow.environment_variables import MLFLOW_EXPERIMENT_ID, MLFLOW_EXPERIMENT_NAME
    from mlflow.tracking.context.registry import resolve_tags

    experiment = experiment or MLFLOW_EXPERIMENT_NAME.get()
    number = MLFLOW_EXPERIMENT_ID.get() or DEFAULT_EXPERIMENT
    if experiment:
        found = client.get_experiment_by_name(experiment)
        number = found.experiment_id if found else client.create_experiment(experiment)
    tags = {k: v for k, v in resolve_tags().items() if v}
    if parent_run_id is not None:
        tags[PARENT] = parent_run_id
    run = client.create_run(number, run_name=name, tags=tags)
    return str(run.info.run_id)
