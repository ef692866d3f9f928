"""Reads CSV logs, such as those of Keras' ``CSVLogger``."""

from __future__ import annotations

import csv
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from keras_collapse.core.errors import InputError
from keras_collapse.core.readings.signals import SignalNames, recognise_names
from keras_collapse.sources.past_run import LogRow, PastRun

STEP_COLUMNS = ("step", "global_step", "iteration", "iter")
"""Column names of the training step, in any case."""
FULL_PRECISION = 7
"""Decimals from which a number counts as written in full, not rounded for printing."""
LARGEST_STEP = 2**53
"""Larger whole numbers are not exact as floating-point numbers."""


def read_csv(path: Path, lines: Iterable[str], signals: Mapping[str, str] | None) -> PastRun:
    """Read a CSV log with one row per training step or per epoch.

    The file is read once here, and again at each iteration over the run's rows.

    Args:
        path: the file, named in error messages.
        lines: its lines, with their ends; iterated more than once.
        signals: canonical signal to column, for names that are not recognised.

    Raises:
        InputError: a line is broken (also while the rows are iterated), or no column is a signal.
    """
    table = _Table(path, lines)
    names = recognise_names(table.columns, signals)
    survey = _survey(table, names)
    notes = list(names.questions)
    if survey.cut_line:
        notes.append(f"line {survey.cut_line} is incomplete and was skipped")
    if not survey.rows:
        raise InputError(f"{str(path)!r} has a header but no rows. Log at least one step.")
    rows = _Rows(table, names, survey.rows, survey.rounding)
    keys = list(names.keys.values())
    return PastRun(rows, keys, rows.per_epoch, {"signals": signals}, notes=notes)


class _Table:
    """The cells of the file, read anew at each iteration.

    Attributes:
        columns: the names in the header.
        is_cut: whether the last line that was read has no end.
    """

    def __init__(self, path: Path, lines: Iterable[str]) -> None:
        self.path = path
        self._lines = lines
        self._delimiter, self._line = ",", 0
        self.is_cut = False
        self.columns: Sequence[str] = ()
        for header in self._numbered():
            self._delimiter = max(",;\t", key=header.count)
            self.columns = [name.strip() for name in next(self._split([header]))]
            break

    def _numbered(self) -> Iterator[str]:
        """The lines that are not blank, without their ends; keeps the number of the last one."""
        for number, line in enumerate(self._lines, 1):
            self._line = number
            if line.strip():
                self.is_cut = not line.endswith("\n")
                yield line.rstrip("\n")

    def _split(self, lines: Iterable[str]) -> Iterator[list[str]]:
        try:
            yield from csv.reader(lines, delimiter=self._delimiter)
        except csv.Error as error:
            raise InputError(
                f"line {self._line} of {str(self.path)!r} is no line of a CSV file ({error}). "
                "Correct the line."
            ) from None

    def __iter__(self) -> Iterator[tuple[int, list[str]]]:
        """Each row's line number and cells."""
        lines = self._numbered()
        next(lines, None)  # the header
        for cells in self._split(lines):
            yield self._line, cells


@dataclass(slots=True)
class _Survey:
    """What must be known of a table before its first row is used.

    Args:
        rows: the number of its rows, without an incomplete last one.
        cut_line: the line number of that one; 0 without one.
        rounding: half a unit of each column's last printed decimal; None if numbers are written in
            full.
    """

    rows: int = 0
    cut_line: int = 0
    rounding: dict[str, float] | None = None


def _survey(table: _Table, names: SignalNames) -> _Survey:
    found = _Survey()
    places = {key: table.columns.index(key) for key in names.keys.values()}
    decimals = dict.fromkeys(places, 0)
    usual: set[int] = set()  # decimals of the last column, of all rows but the last
    last_line, last = 0, None
    width, rounded = len(table.columns), True
    for line, cells in table:
        found.rows += 1
        if len(usual) < 2 and last is not None and len(last) == width:
            usual.add(decimals_of(last[-1]))
        last_line, last = line, cells
        if rounded:
            for key, place in places.items():
                if place < len(cells) and (count := decimals_of(cells[place])) > decimals[key]:
                    decimals[key] = count
                    rounded = rounded and count < FULL_PRECISION
    if last is not None and table.is_cut:
        shorter = len(last) < len(table.columns)
        if shorter or (len(usual) == 1 and decimals_of(last[-1]) not in usual):
            found.rows, found.cut_line = found.rows - 1, last_line
    if max(decimals.values()) < FULL_PRECISION:
        found.rounding = {key: 0.5 * 10.0**-count for key, count in decimals.items()}
    return found


class _Rows:
    """The rows of a table, read anew at each iteration.

    Args:
        table: the table.
        names: of its signals.
        count: the rows to read: a file that grows gets no others.
        rounding: of each column.

    Attributes:
        per_epoch: whether each row is an epoch.
    """

    def __init__(
        self, table: _Table, names: SignalNames, count: int, rounding: dict[str, float] | None
    ) -> None:
        self._table, self._count, self._rounding = table, count, rounding
        self._places = {key: table.columns.index(key) for key in names.keys.values()}
        lower = {name.lower(): name for name in table.columns}
        step_column = next((lower[name] for name in STEP_COLUMNS if name in lower), None)
        epoch_column = lower.get("epoch")
        self.per_epoch = step_column is None and epoch_column is not None and "batch" not in lower
        self._counted = step_column or (epoch_column if self.per_epoch else None)
        self._epochs = None if self.per_epoch else epoch_column

    def __iter__(self) -> Iterator[LogRow]:
        width, places, last = len(self._table.columns), list(self._places.items()), None
        for count, (line, cells) in enumerate(self._table):
            if count == self._count:
                return
            if len(cells) != width:
                raise self._error(
                    line, f" has {len(cells)} cells, the header has {width}. Correct the line."
                )
            step = count if self._counted is None else self._whole(line, cells, self._counted)
            if last is not None and step <= last:
                raise self._error(
                    line,
                    f": {self._counted} {step} comes after {last}. Sort the file, or split it at "
                    "the start of each run.",
                )
            last = step
            epoch = None if self._epochs is None else self._whole(line, cells, self._epochs)
            try:
                log = {key: float(cells[place]) for key, place in places}
            except ValueError:  # a cell is empty, or broken
                numbers = {key: self._number(line, key, cells[place]) for key, place in places}
                log = {key: number for key, number in numbers.items() if number is not None}
            yield LogRow(step, epoch, log, self._rounding)

    def _number(self, line: int, column: str, cell: str) -> float | None:
        """The cell as a number; None if it is empty."""
        try:
            return float(cell)
        except ValueError:
            if not cell.strip():
                return None
            raise self._error(
                line,
                f": column {column[:80]!r} should hold a number. Received: {cell.strip()[:80]!r}.",
            ) from None

    def _whole(self, line: int, cells: Sequence[str], column: str) -> int:
        """The cell as an integer."""
        cell = cells[self._table.columns.index(column)]
        if len(cell) < 16 and cell.isdecimal():
            return int(cell)
        number = self._number(line, column, cell)
        if number is None or number % 1 != 0 or abs(number) > LARGEST_STEP:
            raise self._error(
                line, f": {column[:80]!r} should be a whole number. Received: {number}."
            )
        return int(number)

    def _error(self, line: int, message: str) -> InputError:
        return InputError(f"line {line} of {str(self._table.path)!r}{message}")


def decimals_of(text: str) -> int:
    """Return the number of decimals of a printed number.

    >>> decimals_of("0.125"), decimals_of("1.25e-3")
    (3, 5)
    """
    decimals = text[text.find(".") + 1 :]
    if decimals.isdecimal():  # no exponent; without a point all of the text
        return len(decimals) if len(decimals) < len(text) else 0
    mantissa, _, exponent = text.strip().lower().partition("e")
    shift = int(exponent) if len(exponent) < 6 and _is_whole(exponent) else 0
    return max(len(mantissa.partition(".")[2]) - shift, 0)


def _is_whole(text: str) -> bool:
    digits = text[1:] if text[:1] in ("+", "-") else text
    return digits.isascii() and digits.isdecimal()
