"""Past runs as readings, and the verdict on them: CSV files and our own journals."""

from __future__ import annotations

import csv
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from keras_collapse.core.averaging import Averaging, batch_size_of
from keras_collapse.core.errors import InputError
from keras_collapse.core.examiner import Examiner
from keras_collapse.core.findings import Finding, Verdict
from keras_collapse.core.journal import FILE_NAME, read_journal, understood
from keras_collapse.core.probes import Probe
from keras_collapse.core.reader import FLOAT32_ROUNDING, Reader
from keras_collapse.core.readings import Reading
from keras_collapse.core.signals import SignalNames, recognise_names

STEP_COLUMNS = ("step", "global_step", "iteration", "iter")
EPOCH_STEPS = 20
"""Training steps an epoch is taken to have at least, where a log has one row per epoch."""
READER_SETTINGS = ("signals", "averaging", "hint", "raw", "origin")
"""What a journal says of the `Reader` its run had."""
FULL_PRECISION = 7
"""Decimals from which a file was not rounded for printing."""


@dataclass(frozen=True, slots=True)
class LogRow:
    """One line of a log: what `Reader.read` takes."""

    step: int
    epoch: int | None
    logs: Mapping[str, float]
    rounding: Mapping[str, float] | None = None


@dataclass(frozen=True, slots=True)
class PastRun:
    """A run that has ended, as its log tells it.

    Args:
        rows: its log, in order.
        per_epoch: one row an epoch, so a "step" is an epoch.
        settings: of the `Reader`, as the run itself had them.
        reports: findings that rest on no reading, as the run itself had them.
        probes: looks at its samples, in order.
        blind: why its samples were not compared with data; empty where they were.
        notes: what a person should know about the source, such as a line left out.
    """

    rows: Sequence[LogRow]
    per_epoch: bool = False
    settings: Mapping[str, Any] = field(default_factory=dict)
    reports: Sequence[Finding] = ()
    probes: Sequence[Probe] = ()
    blind: str = ""
    notes: Sequence[str] = field(default_factory=tuple)


def diagnose(source: str | Path, signals: Mapping[str, str] | None = None) -> Verdict:
    """Say after the fact what the monitor would have said during the run.

    Args:
        source: a CSV file with one row per step or epoch, a run folder, or its journal.
        signals: canonical signal to column, where the names are not recognised.

    Raises:
        InputError: the source is missing, empty, broken, or holds no GAN signal.
    """
    return examine(read(source, signals))


def readings_of(run: PastRun) -> list[Reading]:
    """A past run's readings, averaging undone."""
    return [reading for _, readings in _read_rows(run, _reader(run)) for reading in readings]


def _reader(run: PastRun) -> Reader:
    return Reader(**run.settings, relative_rounding=FLOAT32_ROUNDING)


def _read_rows(run: PastRun, reader: Reader) -> Iterator[tuple[int, Sequence[Reading]]]:
    """Each row's step and the readings that it completes; at the end those still held back."""
    step = -1
    for row in run.rows:
        step = row.step
        yield step, reader.read(step, row.logs, row.epoch, row.rounding)
    yield step, reader.close()


def examine(run: PastRun) -> Verdict:
    """The verdict on a past run: the very way that live numbers go."""
    reader = _reader(run)
    examiner = Examiner(row_steps=EPOCH_STEPS if run.per_epoch else 1)
    examiner.blind = run.blind
    probes = list(run.probes)
    for step, readings in _read_rows(run, reader):
        for reading in readings:
            examiner.update(reading)
        while probes and probes[0].step <= step:
            examiner.look(probes.pop(0))
    for finding in (*reader.findings(), *run.reports):
        examiner.report(finding)
    averaging = reader.averaging
    if run.per_epoch and averaging == Averaging.BATCH:
        shares = [v for row in run.rows for k, v in row.logs.items() if "acc" in k.lower()]
        averaging = Averaging.LAST if batch_size_of(shares) else Averaging.EPOCH
    return examiner.verdict(averaging)


def read(source: str | Path, signals: Mapping[str, str] | None = None) -> PastRun:
    """Read a CSV file, a run folder or a journal. Raises InputError as `diagnose`."""
    path = Path(source)
    if path.is_dir() or path.suffix == ".jsonl":
        return _read_run(path, signals)
    return _read_csv(path, signals)


# -- our own journal -------------------------------------------------------------------------


def _read_run(path: Path, signals: Mapping[str, str] | None) -> PastRun:
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
                        _floats(record["logs"]),
                        _floats(errors) if errors is not None else None,
                    )
                )
            elif record["record"] == "probe":
                probes.append(Probe(record["step"], _floats(record["values"])))
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


def _floats(numbers: Mapping[str, Any]) -> dict[str, float]:
    return {name: float(number) for name, number in numbers.items()}


# -- CSV -------------------------------------------------------------------------------------


def _read_csv(path: Path, signals: Mapping[str, str] | None) -> PastRun:
    text = _text_of(path)
    header, *lines = text.splitlines()
    delimiter = max(",;\t", key=header.count)
    columns = [name.strip() for name in next(csv.reader([header], delimiter=delimiter))]
    numbered = [(i, line) for i, line in enumerate(lines, 2) if line.strip()]
    names = recognise_names(columns, signals)
    cells = list(csv.reader((line for _, line in numbered), delimiter=delimiter))
    notes = []
    if cells and not text.endswith("\n") and _is_cut(cells, columns):
        cells.pop()
        notes.append(f"line {numbered[len(cells)][0]} was cut off and left out")
    if not cells:
        raise InputError(f"{str(path)!r} has a header but no rows. Log at least one step.")
    table = _Table(path, columns, [n for n, _ in numbered[: len(cells)]], cells)
    rows, per_epoch = _rows_of(table, names)
    return PastRun(rows, per_epoch, {"signals": signals}, notes=notes)


def _text_of(path: Path) -> str:
    try:
        text = path.read_text(encoding="utf-8-sig")
    except FileNotFoundError:
        raise InputError(f"no such file: {str(path)!r}. Give a CSV file or a run folder.") from None
    except OSError as error:
        raise InputError(f"cannot read {str(path)!r} ({error.strerror}).") from None
    except UnicodeDecodeError:
        raise InputError(
            f"{str(path)!r} is no text file. Give a CSV file or a run folder."
        ) from None
    if not text.strip():
        raise InputError(f"{str(path)!r} is empty. Give a CSV file with a header and rows.")
    return text.lstrip("\n")


def _is_cut(cells: Sequence[Sequence[str]], columns: Sequence[str]) -> bool:
    """Was the last line, which no line end follows, cut off in the middle?"""
    last = cells[-1]
    if len(last) < len(columns):
        return True
    usual = {_decimals(row[-1]) for row in cells[:-1] if len(row) == len(columns)}
    return len(usual) == 1 and _decimals(last[-1]) not in usual


@dataclass(frozen=True, slots=True)
class _Table:
    path: Path
    columns: Sequence[str]
    lines: Sequence[int]  # the line in the file of each row
    cells: Sequence[Sequence[str]]

    def number(self, row: int, column: str) -> float | None:
        """The cell as a number; None where it is empty."""
        cells = self.cells[row]
        if len(cells) != len(self.columns):
            raise InputError(
                f"line {self.lines[row]} of {str(self.path)!r} has {len(cells)} cells, the header "
                f"has {len(self.columns)}. Mend the line."
            )
        text = cells[self.columns.index(column)].strip()
        try:
            return float(text) if text else None
        except ValueError:
            raise InputError(
                f"line {self.lines[row]} of {str(self.path)!r}: column {column!r} should hold a "
                f"number. Received: {text!r}."
            ) from None


def _rows_of(table: _Table, names: SignalNames) -> tuple[list[LogRow], bool]:
    """The rows, and whether a row is an epoch."""
    lower = {name.lower(): name for name in table.columns}
    step_column = next((lower[name] for name in STEP_COLUMNS if name in lower), None)
    epoch_column = lower.get("epoch")
    per_epoch = step_column is None and epoch_column is not None and "batch" not in lower
    counted = step_column or (epoch_column if per_epoch else None)
    rows: list[LogRow] = []
    for i in range(len(table.cells)):
        step = i if counted is None else _whole(table, i, counted)
        if rows and step <= rows[-1].step:
            raise InputError(
                f"line {table.lines[i]} of {str(table.path)!r}: {counted} {step} comes after "
                f"{rows[-1].step}. Sort the file, or split it where a new run begins."
            )
        epoch = None if per_epoch or epoch_column is None else _whole(table, i, epoch_column)
        log = {key: table.number(i, key) for key in names.keys.values()}
        known = {k: v for k, v in log.items() if v is not None}
        rows.append(LogRow(step, epoch, known))
    rounding = _rounding_of(table, names)
    return [replace(row, rounding=rounding) for row in rows], per_epoch


def _whole(table: _Table, row: int, column: str) -> int:
    number = table.number(row, column)
    if number is None or number % 1 != 0:
        raise InputError(
            f"line {table.lines[row]} of {str(table.path)!r}: {column!r} should be a whole number. "
            f"Received: {number}."
        )
    return int(number)


def _rounding_of(table: _Table, names: SignalNames) -> dict[str, float] | None:
    """Half a unit of each column's last printed decimal; None for full precision."""
    decimals = {
        key: max(_decimals(row[table.columns.index(key)]) for row in table.cells)
        for key in names.keys.values()
    }
    if max(decimals.values()) >= FULL_PRECISION:
        return None
    return {key: 0.5 * 10.0**-count for key, count in decimals.items()}


def _decimals(text: str) -> int:
    """Decimals of a printed number: 3 for "0.125", 5 for "1.25e-3"."""
    mantissa, _, exponent = text.strip().lower().partition("e")
    shift = int(exponent) if exponent.lstrip("+-").isdigit() else 0
    return max(len(mantissa.partition(".")[2]) - shift, 0)
