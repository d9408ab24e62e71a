"""Our own form of a trace: HDF5, one data set a column, which holds all that a `Trace` holds.

Data sets, all of shape (n,), rows in the order of arrival: `vm`; `arrival` and `departure` in s
since the trace's start, departure -1 where the VM is never deleted; `cpu` in milli-vCPU; `memory`
in MiB; and, where the trace tells them, `tenant`, `home` (cluster, from 0) and `priority`.
Attributes of the file: `version` (1), `start_hour` (hour of the day, local, at second 0) and, where
what arrives in second 0 ran before, `tells_running`.

The first 512 bytes, which HDF5 leaves to its users, hold a seal: the name of the form and the
sha256 of all that follows. Only what fits its seal is opened, since the HDF5 library is not safe
against broken files: a few flipped bytes can end the process.
"""

from __future__ import annotations

import hashlib
import io
import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO

import numpy as np

from vmagent_marl.errors import TraceError
from vmagent_marl.trace.forms.assembly import Part, first_ones, in_order, joined, kept, trace_of
from vmagent_marl.trace.forms.bad_rows import BadRows
from vmagent_marl.trace.forms.table import Table
from vmagent_marl.trace.trace import LATEST, NEVER, Trace

if TYPE_CHECKING:
    import h5py

HDF5_SUFFIXES = (".h5", ".hdf5")
SEAL = b"vmagent_marl trace, HDF5 from byte 512 on, sha256 "  # the start of a file
_BLOCK = 512  # bytes before the HDF5 part
_VERSION = 1
_NEVER = -1  # as a file has it
_UNITS = {"arrival": "s", "departure": "s, -1: never", "cpu": "milli-vCPU", "memory": "MiB"}
_NEEDED = ("vm", "arrival", "departure", "cpu", "memory")
_OPTIONAL = ("tenant", "home", "priority")
_SMALL = ("cpu", "memory", "home", "priority")  # int32
_ROWS = 1 << 18  # that are read at once
_MOST_PACKED = 2000  # times smaller than its data gzip, which has 1032, can make a file


def store(trace: Trace, path: Path) -> None:
    """Write the trace's columns into a new file; the same trace makes the same bytes."""
    import h5py

    # In memory, packed: on a full disk the library crashes when it closes its file.
    content = io.BytesIO()
    with (
        _stopped_between_steps() as check_stopped,
        h5py.File(content, "w", userblock_size=_BLOCK) as file,
    ):
        file.attrs.update(version=_VERSION, start_hour=trace.start_hour)
        if trace.tells_running:
            file.attrs["tells_running"] = True
        for name, values in trace.columns.items():
            check_stopped()
            if name == "departure":
                values = np.where(values == NEVER, _NEVER, values)
            column = file.create_dataset(name, data=values, compression="gzip", shuffle=True)
            if name in _UNITS:
                column.attrs["unit"] = _UNITS[name]
    seal(content)
    path.write_bytes(content.getbuffer())


@contextmanager
def _stopped_between_steps() -> Iterator[Callable[[], None]]:
    """An interruption waits for a call of what is yielded, or for the end.

    The library's callbacks would swallow it, and the file be written all the same.
    """
    before = signal.getsignal(signal.SIGINT)
    if threading.current_thread() is not threading.main_thread() or before is None:
        yield lambda: None
        return
    stopped = False

    def wait(*_: object) -> None:
        nonlocal stopped
        stopped = True

    def check() -> None:
        nonlocal stopped
        if stopped:
            stopped = False
            signal.signal(signal.SIGINT, before)
            signal.raise_signal(signal.SIGINT)

    signal.signal(signal.SIGINT, wait)
    try:
        yield check
    finally:
        signal.signal(signal.SIGINT, before)
    check()


def seal(file: BinaryIO) -> None:
    """Write the seal of a file, open for both, whose first 512 bytes are free for it."""
    block = _sealed(file)
    file.seek(0)
    file.write(block)


def _sealed(file: BinaryIO) -> bytes:
    """The first bytes that a file should have."""
    digest = hashlib.sha256()
    file.seek(_BLOCK)
    while piece := file.read(1 << 20):
        digest.update(piece)
    return (SEAL + digest.hexdigest().encode() + b"\n").ljust(_BLOCK, b"\0")


def from_hdf5(
    path: Path, file: BinaryIO, name: str, start_hour: int | None, bad_rows: BadRows
) -> Trace:
    """The trace that the file, open for reading, holds, or a `TraceError` naming the bad row.

    Rows are counted from 0. `start_hour` None takes the file's.
    """
    whole = _sealed(file)
    file.seek(0)
    if file.read(_BLOCK) != whole:
        raise TraceError(
            f"{path}: not as it was written (its sha256 is another); fetch or convert it again"
        )
    import h5py

    try:
        with h5py.File(path, "r") as content:
            hour = _start_hour(content)
            tells_running = bool(content.attrs.get("tells_running", False))
            columns = joined(_vms(table) for table in _tables(content, bad_rows))
    except TraceError:
        raise
    except Exception as error:  # h5py raises whatever its file's bytes bring about
        reason = " ".join(str(error).split())
        raise TraceError(f"{path}: broken HDF5 file ({reason}); fetch it again") from None
    if not columns:
        raise TraceError(f"{path}: no row in its columns; a trace has one row a request")
    columns = kept(
        columns, first_ones(columns["vm"], columns["line"], "vm", "a VM has one row", bad_rows)
    )
    columns = kept(columns, in_order(columns["arrival"], columns["line"], "arrival", bad_rows))
    hour = hour if start_hour is None else start_hour
    return trace_of(columns, name, hour, bad_rows, tells_running=tells_running)


def _start_hour(file: h5py.File) -> int:
    version = file.attrs.get("version")
    if not isinstance(version, np.integer) or version != _VERSION:
        raise TraceError(
            f"{file.filename}: version {version} of the form, known is {_VERSION}; update "
            "vmagent_marl or convert the trace again"
        )
    hour = file.attrs.get("start_hour", 0)
    if not isinstance(hour, (int, np.integer)) or not 0 <= hour < 24:
        raise TraceError(f"{file.filename}: start_hour is {hour}; write 0 to 23 there")
    return int(hour)


def _tables(file: h5py.File, bad_rows: BadRows) -> Iterator[Table]:
    """The columns of the file, some rows at a time."""
    missing = [name for name in _NEEDED if name not in file]
    if missing:
        raise TraceError(
            f"{file.filename}: no column {missing[0]!r} among {', '.join(file)}; "
            "convert the trace again"
        )
    names = [*_NEEDED, *(name for name in _OPTIONAL if name in file)]
    columns = {name: _column(file, name) for name in names}
    lengths = {name: len(column) for name, column in columns.items()}
    if len(set(lengths.values())) > 1:
        raise TraceError(
            f"{file.filename}: columns of unlike length {lengths}; convert the trace again"
        )
    for first in range(0, lengths["vm"], _ROWS):
        cells: dict[str, Any] = {
            name: column[first : first + _ROWS] for name, column in columns.items()
        }
        yield Table(cells, np.arange(first, first + len(cells["vm"])), bad_rows)


def _column(file: h5py.File, name: str) -> Any:
    """A column that is in this very file, of whole numbers, and no longer than the file can be."""
    import h5py

    link = file.get(name, getlink=True)
    column: Any = file[name] if isinstance(link, h5py.HardLink) else None
    inside = isinstance(column, h5py.Dataset) and not (column.is_virtual or column.external)
    if not inside or column.ndim != 1 or not np.can_cast(column.dtype, np.int64):
        raise TraceError(
            f"{file.filename}: column {name!r} is no list of whole numbers in this file; "
            "convert the trace again"
        )
    if len(column) * column.dtype.itemsize > Path(file.filename).stat().st_size * _MOST_PACKED:
        raise TraceError(
            f"{file.filename}: column {name!r} claims {len(column):,} rows, more than the file "
            "can hold; fetch or convert it again"
        )
    return column


def _vms(table: Table) -> Part:
    """The VMs of a part of the rows."""
    stays = np.equal(table.columns["departure"], _NEVER)
    table.fill("departure", stays, 0)
    arrival, departure = table.seconds("arrival"), table.seconds("departure")
    departure[stays] = LATEST
    table.require(departure >= arrival, "departure", "no VM ends before its arrival")
    columns: dict[str, Any] = {
        "line": table.lines,
        "vm": table.ids("vm"),
        "arrival": arrival.astype(np.int64),
        "departure": np.where(stays, NEVER, departure.astype(np.int64)),
        "cpu": table.amounts("cpu", 1),
        "memory": table.amounts("memory", 1),
    }
    for name in _OPTIONAL:
        if name in table.columns:
            columns[name] = table.ids(name)
            if name in _SMALL:
                lowest = 0 if name == "home" else -(2**31)
                fits = (columns[name] >= lowest) & (columns[name] < 2**31)
                table.require(fits, name, f"give {lowest} to 2**31 - 1")
    return kept(columns, table.good)
