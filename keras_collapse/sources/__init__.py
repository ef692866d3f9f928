"""Readers of past runs, from a log file to a tracking server, and the verdict on them."""

from __future__ import annotations

import csv
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

from keras_collapse.core.atomic_files import TextFile
from keras_collapse.core.errors import InputError
from keras_collapse.core.findings import Verdict
from keras_collapse.core.journal import FILE_NAME
from keras_collapse.core.readings.signals import recognise_names
from keras_collapse.sources.csv_log import read_csv
from keras_collapse.sources.journal_run import read_run
from keras_collapse.sources.mlflow_run import read_mlflow_run, run_id_of
from keras_collapse.sources.notebook import read_notebook
from keras_collapse.sources.past_run import Examination, LogRow, PastRun, RunContext, examine
from keras_collapse.sources.tensorboard_events import event_files, read_events
from keras_collapse.sources.text_log import read_pattern, read_text

__all__ = [
    "Examination",
    "LogRow",
    "PastRun",
    "RunContext",
    "diagnose",
    "examine",
    "read",
]
KNOWN_AVERAGING = ("batch", "epoch", "run")
ACCEPTED = (
    "Give a run folder, a CSV file, a text log, a notebook, TensorBoard's event files, or "
    "mlflow:RUN_ID."
)


def diagnose(
    source: str | Path,
    signals: Mapping[str, str] | None = None,
    tracking_uri: str | None = None,
    averaging: str | None = None,
    pattern: str | None = None,
) -> Verdict:
    """Diagnose a finished run from its log.

    The readings pass through the same detectors as those of a live run.

    Args:
        source: a run folder or its journal; a CSV file with one row per step or epoch; a text log
            of Keras' progress bar or of a custom loop; a notebook, whose cell outputs are read;
            TensorBoard's event files or their folder; or ``"mlflow:RUN_ID"``.
        signals: canonical signal to name in the log, for names that are not recognised.
        tracking_uri: the MLflow server; MLflow's own setting if None.
        averaging: what each logged number is the mean of: ``"batch"``, ``"epoch"`` or ``"run"``
            (all batches since that began); None to infer it.
        pattern: a regular expression for the lines of a text log, with named groups such as
            ``(?P<step>...)``, ``(?P<epoch>...)``, ``(?P<d_loss>...)``; see `SIGNALS`.

    Returns:
        The verdict with its findings.

    Raises:
        InputError: the source is missing, empty or broken, or contains no GAN signal.

    >>> import tempfile
    >>> from pathlib import Path
    >>> log = Path(tempfile.mkdtemp(), "run.csv")
    >>> rows = [f"{step},1.0,0.0" for step in range(300)]
    >>> _ = log.write_text("\\n".join(["step,d_acc_real,d_acc_fake", *rows]))
    >>> diagnose(log).cause.kind
    'discriminator_pinned'
    """
    run = read(source, signals, tracking_uri, averaging, pattern)
    return examine(run, keep_readings=False).verdict


def read(
    source: str | Path,
    signals: Mapping[str, str] | None = None,
    tracking_uri: str | None = None,
    averaging: str | None = None,
    pattern: str | None = None,
) -> PastRun:
    """Read a past run from any source that `diagnose` accepts; the arguments are the same.

    Raises:
        InputError: see `diagnose`.
    """
    if averaging is not None and averaging not in KNOWN_AVERAGING:
        raise InputError(f"averaging: use {', '.join(KNOWN_AVERAGING)}. Received: {averaging!r}.")
    run = _read(source, signals, tracking_uri, pattern)
    settings = dict(run.settings) | ({"averaging": averaging} if averaging else {})
    return replace(run, settings=settings)


def _read(
    source: str | Path,
    signals: Mapping[str, str] | None,
    tracking_uri: str | None,
    pattern: str | None,
) -> PastRun:
    if not str(source).strip():
        raise InputError(f"the source is empty. {ACCEPTED}")
    run_id = run_id_of(str(source))
    path = Path(source)
    try:
        is_folder = path.is_dir()
    except ValueError:
        raise InputError(f"no file can be named {str(path)!r}. {ACCEPTED}") from None
    if pattern is not None:
        if run_id is not None or is_folder or path.suffix in (".jsonl", ".ipynb", ".csv"):
            raise InputError(f"pattern: only text logs are read by one. Received: {str(source)!r}.")
        _first_line(path)
        return read_pattern(TextFile(path), repr(str(path)), pattern, signals)
    if run_id == "":
        raise InputError(f"no run ID after 'mlflow:'. Received: {str(source)!r}.")
    if run_id is not None:
        return read_mlflow_run(run_id, signals, tracking_uri)
    if is_folder and not (path / FILE_NAME).exists() and event_files(path):
        return read_events(path, signals)
    if is_folder or path.suffix == ".jsonl":
        return read_run(path, signals)
    if "tfevents" in path.name and path.exists():
        return read_events(path, signals)
    header = _first_line(path)
    if path.suffix == ".ipynb":
        return read_notebook(path, signals)
    if path.suffix == ".csv" or _is_table(header, signals):
        return read_csv(path, TextFile(path), signals)
    return read_text(TextFile(path), repr(str(path)), signals)


def _is_table(header: str, signals: Mapping[str, str] | None) -> bool:
    """Whether the first line is a table's header with a signal's name."""
    if ":" in header or not any(mark in header for mark in ",;\t"):
        return False
    try:
        columns = next(csv.reader([header], delimiter=max(",;\t", key=header.count)))
        recognise_names([name.strip() for name in columns], signals)
    except (InputError, csv.Error):
        return False
    return True


def _first_line(path: Path) -> str:
    """The first line of a text file that is not blank."""
    try:
        for line in TextFile(path):
            if line.strip():
                return line
    except FileNotFoundError:
        raise InputError(f"no such file: {str(path)!r}. {ACCEPTED}") from None
    except OSError as error:
        raise InputError(f"cannot read {str(path)!r} ({error.strerror}).") from None
    raise InputError(f"{str(path)!r} is empty. {ACCEPTED}")
