"""Writing a trace in any of the forms that can hold one; a file appears whole or not at all."""

from __future__ import annotations

import gzip
import itertools
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Literal, cast

import numpy as np
from numpy.typing import NDArray

from vmagent_marl.errors import TraceError, VmagentError
from vmagent_marl.files import replacing
from vmagent_marl.trace.forms.events import EVENT_FORM
from vmagent_marl.trace.forms.hdf5 import HDF5_SUFFIXES, store
from vmagent_marl.trace.forms.lifetimes import LIFETIME_FORM
from vmagent_marl.trace.trace import NEVER, Trace
from vmagent_marl.trace.units import MIB, MILLI

_ROWS = 1 << 16  # that are text in memory at once


def write_trace(trace: Trace, path: str | Path) -> None:
    """Write the trace in the form that the name's end tells.

    `.h5` and `.hdf5`: HDF5, which holds all of a trace but its name. `.events.csv`: event form.
    `.csv`: lifetime form. The CSV ones may end in `.gz` too, and hold neither the start hour nor
    tenants, homes and priorities. Raises `TraceError` for any other name, a trace without
    requests, and where the file cannot be written.
    """
    path = Path(path)
    form = form_by_name(path)
    if form == "hdf5":
        _require_requests(trace, path)
        with _new_file(path) as unfinished:
            store(trace, unfinished)
    elif form == "events":
        write_events(trace, path)
    else:
        write_lifetimes(trace, path)


def form_by_name(path: Path) -> Literal["hdf5", "events", "lifetimes"]:
    """The form that a new file's name tells, or a `TraceError`."""
    name = path.name.lower().removesuffix(".gz")
    if path.name.lower().endswith(HDF5_SUFFIXES):
        return "hdf5"
    if name.endswith(".csv"):
        return "events" if name.endswith(".events.csv") else "lifetimes"
    raise TraceError(
        f"{path}: no form is known by this name: end it in .h5, .csv or .events.csv (or with .gz "
        "after .csv)"
    )


def write_lifetimes(trace: Trace, path: str | Path) -> None:
    """Write the trace in lifetime form, gzipped where the name ends in .gz.

    `read_trace` gives back the same columns, to the last one; the trace's name and start hour
    have no place in the file. The file appears whole or not at all. Raises `TraceError` for a
    trace without requests and where the file cannot be written.
    """
    path = Path(path)
    _require_requests(trace, path)
    with _text_file(path) as file:
        _put(_lifetimes(trace), file)


def write_events(trace: Trace, path: str | Path) -> None:
    """Write the trace in event form, in the order of time; the rest is as in `write_lifetimes`.

    A deletion comes before the creations of its second, unless its own VM is one of them.
    """
    path = Path(path)
    _require_requests(trace, path)
    with _text_file(path) as file:
        _put(_events(trace), file)


def write_pieces(pieces: Iterable[Trace], path: str | Path) -> int:
    """Write traces that follow each other as one file in lifetime form; returns its VMs.

    Memory holds one piece at a time. The file is the one that `write_lifetimes` would make of the
    whole, but for gzip's blocks, and appears whole or not at all. Raises `TraceError` where it
    cannot be written, where no piece has a request, and where a piece begins before the one before
    it ends or repeats its ids.
    """
    path = Path(path)
    with _text_file(path) as file:
        rows = 0
        last = -1, -1  # id and second of the last VM so far
        for piece in pieces:
            if not len(piece):
                continue
            _require_later(piece, last)
            text = _lifetimes(piece)
            header = next(text)
            _put(itertools.chain([] if rows else [header], text), file)
            rows += len(piece)
            last = int(piece.vm[-1]), int(piece.arrival[-1])
        if not rows:
            raise TraceError(f"no request to write to {path}: give a longer or busier trace")
    return rows


def _require_later(piece: Trace, last: tuple[int, int]) -> None:
    counts_up = int(piece.vm[0]) > last[0] and bool((piece.vm[1:] > piece.vm[:-1]).all())
    if int(piece.arrival[0]) < last[1] or not counts_up:
        raise TraceError(
            f"a piece of trace {piece.name!r} follows VM {last[0]} of second {last[1]}: "
            "give pieces whose arrivals and ids go on from there"
        )


def _require_requests(trace: Trace, path: Path) -> None:
    if not len(trace):
        raise TraceError(f"trace {trace.name!r} has no request to write to {path}")


@contextmanager
def _new_file(path: Path) -> Iterator[Path]:
    """`replacing`, whose errors are a trace's here."""
    try:
        with replacing(path) as unfinished:
            yield unfinished
    except VmagentError as error:
        if type(error) is not VmagentError:
            raise
        raise TraceError(str(error)) from None


@contextmanager
def _text_file(path: Path) -> Iterator[IO[bytes]]:
    """A new file, open for writing, gzipped where its name ends in .gz."""
    with _new_file(path) as unfinished, unfinished.open("wb") as file:
        if path.suffix.lower() != ".gz":
            yield file
            return
        # Without its name and the time of writing, the same trace makes the same file.
        with gzip.GzipFile("", "wb", fileobj=file, mtime=0) as packed:
            yield cast(IO[bytes], packed)


def _put(text: Iterable[str], file: IO[bytes]) -> None:
    for piece in text:
        file.write(piece.encode("ascii"))


def _lifetimes(trace: Trace) -> Iterator[str]:
    yield ",".join(LIFETIME_FORM.columns) + "\n"
    for first in range(0, len(trace), _ROWS):
        part = trace.rows(first, min(first + _ROWS, len(trace)))
        never = part.departure == NEVER
        lifetime = np.where(never, 0, part.departure - part.arrival).astype(np.str_)
        lifetime[never] = ""
        yield _text(
            map(str, part.vm.tolist()),
            _amounts(part.cpu, MILLI),
            _amounts(part.memory, MIB),
            map(str, part.arrival.tolist()),
            lifetime.tolist(),
        )


def _events(trace: Trace) -> Iterator[str]:
    deleted = np.flatnonzero(trace.departure != NEVER)
    row = np.concatenate([deleted, np.arange(len(trace))])
    time = np.concatenate([trace.departure[deleted], trace.arrival])
    kind = np.repeat([1, 0], [deleted.size, len(trace)])
    at_once = trace.departure[deleted] == trace.arrival[deleted]
    turn = np.concatenate([np.where(at_once, 2, 0), np.ones(len(trace), np.int64)])
    order = np.lexsort((turn, time))  # stable: creations keep their order
    yield ",".join(EVENT_FORM.columns) + "\n"
    for first in range(0, order.size, _ROWS):
        chosen = order[first : first + _ROWS]
        rows = row[chosen]
        yield _text(
            map(str, trace.vm[rows].tolist()),
            _amounts(trace.cpu[rows], MILLI),
            _amounts(trace.memory[rows], MIB),
            map(str, time[chosen].tolist()),
            map(str, kind[chosen].tolist()),
        )


def _text(*columns: Iterator[str] | list[str]) -> str:
    return "\n".join([*map(",".join, zip(*columns, strict=True)), ""])


def _amounts(amounts: NDArray[np.int32], parts: int) -> list[str]:
    """Each amount over `parts` as an exact decimal: 1500 milli-vCPU are "1.5"."""
    distinct, index = np.unique(amounts, return_inverse=True)
    # 1/1024 has ten decimals, 1/1000 fewer.
    texts = [f"{amount / parts:.10f}".rstrip("0").rstrip(".") for amount in distinct.tolist()]
    return [texts[i] for i in index.tolist()]
