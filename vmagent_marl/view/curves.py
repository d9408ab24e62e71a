"""Learning curves as figures take them: from CSV files, one a run, or from arrays."""

from __future__ import annotations

import csv
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import ArrayLike, NDArray

from vmagent_marl.errors import SettingError, nearest

Floats = NDArray[np.float64]
Arrays = tuple[ArrayLike, ArrayLike]
Curve = str | Path | Sequence[str | Path] | Arrays


def read_runs(curve: Curve, x: str, y: str) -> tuple[Floats, Floats]:
    """(n,) steps and (runs, n) values; of several files the steps that all of them have.

    Raises `SettingError` for arrays that do not go together, and files that are no curves.
    """
    if isinstance(curve, (str, Path)):
        return _joined([_read(Path(curve), x, y)])
    if len(curve) and all(isinstance(file, (str, Path)) for file in curve):
        return _joined([_read(Path(str(file)), x, y) for file in curve])
    if len(curve) != 2:
        raise SettingError(f"{len(curve)} parts of a learning curve: give x and y, or CSV files")
    steps = np.asarray(curve[0], np.float64)
    runs = np.atleast_2d(np.asarray(curve[1], np.float64))
    if steps.ndim != 1 or runs.ndim != 2 or runs.shape[1] != steps.size or not runs.size:
        raise SettingError(
            f"a learning curve has x of shape {steps.shape} and y of shape {runs.shape}: "
            "give (n,) and (runs, n)"
        )
    return steps, runs


def _joined(tables: list[dict[float, float]]) -> tuple[Floats, Floats]:
    shared = sorted(set.intersection(*(set(table) for table in tables)))
    if not shared:
        raise SettingError("no step of a learning curve is in all of its files: nothing to average")
    return np.array(shared), np.array([[table[step] for step in shared] for table in tables])


def read_table(file: Path) -> tuple[list[str], dict[int, dict[str, str]]]:
    """Names of the columns of a CSV file, and its rows by their line; missing cells are empty.

    Raises `SettingError` for a file that is none.
    """
    try:
        with file.open(newline="", encoding="utf-8") as lines:
            reader = csv.DictReader(lines, restval="")
            columns, rows = list(reader.fieldnames or ()), {}
            for row in reader:
                rows[reader.line_num] = row
            return columns, rows
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise SettingError(f"{file}: cannot be read ({error}): give a CSV file") from None


def _read(file: Path, x: str, y: str) -> dict[float, float]:
    """Values by step; the last one of a step counts."""
    columns, rows = read_table(file)
    for name in (x, y):
        if name not in columns:
            raise SettingError(f"{file}: no column {name!r}: {nearest(name, columns)}")
    found = {}
    for line, row in rows.items():
        if not row[y].strip():
            continue
        try:
            found[float(row[x])] = float(row[y])
        except ValueError as error:
            raise SettingError(f"{file}:{line}: {error}: give numbers") from None
    if not found:
        raise SettingError(f"{file}: no row has a value of {y!r}: nothing to draw yet")
    return found
