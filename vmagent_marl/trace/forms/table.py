"""Rows of a file as columns of cells that know their lines, and the checks all forms share."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from itertools import compress
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from vmagent_marl.trace.forms.bad_rows import BadRows
from vmagent_marl.trace.trace import LATEST
from vmagent_marl.trace.units import MOST, to_whole

Cells = list[Any] | NDArray[Any]
"""A column as it stands in a file: texts, a database's values, or numbers read already."""

_Number = TypeVar("_Number", np.int64, np.float64)
_LONGEST_CELL = 40  # characters of a bad cell that a message quotes


@dataclass
class Table:
    """Some rows of a file. A check that a row fails reports it, and marks it as bad.

    What the checks return holds a value for bad rows too, so that all columns keep their length;
    `good` tells which to keep.
    """

    columns: dict[str, Cells]
    lines: NDArray[np.int64]  # (n,) number of each row in the file, for messages
    bad_rows: BadRows
    bad: NDArray[np.bool_] = field(init=False)  # (n,)

    def __post_init__(self) -> None:
        self.bad = np.zeros(self.lines.size, np.bool_)

    @property
    def good(self) -> NDArray[np.bool_]:
        """(n,) where no check has failed so far."""
        return ~self.bad

    def where(self, chosen: NDArray[np.bool_]) -> Table:
        """The rows that are chosen, none of them marked as bad."""
        picked = chosen.tolist()
        columns: dict[str, Cells] = {
            name: cells[chosen] if isinstance(cells, np.ndarray) else list(compress(cells, picked))
            for name, cells in self.columns.items()
        }
        return Table(columns, self.lines[chosen], self.bad_rows)

    def fill(self, column: str, chosen: NDArray[np.bool_], value: float) -> None:
        """Put `value` into the chosen cells of the column."""
        cells = self.columns[column].copy()
        if isinstance(cells, np.ndarray):
            cells[chosen] = value
        else:
            for row in chosen.nonzero()[0].tolist():
                cells[row] = value
        self.columns = {**self.columns, column: cells}

    def empty(self, column: str) -> NDArray[np.bool_]:
        """(n,) where the cell is empty: no text, NULL, or NaN among numbers read already."""
        cells = self.columns[column]
        if isinstance(cells, np.ndarray):
            return np.isnan(cells)
        blank = (cell is None or (isinstance(cell, str) and not cell.strip()) for cell in cells)
        return np.fromiter(blank, np.bool_, len(cells))

    def require(self, holds: NDArray[np.bool_], column: str, rule: str) -> None:
        """Report the rows where the condition does not hold, quoting their cells."""
        wrong = ~holds & ~self.bad
        if not wrong.any():
            return
        rows = wrong.nonzero()[0]
        self.bad |= wrong
        cells = self.columns[column]
        self.bad_rows.add(
            self.lines[rows], lambda i: f"{column} is {quoted(cells[rows[i]])}; {rule}"
        )

    def ids(self, column: str) -> NDArray[np.int64]:
        """(n,) whole numbers of 64 bits."""
        return self._converted(column, _whole, np.int64, "give a whole number of 64 bits")

    def keys(self, column: str) -> tuple[NDArray[np.int64], NDArray[np.bool_]]:
        """(n,) what tells the ids apart, and (n,) where they are no whole numbers.

        Whole numbers of 64 bits stand for themselves, other texts for their hashes: two of three
        million hardly ever agree (1 in 4e6).
        """
        cells = self.columns[column]
        if isinstance(cells, np.ndarray):
            return cells.astype(np.int64, copy=False), np.zeros(len(cells), np.bool_)
        self.require(~self.empty(column), column, "give the VM's id")
        whole = [_number(cell, _whole, np.int64) for cell in cells]
        text = np.array([value is None for value in whole], np.bool_)
        named = (
            hash(cell.strip()) if value is None else value
            for cell, value in zip(cells, whole, strict=True)
        )
        return np.fromiter(named, np.int64, len(cells)), text & self.good

    def numbers(self, column: str) -> NDArray[np.float64]:
        """(n,) finite numbers."""
        values = self._converted(column, _float, np.float64, "give a number")
        self.require(np.isfinite(values), column, "give a finite number")
        return np.where(self.bad, 1.0, values)

    def amounts(self, column: str, parts: int) -> NDArray[np.int32]:
        """(n,) sizes in parts of the file's unit, what is left over rounded up."""
        values = self.numbers(column)
        self.require(values > 0, column, "a size is above 0")
        self.require(values <= MOST / parts, column, f"the largest size is {MOST // parts}")
        return to_whole(np.where(self.bad, 1.0, values), parts)

    def seconds(self, column: str) -> NDArray[np.float64]:
        """(n,) times in s since the trace's start, fractions kept, 0..LATEST."""
        values = self.numbers(column)
        self.require(values >= 0, column, "a time is never negative")
        self.require(values <= LATEST, column, "the latest time is 2**52 s")
        return np.where(self.bad, 0.0, values)

    def _converted(
        self, column: str, convert: Callable[[Any], float], dtype: type[_Number], rule: str
    ) -> NDArray[_Number]:
        cells = self.columns[column]
        if isinstance(cells, np.ndarray):
            return cells.astype(dtype, copy=False)
        try:
            return np.fromiter(map(convert, cells), dtype, len(cells))
        except (ValueError, OverflowError, TypeError):
            # Cell by cell, only to tell the bad ones from the others.
            values = [_number(cell, convert, dtype) for cell in cells]
            self.require(np.array([value is not None for value in values]), column, rule)
            return np.array([1 if value is None else value for value in values], dtype)


def _number(cell: Any, convert: Callable[[Any], float], dtype: type[np.number]) -> float | None:
    try:
        value = convert(cell)
        np.array(value, dtype=dtype)
    except (ValueError, OverflowError, TypeError):
        return None
    return value


def _float(cell: Any) -> float:
    """A number as files have it; Python alone knows 1_000."""
    if isinstance(cell, str) and "_" in cell:
        raise ValueError
    return float(cell)


def _whole(cell: Any) -> int:
    """An id; "7.0" is one too, since tools that know missing values write ids like that."""
    if isinstance(cell, float) and not cell.is_integer():
        raise ValueError
    if isinstance(cell, str) and "_" in cell:
        raise ValueError
    try:
        return int(cell)
    except ValueError:
        number, point, zeros = str(cell).strip().partition(".")
        if not point or zeros.strip("0"):
            raise
        return int(number)


def quoted(cell: Any) -> str:
    """A cell as a message quotes it, on one line and not too long."""
    if cell is None:
        return "NULL"
    if isinstance(cell, bytes):
        cell = cell[:_LONGEST_CELL].decode("latin-1")
    if not isinstance(cell, str):
        return str(cell)
    return repr(cell if len(cell) <= _LONGEST_CELL else cell[:_LONGEST_CELL] + "...")
