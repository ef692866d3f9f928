"""Read a run from an MLflow tracking server: from its journal if logged, else from its metrics."""

from __future__ import annotations

import shutil
import tempfile
import weakref
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from keras_collapse.core.errors import InputError
from keras_collapse.core.journal import FILE_NAME
from keras_collapse.core.process.redaction import redact
from keras_collapse.core.readings.signals import SIGNALS, recognise_names
from keras_collapse.core.samples.probe import Probe
from keras_collapse.sources.journal_run import read_run
from keras_collapse.sources.past_run import LogRow, PastRun

PREFIXES = ("mlflow:", "runs:/")
READINGS = "readings/"
"""Prefix of the metrics that `MLflowLogger` logs: autologging uses the bare names for epochs."""
SAMPLES = "samples/"
CHARTED = (
    "missing_share",
    "coverage",
    "precision",
    "duplicate_share",
    "distance_ratio",
    "sliced_wasserstein",
    "sliced_wasserstein_baseline",
    "dimension",
    "label_effect",
    "label_agreement",
    "class_missing_share",
    "class_distance_ratio",
    "worst_class",
)
"""The statistics of a sample check that are metrics: those that decide the verdict, so that a run
without a journal gets the same one. ``mode_gap`` is information only."""


def run_id_of(source: str) -> str | None:
    """Return the run's id in ``mlflow:ID`` or ``runs:/ID``; None for anything else."""
    for prefix in PREFIXES:
        if source.startswith(prefix):
            return source.removeprefix(prefix).strip("/")
    return None


def read_mlflow_run(
    run_id: str, signals: Mapping[str, str] | None, tracking_uri: str | None
) -> PastRun:
    """Read a run from a tracking server.

    Args:
        run_id: the run.
        signals: canonical signal to metric, for names that are not recognised.
        tracking_uri: the server; MLflow's own setting if None.

    Raises:
        InputError: the server does not answer, or has no such run or no signal of it.
    """
    import mlflow
    from mlflow.exceptions import MlflowException

    try:
        client = mlflow.MlflowClient(tracking_uri)
        run = client.get_run(run_id)
        if signals is None and any(f.path == FILE_NAME for f in client.list_artifacts(run_id)):
            folder = tempfile.mkdtemp()
            downloaded = _Downloaded(folder)
            journal = client.download_artifacts(run_id, FILE_NAME, folder)
            found = read_run(Path(journal), None)
            downloaded.rows = found.rows
            return replace(found, rows=downloaded, kept=())  # the weights stay where the run was
        return _of_metrics(client, run, signals)
    except (MlflowException, OSError) as error:
        reason = redact(" ".join(str(error).split()))[:200]
        raise InputError(
            f"cannot read run {run_id!r} from MLflow ({reason}). Give a run's id, and "
            "--tracking-uri or MLFLOW_TRACKING_URI."
        ) from None


class _Downloaded:
    """Rows of a downloaded file, which is removed when they are not needed any more."""

    def __init__(self, folder: str) -> None:
        self.rows: Iterable[LogRow] = ()
        weakref.finalize(self, shutil.rmtree, folder, ignore_errors=True)

    def __iter__(self) -> Iterator[LogRow]:
        return iter(self.rows)


def _of_metrics(client: Any, run: Any, signals: Mapping[str, str] | None) -> PastRun:
    metrics = list(run.data.metrics)
    ours = {signal: READINGS + signal for signal in SIGNALS if READINGS + signal in metrics}
    others = [name for name in metrics if not name.startswith((READINGS, SAMPLES))]
    keys = ours if ours and not signals else recognise_names(others, signals).keys
    rows = _table(client, run.info.run_id, list(keys.values()))
    checks = _table(client, run.info.run_id, [m for m in metrics if m.startswith(SAMPLES)])
    probes = [
        Probe(step, {name.removeprefix(SAMPLES): v for name, v in values.items()})
        for step, values in sorted(checks.items())
    ]
    settings: dict[str, Any] = {"signals": dict(keys)}
    if keys is ours:
        settings["averaging"] = "batch"  # readings are un-averaged
    found = [LogRow(step, None, rows[step]) for step in sorted(rows)]
    names = list(keys.values())
    return PastRun(found, names, settings=settings, probes=probes, log_only=keys is not ours)


def _table(client: Any, run_id: str, names: list[str]) -> dict[int, dict[str, float]]:
    """Return the metrics' values by step, then by name."""
    table: dict[int, dict[str, float]] = {}
    for name in names:
        for metric in client.get_metric_history(run_id, name):
            table.setdefault(metric.step, {})[name] = metric.value
    return table
