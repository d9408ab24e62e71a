"""A CSV file as columns of cells that know their lines, and the checks all forms share."""

from __future__ import annotations

import csv
import io
from collections.abc import Callable
from dataclasses import dataclass
from itertools import compress, islice
from operator import itemgetter
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn, TypeVar

import numpy as np
from numpy.typing import NDArray

from vmagent_marl.errors import TraceError
from vmagent_marl.trace.trace import LATEST
from vmagent_marl.trace.units import MOST, to_whole

if TYPE_CHECKING:
    from _csv import Reader

_Number = TypeVar("_Number", np.int64, np.float64)
_LONGEST_CELL = 40  # characters of a bad cell that a message quotes


@dataclass(frozen=True)
class Form:
    """A way to write VM requests down: its columns, which a file may have in any order."""

    name: str
    columns: tuple[str, ...]

    def __str__(self) -> str:
        return f"{self.name} ({','.join(self.columns)})"


def read_rows(path: Path, text: str) -> tuple[list[str], list[list[str]]]:
    """The header's names (lower case, stripped) and the rows of cells, blank lines left out.

    Raises `TraceError` for a file without rows and for a row that is not as wide as the header.
    """
    reader = _reader(text)
    rows = filter(any, reader)
    try:
        header = [name.strip().lower() for name in next(rows, [])]
        body = list(rows)
    except csv.Error as error:
        raise TraceError(
            f"{path}, line {reader.line_num}: not comma-separated text ({error})"
        ) from None
    if not header:
        raise TraceError(f"{path}: the file is empty; a trace has a header and one row a request")
    if not body:
        raise TraceError(f"{path}: no row after the header; a trace has one row a request")
    for row, cells in enumerate(body):
        if len(cells) != len(header):
            raise TraceError(
                f"{path}, line {line_of(text, row)}: {len(cells)} fields where the header has "
                f"{len(header)}; give one for each column"
            )
    return header, body


def line_of(text: str, row: int) -> int:
    """Line, counted from 1, of a row that is counted from 0 after the header (itself -1)."""
    reader = _reader(text)
    next(islice(filter(any, reader), row + 1, None))
    return reader.line_num


@dataclass(frozen=True)
class Table:
    """Columns of cells, and for each row which row of the file it is."""

    path: Path
    text: str  # the whole file, to find the line of a row when something is wrong with it
    columns: dict[str, list[str]]
    rows: NDArray[np.int64]  # (n,) row of the file, counted from 0 after the header

    @classmethod
    def of(
        cls, path: Path, text: str, header: list[str], body: list[list[str]], form: Form
    ) -> Table:
        """The columns of `form` out of all rows."""
        columns = {name: list(map(itemgetter(header.index(name)), body)) for name in form.columns}
        return cls(path, text, columns, np.arange(len(body)))

    def where(self, chosen: NDArray[np.bool_]) -> Table:
        """The rows that are chosen; messages go on naming their lines in the file."""
        picked = chosen.tolist()
        columns = {name: list(compress(cells, picked)) for name, cells in self.columns.items()}
        return Table(self.path, self.text, columns, self.rows[chosen])

    def empty(self, column: str) -> NDArray[np.bool_]:
        """(n,) where the cell is empty."""
        cells = self.columns[column]
        return ~np.fromiter(map(bool, map(str.strip, cells)), np.bool_, len(cells))

    def filled(self, column: str, chosen: NDArray[np.bool_], value: str) -> Table:
        """The same rows with `value` in the chosen cells of the column."""
        cells = self.columns[column].copy()
        for row in chosen.nonzero()[0].tolist():
            cells[row] = value
        return Table(self.path, self.text, {**self.columns, column: cells}, self.rows)

    def line(self, row: int) -> int:
        """Line of the file, counted from 1, on which the row stands."""
        return line_of(self.text, int(self.rows[row]))

    def fail(self, row: int, message: str) -> NoReturn:
        """Raise `TraceError` with the file and the line of a row."""
        raise TraceError(f"{self.path}, line {self.line(row)}: {message}")

    def require(self, holds: NDArray[np.bool_], column: str, rule: str) -> None:
        """Raise for the first row where the condition does not hold, quoting its cell."""
        if not holds.all():
            row = int(holds.argmin())
            self.fail(row, f"{column} is {_quoted(self.columns[column][row])}; {rule}")

    def ids(self, column: str, rule: str) -> NDArray[np.int64]:
        """(n,) whole numbers, no two alike; the rule is what a message says about a repeat."""
        values = self._converted(column, _whole, np.int64, "give a whole number of 64 bits")
        order = values.argsort(kind="stable")
        repeats = order[1:][values[order[1:]] == values[order[:-1]]]
        if repeats.size:
            again = int(repeats.min())
            before = self.line(int((values == values[again]).argmax()))
            self.fail(again, f"{column} {values[again]} again, after line {before}; {rule}")
        return values

    def numbers(self, column: str) -> NDArray[np.float64]:
        """(n,) finite numbers."""
        values = self._converted(column, float, np.float64, "give a number")
        self.require(np.isfinite(values), column, "give a finite number")
        return values

    def amounts(self, column: str, parts: int) -> NDArray[np.int32]:
        """(n,) sizes in parts of the file's unit, what is left over rounded up."""
        values = self.numbers(column)
        self.require(values > 0, column, "a size is above 0")
        self.require(values <= MOST / parts, column, f"the largest size is {MOST // parts}")
        return to_whole(values, parts)

    def seconds(self, column: str) -> NDArray[np.float64]:
        """(n,) times in s, fractions kept, 0..LATEST."""
        values = self.numbers(column)
        self.require(values >= 0, column, "a time is never negative")
        self.require(values <= LATEST, column, "the latest time is 2**52 s")
        return values

    def arrivals(self, column: str) -> NDArray[np.float64]:
        """(n,) times in s as `seconds`, never decreasing."""
        values = self.seconds(column)
        backwards = values[1:] < values[:-1]
        if backwards.any():
            row = int(backwards.argmax()) + 1
            cells = self.columns[column]
            self.fail(
                row,
                f"{column} is {_quoted(cells[row])}, before the {_quoted(cells[row - 1])} of line "
                f"{self.line(row - 1)}; sort the rows by arrival",
            )
        return values

    def _converted(
        self, column: str, convert: Callable[[str], float], dtype: type[_Number], rule: str
    ) -> NDArray[_Number]:
        cells = self.columns[column]
        try:
            return np.fromiter(map(convert, cells), dtype, len(cells))
        except (ValueError, OverflowError):
            # Cell by cell, only to name the line.
            converts = [_converts(cell, convert, dtype) for cell in cells]
            self.require(np.array(converts, dtype=np.bool_), column, rule)
            raise


def _converts(cell: str, convert: Callable[[str], float], dtype: type[np.number]) -> bool:
    try:
        np.array(convert(cell), dtype=dtype)
    except (ValueError, OverflowError):
        return False
    return True


def _whole(cell: str) -> int:
    """An id; "7.0" is one too, since tools that know missing values write ids like that."""
    try:
        return int(cell)
    except ValueError:
        number, point, zeros = cell.strip().partition(".")
        if not point or zeros.strip("0"):
            raise
        return int(number)


def _quoted(cell: str) -> str:
    return repr(cell if len(cell) <= _LONGEST_CELL else cell[:_LONGEST_CELL] + "...")


def _reader(text: str) -> Reader:
    return csv.reader(io.StringIO(text, newline=""), skipinitialspace=True)
