"""What a run in MLflow gets at its end: the verdict, the files, and how it ended."""

from __future__ import annotations

import csv
import io
import os
import time
from collections.abc import Sequence
from pathlib import Path

from keras_collapse import sources
from keras_collapse.core.errors import InputError
from keras_collapse.core.findings import Verdict
from keras_collapse.core.journal import FILE_NAME
from keras_collapse.core.process.termination import Ending
from keras_collapse.core.readings.reading import Reading
from keras_collapse.core.records import Record, RunEnded, parse
from keras_collapse.core.samples.probe import Probe
from keras_collapse.outputs.markdown import best_tags, cause_tags, description
from keras_collapse.outputs.mlflow import rest
from keras_collapse.outputs.mlflow.budget import ReadingPoints
from keras_collapse.outputs.mlflow.outbox import END, Outbox
from keras_collapse.outputs.mlflow.sender_thread import SenderThread
from keras_collapse.outputs.style import SEVERITY, SYMBOL
from keras_collapse.sources.mlflow_run import READINGS

SAMPLE_TABLE = "sample_checks.csv"
"""Artifact with all statistics of all sample checks."""
PICTURES = {"samples_start.png": "first samples", "samples.png": "latest samples"}
"""Sample grids that the run's description shows: MLflow hides an image series behind the run's
parameters until its chart is enlarged."""
FILES = (*PICTURES, "samples_finding.png", FILE_NAME)
"""Files of a run's folder that are artifacts."""
WEIGHTS = "best_generator.weights.h5"
"""G's best weights, an artifact if they are small."""
MOST_BYTES = 64_000_000
"""Largest file of weights that is an artifact: what a slow line sends in a minute."""
TAIL_BYTES = 1_000_000
"""Longest last record of a journal that is looked for."""


def put_verdict(
    outbox: Outbox, run_dir: Path, verdict: Verdict, probes: Sequence[Probe] = ()
) -> None:
    """Put the verdict: tags, description, numbers to sort by, and a name for a run without one.

    A name that the user gave gets a symbol in front if something was found: a run table shows
    names first, while tags and metrics need scrolling.

    Args:
        outbox: of the run.
        run_dir: the run's folder.
        verdict: final, or the one so far.
        probes: all sample checks.
    """
    cause = verdict.cause
    outbox.put("tags", values=verdict_tags(verdict))
    pictures = {name: words for name, words in PICTURES.items() if (run_dir / name).exists()}
    outbox.put("note", text=description(verdict), pictures=pictures)
    numbers = {"collapse.severity": SEVERITY[verdict.status]}
    if cause is not None:
        numbers["collapse.first_step"] = cause.first_step
    outbox.put("metrics", step=max(verdict.steps - 1, 0), values=numbers)
    if probes:
        outbox.put("text", name=SAMPLE_TABLE, text=sample_table(probes))
    if outbox.state["own"]:
        began = time.strftime("%m-%d %H:%M", time.localtime(outbox.state["began"] / 1000))
        words = cause.kind.replace("_", " ") if cause else str(verdict.status)
        outbox.put("rename", symbol=SYMBOL[verdict.status], name=f"{words} {began}")


def verdict_tags(verdict: Verdict) -> dict[str, str]:
    """Return the tags of a run with this verdict."""
    status = {"collapse.verdict": str(verdict.status)}
    return {**status, **cause_tags(verdict.cause), **best_tags(verdict)}


def put_end(
    outbox: Outbox, run_dir: Path, status: str, reason: str = "", abandoned: bool = False
) -> None:
    """Put the run's files and how it ended.

    Args:
        outbox: of the run.
        run_dir: the run's folder.
        status: ``FINISHED``, ``FAILED`` or ``KILLED``, for a run that is ours to end.
        reason: why the fit did not reach its end.
        abandoned: nobody else will end the run, even if it is not ours.
    """
    for name in (*FILES, WEIGHTS):
        path = run_dir / name
        if path.exists() and (name != WEIGHTS or path.stat().st_size <= MOST_BYTES):
            outbox.put("file", path=str(path.resolve()))
    outbox.put(END, status=status, reason=reason, abandoned=abandoned)


def end_early(
    outbox: Outbox,
    thread: SenderThread,
    run_dir: Path,
    probes: Sequence[Probe],
    points: ReadingPoints,
    ending: Ending,
) -> None:
    """End the run of a fit that never reached its end, with the verdict so far.

    Args:
        outbox: of the run.
        thread: sends the outbox.
        run_dir: the run's folder.
        probes: all sample checks.
        points: the readings that were not put yet.
        ending: how the fit ended.
    """
    if thread.fault:
        return
    if (point := points.rest()) is not None:
        put_reading(outbox, point)
    verdict = verdict_so_far(run_dir)
    if verdict is not None:
        put_verdict(outbox, run_dir, verdict, probes)
    # Nobody else can end a run of the user's if the process dies.
    put_end(outbox, run_dir, ending.status, ending.reason, abandoned=ending.terminated)
    if not thread.finish() and ending.terminated:
        rest.start()  # the process dies without its exit handlers


def put_reading(outbox: Outbox, reading: Reading) -> None:
    """Put a reading: its metrics at the last of its steps."""
    named = {READINGS + signal: float(value) for signal, value in reading.values.items()}
    outbox.put("metrics", step=reading.step, values=named)


def verdict_so_far(run_dir: Path) -> Verdict | None:
    """Return the verdict on a fit that did not reach its end, from its journal; None without one.

    If the journal ends with a verdict, that one; else the journal is examined.
    """
    try:
        last = _last_record(run_dir / FILE_NAME)
        if isinstance(last, RunEnded):
            return last.verdict
        return sources.examine(sources.read(run_dir)).verdict
    except (InputError, OSError):  # it ended before its first step
        return None


def sample_table(probes: Sequence[Probe]) -> str:
    """Return all sample checks as CSV, a row per check.

    >>> print(sample_table([Probe(9, {"recall": 0.5}), Probe(19, {"recall": 0.75, "fake": 64.0})]))
    step,recall,fake
    9,0.5,
    19,0.75,64.0
    <BLANKLINE>
    """
    names = list(dict.fromkeys(name for probe in probes for name in probe.values))
    text = io.StringIO()
    table = csv.DictWriter(text, ["step", *names], lineterminator="\n")
    table.writeheader()
    table.writerows({"step": probe.step, **probe.values} for probe in probes)
    return text.getvalue()


def _last_record(path: Path) -> Record | None:
    with path.open("rb") as file:
        size = file.seek(0, os.SEEK_END)
        file.seek(max(size - TAIL_BYTES, 0))
        lines = file.read().splitlines()
    try:
        return parse(lines[-1])
    except (IndexError, ValueError):  # empty, or the last line was cut short by a kill
        return None
