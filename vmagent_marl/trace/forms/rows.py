"""The rows of a text file as tables, piece by piece: read the quick way where all is well."""

from __future__ import annotations

import io
import itertools
import warnings
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TextIO, TypeVar

import numpy as np

from vmagent_marl.errors import TraceError
from vmagent_marl.trace.forms.bad_rows import BadRows, Doubt, Doubtful
from vmagent_marl.trace.forms.table import Cells, Table
from vmagent_marl.trace.forms.text import cells_of, is_blank, pieces

T = TypeVar("T")
_PLAIN = b"0123456789.,+-eE \n"  # what a piece of nothing but numbers holds


@dataclass(frozen=True)
class Form:
    """A way to write VM requests down: its columns, which a file may have in any order."""

    name: str
    columns: tuple[str, ...]  # the first is the VM's id, the others are numbers

    def __str__(self) -> str:
        return f"{self.name} ({','.join(self.columns)})"


@dataclass(frozen=True)
class Rows:
    """The rows of an open text file below its header, to be read once."""

    path: Path
    text: TextIO
    line: int  # number of the next line of `text`
    names: list[str]  # of all columns of the file
    wanted: tuple[str, ...]  # of those, the ones that are read
    numeric: bool = True  # the wanted ones are numbers, the first of them an id
    before: str = ""  # a row read already, where there is no header

    def parts(self, bad_rows: BadRows, convert: Callable[[Table], T]) -> Iterator[T]:
        """What `convert` makes of each part of the rows; it may be called again for one part.

        Raises `TraceError` for a file without rows, and what the checks in `convert` raise.
        """
        empty = True
        before = [(self.line - 1, self.before)] if self.before else []
        for line, piece in itertools.chain(before, pieces(self.path, self.text, self.line)):
            if is_blank(piece):
                continue
            empty = False
            columns = self._numbers(piece) if self.numeric else None
            if columns is not None:
                lines = np.arange(line, line + len(columns[self.wanted[0]]))
                try:
                    yield convert(Table(columns, lines, Doubtful(self.path)))
                    continue
                except Doubt:
                    pass
            yield convert(self._cells(line, piece, bad_rows))
        if empty:
            raise TraceError(f"{self.path}: no row after the header; a trace has one row a request")

    def _numbers(self, piece: str) -> dict[str, Cells] | None:
        """The columns of a piece that holds a number in each cell, or none (NaN), else None.

        Every row is a line then. What is read here is what `_cells` and the checks would find.
        """
        if not piece.isascii() or piece.encode().translate(None, _PLAIN):
            return None
        filled = piece if piece.endswith("\n") else piece + "\n"
        for gap, number in ((",,", ",nan,"), (",,", ",nan,"), (",\n", ",nan\n")):
            filled = filled.replace(gap, number)
        # An empty cell at a line's start is left, and nothing numpy reads.
        types = [
            (str(i), np.int64 if name == self.wanted[0] else np.float64)
            for i, name in enumerate(self.names)
        ]
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("error")  # an id that is written as a float would lose bits
                table = np.loadtxt(
                    io.StringIO(filled), types, delimiter=",", comments=None, ndmin=1
                )
        except (ValueError, DeprecationWarning):
            return None
        if len(table) != filled.count("\n"):  # numpy passes over empty lines
            return None
        # Copies: a view of one column would keep all of the piece.
        return {name: table[str(self.names.index(name))].copy() for name in self.wanted}

    def _cells(self, line: int, piece: str, bad_rows: BadRows) -> Table:
        """The wanted columns of a piece as texts, without blank lines and what is no row."""
        rows, lines = [], []
        wrong: list[int] = []
        faults: list[str] = []
        for number, text in enumerate(piece.split("\n"), line):
            if is_blank(text):
                continue
            try:
                cells = cells_of(text)
                if len(cells) != len(self.names):
                    raise ValueError(
                        f"{len(cells)} fields where there are {len(self.names)} columns; "
                        "give one for each"
                    )
            except ValueError as error:
                wrong.append(number)
                faults.append(str(error))
            else:
                rows.append(cells)
                lines.append(number)
        bad_rows.add(np.array(wrong, np.int64), faults.__getitem__)
        at = [self.names.index(name) for name in self.wanted]
        columns: dict[str, Cells] = {
            name: [cells[i] for cells in rows] for name, i in zip(self.wanted, at, strict=True)
        }
        return Table(columns, np.array(lines, np.int64), bad_rows)
