"""Azure's packing trace of 2020 ("Protean"), an SQLite file of VMs and of VM types.

Table `vm`: `vmId, tenantId, vmTypeId, priority` (0 high, 1 low), `starttime, endtime` in days since
the collection began. Table `vmType`: `id, vmTypeId, machineId, core, memory, hdd, ssd, nic`, one
row for each machine that a type can run on, in fractions of that machine.

Read for one machine, whose size the user names, since the file does not: sizes are the fractions
times that size. Without a machine's id it is the one on which most of the VMs can run, the lowest
id of several. VMs that cannot run on it are left out, with a warning that counts them, and so are
those that ended before the trace begins.

Censored: a VM with a negative start ran before and arrives at 0; one whose end is NULL outlived
the window of 90 days and is never deleted.

Source: github.com/Azure/AzurePublicDataset, AzureTracesForPacking2020.md; Hadary et al., "Protean:
VM Allocation Service at Scale", OSDI 2020.
"""

from __future__ import annotations

import sqlite3
import warnings
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from vmagent_marl.errors import TraceError
from vmagent_marl.trace.forms.assembly import Part, first_ones, joined, kept, or_never, trace_of
from vmagent_marl.trace.forms.bad_rows import BadRows, LeftOutWarning
from vmagent_marl.trace.forms.table import Table
from vmagent_marl.trace.trace import Trace
from vmagent_marl.trace.units import DAY, MIB, MILLI, MOST, NOISE, to_whole

_VM = ("vmId", "tenantId", "vmTypeId", "priority", "starttime", "endtime")
_TYPE = ("vmTypeId", "machineId", "core", "memory")
_ROWS = 1 << 16  # that are read at once


def from_packing(
    path: Path,
    name: str,
    start_hour: int,
    skip: bool,
    machine: tuple[float, float],
    machine_id: int | None,
) -> Trace:
    """The trace that the tables tell on one machine of `machine` vCPU and GB.

    Raises `TraceError` that names the table, the row (counted from 1) and the value that is wrong.
    """
    of_types, of_vms = (
        BadRows(path, "table vmType, row", skip),
        BadRows(path, "table vm, row", skip),
    )
    try:
        with closing(sqlite3.connect(_read_only(path), uri=True, timeout=1.0)) as database:
            _restrict(database)
            types = joined(_types(t) for t in _tables(database, path, "vmType", _TYPE, of_types))
            vms = joined(_vms(t) for t in _tables(database, path, "vm", _VM, of_vms))
    except (sqlite3.Error, UnicodeDecodeError) as error:  # the latter where a name is broken
        raise TraceError(f"{path}: {_reason(error)}") from None
    if not types or not vms:
        raise TraceError(f"{path}: no row in table {'vm' if types else 'vmType'}; fetch it again")
    vms = kept(vms, first_ones(vms["vm"], vms["line"], "vmId", "a VM has one row", of_vms))
    named = np.isin(vms["kind"], types["kind"])
    lost = vms["kind"][~named]
    of_vms.add(
        vms["line"][~named], lambda i: f"vmTypeId is {lost[i]}; table vmType has no such type"
    )
    vms = kept(vms, named)
    vms = _still_there(path, vms)
    chosen = _of_machine(path, types, vms["kind"], machine_id, of_types)
    of_types.warn()
    sized = _sized(path, vms, chosen, machine)
    return trace_of(sized, name, start_hour, of_vms, tells_running=True)


def _read_only(path: Path) -> str:
    return f"{path.resolve().as_uri()}?mode=ro"


def _restrict(database: sqlite3.Connection) -> None:
    """From now on the columns of two tables can be read, and nothing else happens."""
    database.text_factory = lambda text: text.decode("utf-8", "replace")
    database.execute("PRAGMA trusted_schema = OFF")
    database.execute("PRAGMA query_only = ON")
    database.set_authorizer(_allowed)


def _allowed(action: int, first: str | None, *_: Any) -> int:
    """Whether SQLite may do this: read the tables, and what their columns are."""
    may = {
        sqlite3.SQLITE_SELECT: True,
        sqlite3.SQLITE_READ: first in ("vm", "vmType", "sqlite_master"),
        sqlite3.SQLITE_PRAGMA: first == "table_xinfo",
    }
    return sqlite3.SQLITE_OK if may.get(action) else sqlite3.SQLITE_DENY


def _tables(
    database: sqlite3.Connection, path: Path, name: str, wanted: tuple[str, ...], bad_rows: BadRows
) -> Iterator[Table]:
    """The columns of a table of the database, some rows at a time."""
    # No view and no virtual table: those would run what the file says.
    made = dict(database.execute("SELECT name, sql FROM sqlite_master WHERE type = 'table'"))
    if not str(made.get(name)).lstrip().upper().startswith("CREATE TABLE"):
        known = ", ".join(map(str, made)) or "none"
        raise TraceError(
            f"{path}: no table {name!r} among {known[:200]}; give the SQLite file of Azure's "
            "packing trace"
        )
    about = database.execute(f"PRAGMA table_xinfo({name})").fetchall()
    there = [column[1] for column in about if not column[6]]  # and none that the file computes
    missing = [column for column in wanted if column not in there]
    if missing:
        raise TraceError(
            f"{path}: table {name} has no column {missing[0]!r} among {', '.join(there)[:200]}; "
            "give the SQLite file of Azure's packing trace"
        )
    found = database.execute(f"SELECT {', '.join(wanted)} FROM {name}")
    first = 1
    while rows := found.fetchmany(_ROWS):
        cells = dict(zip(wanted, map(list, zip(*rows, strict=True)), strict=True))
        yield Table(dict(cells), np.arange(first, first + len(rows)), bad_rows)
        first += len(rows)


def _types(table: Table) -> Part:
    """The types of VM of a part of the rows, in parts of a machine."""
    columns: dict[str, NDArray[Any]] = {
        "line": table.lines,
        "kind": table.ids("vmTypeId"),
        "machine": table.ids("machineId"),
    }
    for column in ("core", "memory"):
        columns[column] = table.numbers(column)
        table.require(columns[column] > 0, column, "a size is above 0")
        table.require(columns[column] <= 1, column, "a VM takes at most 1, a whole machine")
    return kept(columns, table.good)


def _vms(table: Table) -> Part:
    """The VMs of a part of the rows."""
    start = _seconds(table, "starttime")
    stays = table.empty("endtime")
    table.fill("endtime", stays, 0)
    end = _seconds(table, "endtime")
    table.require(stays | (end >= start), "endtime", "no VM ends before it starts")
    columns = {
        "line": table.lines,
        "vm": table.ids("vmId"),
        "arrival": np.maximum(start, 0).astype(np.int64),
        "departure": or_never(stays, np.where(table.bad, 0, end)),
        "kind": table.ids("vmTypeId"),
        "tenant": table.ids("tenantId"),
        "priority": table.ids("priority"),
    }
    fits = np.abs(columns["priority"]) <= MOST
    table.require(fits, "priority", "0 is high and 1 is low")
    return kept(columns, table.good)


def _seconds(table: Table, column: str) -> NDArray[np.float64]:
    """(n,) whole seconds since the collection began, negative before."""
    days = table.numbers(column)
    table.require(np.abs(days) <= 1e6, column, "give days, at most a million")
    return np.floor(np.where(table.bad, 0.0, days) * DAY + NOISE)


def _of_machine(
    path: Path,
    types: dict[str, NDArray[Any]],
    wanted: NDArray[np.int64],
    machine_id: int | None,
    bad_rows: BadRows,
) -> dict[str, NDArray[Any]]:
    """The types of one machine, lowest first: the named one, or that of most of the VMs."""
    machines, machine = np.unique(types["machine"], return_inverse=True)
    if not machines.size:
        raise TraceError(f"{path}: no row of table vmType can be used; mend it or fetch it again")
    if machine_id is None:
        # Each VM asks for its type, on whichever machines that type can run.
        ordered = np.sort(wanted)
        first, end = (np.searchsorted(ordered, types["kind"], side) for side in ("left", "right"))
        machine_id = int(machines[np.bincount(machine, end - first).argmax()])
    if machine_id not in machines:
        known = ", ".join(map(str, machines.tolist()))
        raise TraceError(
            f"{path}: no machine {machine_id} in table vmType; known are {known[:200]}"
        )
    chosen = kept(types, types["machine"] == machine_id)
    keep = first_ones(
        chosen["kind"], chosen["line"], "vmTypeId", f"one row for machine {machine_id}", bad_rows
    )
    chosen = kept(chosen, keep)
    order = chosen["kind"].argsort()
    return {column: values[order] for column, values in chosen.items()}


def _still_there(path: Path, vms: dict[str, NDArray[Any]]) -> dict[str, NDArray[Any]]:
    """The VMs that run when the trace begins, or later."""
    there = vms["departure"] >= 0
    gone = int((~there).sum())
    if gone:
        few = "VM has" if gone == 1 else "VMs have"
        message = f"{path}: {gone:,} {few} ended before the trace begins: left out"
        warnings.warn(LeftOutWarning(message, gone), stacklevel=4)
    return kept(vms, there)


def _sized(
    path: Path,
    vms: dict[str, NDArray[Any]],
    types: dict[str, NDArray[Any]],
    machine: tuple[float, float],
) -> dict[str, NDArray[Any]]:
    """The VMs that can run on the machine, with their sizes."""
    can_run = np.isin(vms["kind"], types["kind"])
    unfit = int((~can_run).sum())
    if unfit:
        warnings.warn(
            LeftOutWarning(
                f"{path}: {unfit:,} of {can_run.size:,} VMs are of a type that machine "
                f"{types['machine'][0]} cannot run, and are left out",
                unfit,
            ),
            stacklevel=4,
        )
    vms = kept(vms, can_run)
    kind = np.searchsorted(types["kind"], vms.pop("kind"))
    sizes = zip(("cpu", "memory"), ("core", "memory"), machine, (MILLI, MIB), strict=True)
    return {
        **vms,
        **{name: to_whole(types[part] * size, whole)[kind] for name, part, size, whole in sizes},
    }


def _reason(error: Exception) -> str:
    text = " ".join(str(error).split())
    if "locked" in text:
        return f"{text}; close the program that writes to it, or read a copy"
    if "unable to open" in text:
        return f"{text}; copy it to a folder that you may write to"
    return f"broken SQLite file ({text}); fetch it again"
