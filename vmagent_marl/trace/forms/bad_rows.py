"""Rows that are wrong: the first one ends the reading, or all are left out, counted and listed."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from vmagent_marl.errors import TraceError

_LISTED = 10  # of the rows that are left out


class LeftOutWarning(UserWarning):
    """Rows of a file that are not in the trace: how many, and what is wrong with the first ten."""

    def __init__(self, message: str, count: int = 0, first: tuple[str, ...] = ()) -> None:
        super().__init__("\n  ".join([message, *first]))
        self.count = count  # rows
        self.first = first  # at most ten, each as "line 3: cpu is 'x'; give a number"


class BadRows:
    """Where checks report rows: a `TraceError` at once or, with `skip`, a warning at the end."""

    def __init__(self, path: Path, place: str = "line", skip: bool = False) -> None:
        self.path = path
        self.place = place  # what a row's number counts: "line" or "table vm, row"
        self.skip = skip
        self.count = 0
        self._first: list[tuple[int, str]] = []

    def add(self, numbers: NDArray[np.int64], message: Callable[[int], str]) -> None:
        """Report (k,) rows by their numbers in the file, rising; `message` tells the i-th's fault.

        Raises `TraceError` for the first one unless bad rows are skipped.
        """
        if not numbers.size:
            return
        if not self.skip:
            raise TraceError(f"{self.path}, {self.place} {numbers[0]}: {message(0)}")
        self.count += numbers.size
        # Every report's first ten are enough to know the first ten of all.
        self._first += [(int(numbers[i]), message(i)) for i in range(min(_LISTED, numbers.size))]
        self._first = sorted(self._first)[:_LISTED]

    def warn(self) -> None:
        """Say what was left out, if anything was."""
        if self.count:
            first = tuple(f"{self.place} {number}: {fault}" for number, fault in self._first)
            listed = "" if self.count <= _LISTED else f", the first {_LISTED} of them"
            rows = "row is" if self.count == 1 else "rows are"
            warnings.warn(
                LeftOutWarning(
                    f"{self.path}: {self.count:,} {rows} left out{listed}:", self.count, first
                ),
                stacklevel=3,
            )


class Doubt(Exception):
    """A row of a table that was read the quick way is wrong: its cells are to be looked at."""


class Doubtful(BadRows):
    """Any report at all sends the reader back to the cells."""

    def add(self, numbers: NDArray[np.int64], message: Callable[[int], str]) -> None:
        """Raise `Doubt`."""
        if numbers.size:
            raise Doubt
