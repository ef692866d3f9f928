"""Reads CSV logs, such as those of Keras' ``CSVLogger``."""

from __future__ import annotations

import csv
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

from keras_collapse.core.errors import InputError
from keras_collapse.core.readings.signals import SignalNames, recognise_names
from keras_collapse.sources.past_run import BlockedRows, LogColumns, LogRow, PastRun

STEP_COLUMNS = ("step", "global_step", "iteration", "iter")
"""Column names of the training step, in any case."""
FULL_PRECISION = 7
"""Decimals from which a number counts as written in full, not rounded for printing."""
LARGEST_STEP = 2**53
"""Larger whole numbers are not exact as floating-point numbers."""
BLOCK_ROWS = 256
"""Rows that are read at once; with more they leave the cache of a CPU, and reading is slower."""


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
        is_cut: whether the last line of the file has no end; known once it was read to its end.
    """

    def __init__(self, path: Path, lines: Iterable[str]) -> None:
        self.path = path
        self._lines = lines
        self._delimiter, self._line = ",", 0
        self.is_cut = False
        self.columns: Sequence[str] = ()
        for header in self._numbered():
            self._delimiter = max(",;\t", key=header.count)
            self.columns = [name.strip() for name in next(self._split([header]))[0]]
            break

    def _numbered(self) -> Iterator[str]:
        """The lines that are not blank, without their ends; keeps the number of the last one."""
        last = "\n"
        for number, line in enumerate(self._lines, 1):
            self._line = number
            if not line.isspace():
                last = line
                yield line.rstrip("\n")
        self.is_cut = not last.endswith("\n")

    def _split(self, lines: Iterable[str], size: int = BLOCK_ROWS) -> Iterator[list[list[str]]]:
        """The cells of so many rows at once."""
        rows = csv.reader(lines, delimiter=self._delimiter)
        try:
            while block := list(islice(rows, size)):
                yield block
        except csv.Error as error:
            raise InputError(
                f"line {self._line} of {str(self.path)!r} is no line of a CSV file ({error}). "
                "Correct the line."
            ) from None

    def blocks(self, size: int = BLOCK_ROWS) -> Iterator[list[list[str]]]:
        """The cells of the rows after the header, so many rows at once."""
        lines = self._numbered()
        next(lines, None)  # the header
        return self._split(lines, size)

    def line_of(self, row: int) -> int:
        """The line number of a row, which counts from 0."""
        for _ in islice(self.blocks(1), row + 1):
            pass
        return self._line


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
    last: Sequence[str] = ()
    for block in table.blocks():
        found.rows, last = found.rows + len(block), block[-1]
        if max(decimals.values()) < FULL_PRECISION:
            for key, place in places.items():
                cells = [cells[place] for cells in block if place < len(cells)]
                decimals[key] = _most_decimals(cells, decimals[key])
    if last and table.is_cut:
        shorter = len(last) < len(table.columns)
        if shorter or not _ends_like_others(table, last, found.rows - 1):
            found.rows -= 1
            found.cut_line = table.line_of(found.rows)
    if max(decimals.values()) < FULL_PRECISION:
        found.rounding = {key: 0.5 * 10.0**-count for key, count in decimals.items()}
    return found


def _most_decimals(cells: Sequence[str], known: int) -> int:
    """The largest number of decimals of these cells, or ``known`` if that is larger."""
    text = "\n".join(cells)
    if "e" not in text and "E" not in text and not re.search(rf"\.[^\n]{{{known + 1}}}", text):
        return known
    return max(known, *map(decimals_of, cells))


def _ends_like_others(table: _Table, last: Sequence[str], count: int) -> bool:
    """Whether a row's last cell has as many decimals as those of the rows before it, if all those
    have the same.
    """
    usual: set[int] = set()
    for block in table.blocks():
        for cells in block[:count]:
            if len(cells) == len(table.columns):
                usual.add(decimals_of(cells[-1]))
        count -= len(block)
        if count <= 0 or len(usual) > 1:
            break
    return len(usual) != 1 or decimals_of(last[-1]) in usual


class _Rows(BlockedRows):
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

    def blocks(self) -> Iterator[LogColumns | Sequence[LogRow]]:
        begin, last = 0, None
        for block in self._table.blocks():
            cells = block[: self._count - begin]
            if not cells:
                return
            columns = self._columns(begin, cells)
            if columns is not None and (last is None or columns.first_step > last):
                last = columns.last.step
                yield columns
            else:
                rows = list(self._one_by_one(begin, cells, last))
                last = rows[-1].step
                yield rows
            begin += len(cells)

    def _columns(self, begin: int, rows: Sequence[Sequence[str]]) -> LogColumns | None:
        """The rows as columns; None if there is a gap between their steps, or any cell is odd."""
        try:
            cells = list(zip(*rows, strict=True))
            logs = {key: list(map(float, cells[place])) for key, place in self._places.items()}
        except (ValueError, IndexError):
            return None
        names = self._table.columns
        if len(cells) != len(names):
            return None
        first, epochs = begin, None
        if self._counted is not None:
            steps = _whole_numbers(cells[names.index(self._counted)])
            if steps is None or steps != list(range(steps[0], steps[0] + len(steps))):
                return None
            first = steps[0]
        if self._epochs is not None:
            epochs = _whole_numbers(cells[names.index(self._epochs)])
            if epochs is None:
                return None
        return LogColumns(first, epochs, logs, self._rounding)

    def _one_by_one(
        self, begin: int, rows: Sequence[Sequence[str]], last: int | None
    ) -> Iterator[LogRow]:
        width = len(self._table.columns)
        for count, cells in enumerate(rows, begin):
            if len(cells) != width:
                raise self._error(
                    count, f" has {len(cells)} cells, the header has {width}. Correct the line."
                )
            step = count if self._counted is None else self._whole(count, cells, self._counted)
            if last is not None and step <= last:
                raise self._error(
                    count,
                    f": {self._counted} {step} comes after {last}. Sort the file, or split it at "
                    "the start of each run.",
                )
            last = step
            epoch = None if self._epochs is None else self._whole(count, cells, self._epochs)
            numbers = {key: self._number(count, key, cells[n]) for key, n in self._places.items()}
            log = {key: number for key, number in numbers.items() if number is not None}
            yield LogRow(step, epoch, log, self._rounding)

    def _number(self, row: int, column: str, cell: str) -> float | None:
        """The cell as a number; None if it is empty."""
        try:
            return float(cell)
        except ValueError:
            if not cell.strip():
                return None
            raise self._error(
                row,
                f": column {column[:80]!r} should hold a number. Received: {cell.strip()[:80]!r}.",
            ) from None

    def _whole(self, row: int, cells: Sequence[str], column: str) -> int:
        """The cell as an integer."""
        cell = cells[self._table.columns.index(column)]
        number = self._number(row, column, cell)
        if number is None or number % 1 != 0 or abs(number) > LARGEST_STEP:
            raise self._error(
                row, f": {column[:80]!r} should be a whole number. Received: {number}."
            )
        return int(number)

    def _error(self, row: int, message: str) -> InputError:
        return InputError(f"line {self._table.line_of(row)} of {str(self._table.path)!r}{message}")


def _whole_numbers(cells: Sequence[str]) -> list[int] | None:
    """The cells as integers; None if one is not written as such, or is huge."""
    plain = max(map(len, cells)) < 16 and all(map(str.isdecimal, cells))
    return list(map(int, cells)) if plain else None


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
