"""A text file read piece by piece: gzipped or not, whatever its line ends, however large."""

from __future__ import annotations

import csv
import gzip
import io
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO, TextIO

from vmagent_marl.errors import TraceError

GZIP = b"\x1f\x8b"
_PIECE = 1 << 22  # characters that are in memory at once
_LONGEST_LINE = 1 << 17  # characters; so that a file without line ends is not read whole


@contextmanager
def opened_text(path: Path, file: BinaryIO, gzipped: bool) -> Iterator[TextIO]:
    """The file's text, line ends as "\\n"; bytes that are no UTF-8 become lone surrogates.

    Raises `TraceError` where the gzip file turns out to be broken while it is read.
    """
    raw: BinaryIO = file
    if gzipped:
        raw = io.BufferedReader(gzip.GzipFile(fileobj=file), _PIECE)
    try:
        with io.TextIOWrapper(raw, encoding="utf-8-sig", errors="surrogateescape") as text:
            yield text
    except (EOFError, zlib.error, gzip.BadGzipFile) as error:
        raise TraceError(
            f"{path}: broken gzip file ({error}); fetch or compress it again"
        ) from None


def first_line(path: Path, text: TextIO) -> tuple[int, str]:
    """Number, counted from 1, and text of the first line that is not blank.

    Raises `TraceError` for an empty file and one that is no text.
    """
    for number, line in enumerate(iter(lambda: text.readline(_LONGEST_LINE), ""), 1):
        if "\0" in line:
            raise TraceError(f"{path}: this is a binary file; give a trace in CSV, SQLite or HDF5")
        _require_short(path, number, line)
        if not is_blank(line):
            return number, line
    raise TraceError(f"{path}: the file is empty; a trace has one row a request")


def pieces(path: Path, text: TextIO, number: int) -> Iterator[tuple[int, str]]:
    """What is left of the text in pieces of whole lines, each with the number of its first."""
    while piece := text.read(_PIECE):
        if not piece.endswith("\n"):
            rest = text.readline(_LONGEST_LINE)
            _require_short(path, number + piece.count("\n"), rest)
            piece += rest
        yield number, piece
        number += piece.count("\n")


def is_blank(line: str) -> bool:
    """Whether no cell of the line, or of several, holds anything."""
    return not line.strip(" \t\n,")


def cells_of(line: str) -> list[str]:
    """The cells of one line; a quoted cell ends on its line.

    Raises `ValueError`, whose text tells what is wrong, for a line that is no row.
    """
    if not line.isascii():
        try:
            line.encode()
        except UnicodeEncodeError:
            raise ValueError("not UTF-8 text; save the file as UTF-8") from None
    if '"' not in line:
        return line.split(",")
    try:
        return next(csv.reader([line], skipinitialspace=True, strict=True))
    except csv.Error as error:
        raise ValueError(f"not comma-separated text ({error}); close the quote") from None


def _require_short(path: Path, number: int, line: str) -> None:
    if len(line) == _LONGEST_LINE and not line.endswith("\n"):
        raise TraceError(
            f"{path}, line {number}: longer than {_LONGEST_LINE:,} characters; "
            "give a trace in CSV, one row a line"
        )


def is_number(cell: str) -> bool:
    """Whether a cell holds one."""
    try:
        float(cell)
    except ValueError:
        return False
    return True
