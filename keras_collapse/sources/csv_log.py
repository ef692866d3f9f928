"""Reads CSV logs, such as those of Keras' ``CSVLogger``."""

from __future__ import annotations

import csv
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from keras_collapse.core.errors import InputError
from keras_collapse.core.readings.signals import SignalNames, recognise_names
from keras_collapse.sources.past_run import LogRow, PastRun

STEP_COLUMNS = ("step", "global_step", "iteration", "iter")
"""Column names of the training step, in any case."""
FULL_PRECISION = 7
"""Decimals from which a number counts as written in full, not rounded for printing."""


def read_csv(path: Path, text: str, signals: Mapping[str, str] | None) -> PastRun:
    """Read a CSV log with one row per training step or per epoch.

    Args:
        path: the file, named in error messages.
        text: its content.
        signals: canonical signal to column, for names that are not recognised.

    Raises:
        InputError: a line is broken, or no column is a signal.
    """
    header, *lines = text.splitlines()
    delimiter = max(",;\t", key=header.count)
    columns = [name.strip() for name in next(csv.reader([header], delimiter=delimiter))]
    numbered = [(i, line) for i, line in enumerate(lines, 2) if line.strip()]
    names = recognise_names(columns, signals)
    cells = list(csv.reader((line for _, line in numbered), delimiter=delimiter))
    notes = list(names.questions)
    if cells and not text.endswith("\n") and _is_cut(cells, columns):
        cells.pop()
        notes.append(f"line {numbered[len(cells)][0]} is incomplete and was skipped")
    if not cells:
        raise InputError(f"{str(path)!r} has a header but no rows. Log at least one step.")
    table = _Table(path, columns, [n for n, _ in numbered[: len(cells)]], cells)
    rows, per_epoch = _rows_of(table, names)
    return PastRun(rows, per_epoch, {"signals": signals}, notes=notes)


def _is_cut(cells: Sequence[Sequence[str]], columns: Sequence[str]) -> bool:
    """Whether the last line, which has no line end, is incomplete."""
    last = cells[-1]
    if len(last) < len(columns):
        return True
    usual = {decimals_of(row[-1]) for row in cells[:-1] if len(row) == len(columns)}
    return len(usual) == 1 and decimals_of(last[-1]) not in usual


@dataclass(frozen=True, slots=True)
class _Table:
    path: Path
    columns: Sequence[str]
    lines: Sequence[int]  # the line in the file of each row
    cells: Sequence[Sequence[str]]

    def number(self, row: int, column: str) -> float | None:
        """The cell as a number; None if it is empty."""
        cells = self.cells[row]
        if len(cells) != len(self.columns):
            raise InputError(
                f"line {self.lines[row]} of {str(self.path)!r} has {len(cells)} cells, the header "
                f"has {len(self.columns)}. Correct the line."
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
    """The rows, and whether each row is an epoch."""
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
                f"{rows[-1].step}. Sort the file, or split it at the start of each run."
            )
        epoch = None if per_epoch or epoch_column is None else _whole(table, i, epoch_column)
        log = {key: table.number(i, key) for key in names.keys.values()}
        known = {k: v for k, v in log.items() if v is not None}
        rows.append(LogRow(step, epoch, known))
    rounding = _rounding_of(table, names)
    return [replace(row, rounding=rounding) for row in rows], per_epoch


def _whole(table: _Table, row: int, column: str) -> int:
    """The cell as an integer."""
    number = table.number(row, column)
    if number is None or number % 1 != 0:
        raise InputError(
            f"line {table.lines[row]} of {str(table.path)!r}: {column!r} should be a whole number. "
            f"Received: {number}."
        )
    return int(number)


def _rounding_of(table: _Table, names: SignalNames) -> dict[str, float] | None:
    """Half a unit of each column's last printed decimal; None if numbers are written in full."""
    decimals = {
        key: max(decimals_of(row[table.columns.index(key)]) for row in table.cells)
        for key in names.keys.values()
    }
    if max(decimals.values()) >= FULL_PRECISION:
        return None
    return {key: 0.5 * 10.0**-count for key, count in decimals.items()}


def decimals_of(text: str) -> int:
    """Return the number of decimals of a printed number.

    >>> decimals_of("0.125"), decimals_of("1.25e-3")
    (3, 5)
    """
    mantissa, _, exponent = text.strip().lower().partition("e")
    shift = int(exponent) if exponent.lstrip("+-").isdigit() else 0
    return max(len(mantissa.partition(".")[2]) - shift, 0)
