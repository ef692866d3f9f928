"""Our own journal."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from keras_collapse.core.errors import InputError
from keras_collapse.core.findings import Finding
from keras_collapse.core.journal import FILE_NAME, read_journal, understood
from keras_collapse.core.samples.probe import Probe
from keras_collapse.sources.past_run import LogRow, PastRun

READER_SETTINGS = ("signals", "averaging", "hint", "raw", "origin")
"""What a journal says of the `Reader` its run had."""


def read_run(path: Path, signals: Mapping[str, str] | None) -> PastRun:
    """The run of a folder, or of a journal's file.

    Raises:
        InputError: there is none, or no step in it yet, or it is broken.
    """
    if path.is_dir() and not (path / FILE_NAME).exists():
        raise InputError(f"no {FILE_NAME} in {str(path)!r}. Give a run folder or a CSV file.")
    rows: list[LogRow] = []
    reports: list[Finding] = []
    probes: list[Probe] = []
    settings: dict[str, Any] = {}
    blind, ended = "", False
    with understood(path):
        for record in read_journal(path):
            if record["record"] == "reader":
                settings = {key: record[key] for key in READER_SETTINGS}
            elif record["record"] == "logs":
                errors = record.get("rounding")
                rows.append(
                    LogRow(
                        record["step"],
                        record["epoch"],
                        floats(record["logs"]),
                        floats(errors) if errors is not None else None,
                    )
                )
            elif record["record"] == "probe":
                probes.append(Probe(record["step"], floats(record["values"])))
            elif record["record"] == "blind":
                blind = str(record["why"])
            elif record["record"] == "report":
                reports.append(Finding.from_dict(record["finding"]))
            ended = record["record"] == "end"
    if not rows:
        raise InputError(f"the journal in {str(path)!r} holds no step yet. Look again later.")
    notes = [] if ended else ["the run has not ended, or was killed"]
    if signals:
        settings["signals"] = signals
    return PastRun(
        rows, settings=settings, reports=reports, probes=probes, blind=blind, notes=notes
    )


def floats(numbers: Mapping[str, Any]) -> dict[str, float]:
    return {name: float(number) for name, number in numbers.items()}
