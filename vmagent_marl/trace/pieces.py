"""Writing traces that are larger than memory, piece by piece."""

from __future__ import annotations

import gzip
import shutil
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import IO, cast

from vmagent_marl.errors import TraceError, VmagentError
from vmagent_marl.files import replacing
from vmagent_marl.trace import Trace, write_lifetimes


def write_pieces(pieces: Iterable[Trace], path: str | Path) -> int:
    """Write traces that follow each other as one file in lifetime form; returns its VMs.

    The file is the one that `write_lifetimes` would make of the whole, but for gzip's blocks, and
    appears whole or not at all. Raises `TraceError` where it cannot be written, where no piece has
    a request, and where a piece begins before the one before it ends or repeats its ids.
    """
    path = Path(path)
    rows, last = 0, (-1, -1)  # id and second of the last VM so far
    try:
        with (
            replacing(path) as unfinished,
            TemporaryDirectory(prefix=".pieces-", dir=path.parent) as folder,
            _opened(unfinished) as file,
        ):
            for piece in pieces:
                if not len(piece):
                    continue
                _require_later(piece, last)
                _append(piece, file, Path(folder) / path.name.removesuffix(".gz"), header=not rows)
                rows += len(piece)
                last = int(piece.vm[-1]), int(piece.arrival[-1])
            if not rows:
                raise TraceError(f"no request to write to {path}: give a longer or busier trace")
    except VmagentError as error:
        raise TraceError(str(error)) from None
    return rows


def _append(piece: Trace, file: IO[bytes], part: Path, header: bool) -> None:
    """Through a file of its own, so that the form is known in one place only."""
    write_lifetimes(piece, part)
    with part.open("rb") as text:
        first_line = text.readline()
        if header:
            file.write(first_line)
        shutil.copyfileobj(text, file, 1 << 20)


def _require_later(piece: Trace, last: tuple[int, int]) -> None:
    counts_up = int(piece.vm[0]) > last[0] and bool((piece.vm[1:] > piece.vm[:-1]).all())
    if int(piece.arrival[0]) < last[1] or not counts_up:
        raise TraceError(
            f"a piece of trace {piece.name!r} follows VM {last[0]} of second {last[1]}: "
            "give pieces whose arrivals and ids go on from there"
        )


@contextmanager
def _opened(path: Path) -> Iterator[IO[bytes]]:
    with path.open("wb") as raw:
        if path.suffix != ".gz":
            yield raw
            return
        # Without the name and the time of writing, the same trace makes the same file.
        with gzip.GzipFile("", "wb", mtime=0, fileobj=raw) as zipped:
            yield cast(IO[bytes], zipped)
