"""A run on a tracking server: its journal where it was logged, else its metrics."""

from __future__ import annotations

import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from keras_collapse.core.errors import InputError
from keras_collapse.core.journal import FILE_NAME
from keras_collapse.core.readings.signals import recognise_names
from keras_collapse.core.samples.probe import Probe
from keras_collapse.sources.journal_run import read_run
from keras_collapse.sources.past_run import LogRow, PastRun

PREFIXES = ("mlflow:", "runs:/")
OURS = "readings/"
"""Before our names where autologging was on."""
SAMPLES = "samples/"


def run_id_of(source: str) -> str | None:
    """The run's id in ``mlflow:ID`` or ``runs:/ID``; None in anything else."""
    for prefix in PREFIXES:
        if source.startswith(prefix):
            return source.removeprefix(prefix).strip("/")
    return None


def read_mlflow_run(
    run_id: str, signals: Mapping[str, str] | None, tracking_uri: str | None
) -> PastRun:
    """Read what a tracking server knows of a run.

    Args:
        run_id: the run's.
        signals: canonical signal to metric, where the names are not recognised.
        tracking_uri: the server; MLflow's own setting if None.

    Raises:
        InputError: the server does not answer, knows no such run, or no signal of it.
    """
    import mlflow
    from mlflow.exceptions import MlflowException

    client = mlflow.MlflowClient(tracking_uri)
    try:
        run = client.get_run(run_id)
        if signals is None and any(f.path == FILE_NAME for f in client.list_artifacts(run_id)):
            with tempfile.TemporaryDirectory() as folder:
                return read_run(Path(client.download_artifacts(run_id, FILE_NAME, folder)), None)
        return _of_metrics(client, run, signals)
    except (MlflowException, OSError) as error:
        said = " ".join(str(error).split())[:200]
        raise InputError(
            f"MLflow does not tell of run {run_id!r} ({said}). Give a run's id, and "
            "--tracking-uri or MLFLOW_TRACKING_URI."
        ) from None


def _of_metrics(client: Any, run: Any, signals: Mapping[str, str] | None) -> PastRun:
    metrics = list(run.data.metrics)
    ours = [name for name in metrics if name.startswith(OURS)]
    names = recognise_names(ours or [m for m in metrics if not m.startswith(SAMPLES)], signals)
    rows = _table(client, run.info.run_id, list(names.keys.values()))
    looks = _table(client, run.info.run_id, [m for m in metrics if m.startswith(SAMPLES)])
    logged_here = "collapse.verdict" in run.data.tags
    probes = [
        Probe(step, {name.removeprefix(SAMPLES): v for name, v in values.items()})
        for step, values in sorted(looks.items())
    ]
    settings: dict[str, Any] = {"signals": dict(names.keys)}
    if logged_here:
        settings["averaging"] = "batch"  # ours are un-averaged
    found = [LogRow(step, None, rows[step]) for step in sorted(rows)]
    return PastRun(found, settings=settings, probes=probes)


def _table(client: Any, run_id: str, names: list[str]) -> dict[int, dict[str, float]]:
    """Step to name to value."""
    table: dict[int, dict[str, float]] = {}
    for name in names:
        for metric in client.get_metric_history(run_id, name):
            table.setdefault(metric.step, {})[name] = metric.value
    return table
