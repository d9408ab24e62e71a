"""Small files of every form of a trace, with the exact schema of the real ones."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Sequence
from contextlib import closing
from pathlib import Path
from typing import Any

from vmagent_marl.trace import NEVER, Trace

LAST_TICK = 2_591_400  # s: the last of V2's 30 days
VM_TABLE = (
    "CREATE TABLE vm (vmId INTEGER, tenantId INTEGER, vmTypeId INTEGER, priority INTEGER, "
    "starttime REAL, endtime REAL)"
)
TYPE_TABLE = (
    "CREATE TABLE vmType (id INTEGER, vmTypeId INTEGER, machineId INTEGER, core REAL, memory REAL, "
    "hdd REAL, ssd REAL, nic REAL)"
)


def rows_of(trace: Trace) -> list[tuple[int, ...]]:
    """(vm, arrival, departure, milli-vCPU, MiB) of each request."""
    columns = (trace.vm, trace.arrival, trace.departure, trace.cpu, trace.memory)
    return list(zip(*(column.tolist() for column in columns), strict=True))


def azure_id(number: int) -> str:
    """88 characters like those of an encrypted id."""
    return f"{number:0>84}/+=="


def vmtable_line(number: int, created: Any, deleted: Any, cores: Any, memory: Any) -> str:
    """One row of `vmtable.csv`; every third VM is of one subscription."""
    ids = ",".join(azure_id(n) for n in (number, 1000 + number % 3, 2000))
    used = "91.776885,0.728879,20.759630,Delay-insensitive"
    return f"{ids},{created},{deleted},{used},{cores},{memory}\n"


def vmtable(rows: Iterable[Sequence[Any]]) -> str:
    """Rows are created, deleted, cores, memory."""
    return "".join(vmtable_line(number, *row) for number, row in enumerate(rows))


def packing(
    path: Path,
    vms: Iterable[Sequence[Any]],
    types: Iterable[Sequence[Any]],
    tables: tuple[str, str] = (VM_TABLE, TYPE_TABLE),
) -> Path:
    """An SQLite file; VMs as in its table `vm`, types are vmTypeId, machineId, core, memory."""
    with closing(sqlite3.connect(path)) as database:
        for table in tables:
            database.execute(table)
        database.executemany("INSERT INTO vm VALUES (?, ?, ?, ?, ?, ?)", vms)
        rows = [(number, *row, 0.1, 0.1, 0.1) for number, row in enumerate(types)]
        database.executemany("INSERT INTO vmType VALUES (?, ?, ?, ?, ?, ?, ?, ?)", rows)
        database.commit()
    return path


def as_vmtable(trace: Trace) -> str:
    """The trace in the vmtable's form, whose ids are lines and whose last tick means "never"."""
    return vmtable(
        (at, LAST_TICK if end == NEVER else end, f"{cpu / 1000:g}", f"{memory / 1024:g}")
        for _, at, end, cpu, memory in rows_of(trace)
    )


def as_packing(path: Path, trace: Trace, machine: tuple[float, float]) -> Path:
    """The trace in the packing trace's form, on its machine 3 of that size."""
    sizes = sorted({row[3:] for row in rows_of(trace)})
    vms = [
        (vm, 7, sizes.index((cpu, memory)), 0, at / 86_400, None if end == NEVER else end / 86_400)
        for vm, at, end, cpu, memory in rows_of(trace)
    ]
    types = [
        (kind, 3, cpu / 1000 / machine[0], memory / 1024 / machine[1])
        for kind, (cpu, memory) in enumerate(sizes)
    ]
    return packing(path, vms, types)
