"""Writing a trace in any of the forms that can hold one; a file appears whole or not at all."""

from __future__ import annotations

import gzip
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Literal, cast

import numpy as np
from numpy.typing import NDArray

from vmagent_marl.errors import TraceError, VmagentError
from vmagent_marl.files import replacing
from vmagent_marl.trace.event_form import EVENT_FORM
from vmagent_marl.trace.hdf5_form import HDF5_SUFFIXES, store
from vmagent_marl.trace.lifetime_form import LIFETIME_FORM
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
        _write(trace, path, None)
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
    _write(trace, Path(path), _lifetimes(trace))


def write_events(trace: Trace, path: str | Path) -> None:
    """Write the trace in event form, in the order of time; the rest is as in `write_lifetimes`.

    A deletion comes before the creations of its second, unless its own VM is one of them.
    """
    _write(trace, Path(path), _events(trace))


def _write(trace: Trace, path: Path, text: Iterator[str] | None) -> None:
    """Write pieces of text, or without them HDF5."""
    if not len(trace):
        raise TraceError(f"trace {trace.name!r} has no request to write to {path}")
    try:
        with replacing(path) as unfinished:
            if text is None:
                store(trace, unfinished)
                return
            with unfinished.open("wb") as file:
                if path.suffix != ".gz":
                    _put(text, file)
                    return
                # Without its name and the time of writing, the same trace makes the same file.
                with gzip.GzipFile("", "wb", fileobj=file, mtime=0) as packed:
                    _put(text, cast(IO[bytes], packed))
    except VmagentError as error:
        raise TraceError(str(error)) from None


def _put(text: Iterator[str], file: IO[bytes]) -> None:
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
