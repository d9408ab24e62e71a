"""Azure's public traces V1 (2017) and V2 (2019): `vmtable.csv`, one row a VM, without a header.

Columns: `vmid,subscriptionid,deploymentid,vmcreated,vmdeleted,maxcpu,avgcpu,p95maxcpu,vmcategory,
vmcorecount,vmmemory`, ids as base64 text, times in s at ticks of 300 s, in no order. Read are the
times and sizes; the VM's id becomes the number of its line, counted from 1, and its subscription,
numbered in the order of appearance, its tenant. A header of these names is passed over.

V1 tells vCPU and GB. V2 tells buckets by their upper ends, which are read as the sizes; its open
ones, `>24` vCPU and `>64` GB, are read as 30 and 70, as Azure's own analysis of it does.

Censored: a VM created at 0 ran before and arrives at 0; one deleted at the last tick (the latest
deletion in the file) was still alive and is never deleted. Created and deleted within a tick, it
has a lifetime of 0 s.

Source: github.com/Azure/AzurePublicDataset, AzurePublicDatasetV1.md, AzurePublicDatasetV2.md and
the notebooks in analysis/.
"""

from __future__ import annotations

from functools import partial

import numpy as np

from vmagent_marl.trace.forms.assembly import Part, first_ones, joined, kept, trace_of
from vmagent_marl.trace.forms.bad_rows import BadRows
from vmagent_marl.trace.forms.rows import Rows
from vmagent_marl.trace.forms.table import Table
from vmagent_marl.trace.forms.text import is_number
from vmagent_marl.trace.trace import NEVER, Trace
from vmagent_marl.trace.units import MIB, MILLI

COLUMNS = [
    *("vmid", "subscriptionid", "deploymentid", "vmcreated", "vmdeleted", "maxcpu", "avgcpu"),
    *("p95maxcpu", "vmcategory", "vmcorecount", "vmmemory"),
]
WANTED = ("vmid", "subscriptionid", "vmcreated", "vmdeleted", "vmcorecount", "vmmemory")
_OPEN_CORES, _OPEN_MEMORY = {">24": "30"}, {">64": "70"}


def is_vmtable(cells: list[str]) -> bool:
    """Whether a file's first row can be one of a vmtable: as wide, with times in their places."""
    return len(cells) == len(COLUMNS) and all(is_number(cell) for cell in cells[3:5])


def is_header(cells: list[str]) -> bool:
    """Whether a file's first row names the columns; the last two are called in several ways."""
    names = [cell.strip().lower() for cell in cells]
    return len(names) == len(COLUMNS) and names[:9] == COLUMNS[:9]


def from_vmtable(
    rows: Rows, name: str, start_hour: int, bad_rows: BadRows, *, buckets: bool
) -> Trace:
    """The trace that the rows tell, or a `TraceError` that names the line that is wrong.

    `buckets`: V2's open ones are sizes too.
    """
    tenants: dict[str, int] = {}
    columns = joined(rows.parts(bad_rows, partial(_vms, tenants=tenants, buckets=buckets)))
    columns["vm"] = columns["line"]
    key = columns.pop("key")
    keep = first_ones(key, columns["line"], "vmid", "a VM has one row", bad_rows, shown=False)
    columns = kept(columns, keep)
    if columns["departure"].size:
        last_tick = columns["departure"].max()
        columns["departure"][columns["departure"] == last_tick] = NEVER
    return trace_of(columns, name, start_hour, bad_rows, tells_running=True)


def _vms(table: Table, tenants: dict[str, int], buckets: bool) -> Part:
    """The VMs of a part of the rows."""
    if buckets:
        _close(table, "vmcorecount", _OPEN_CORES)
        _close(table, "vmmemory", _OPEN_MEMORY)
    arrival, departure = table.seconds("vmcreated"), table.seconds("vmdeleted")
    table.require(departure >= arrival, "vmdeleted", "no VM ends before its creation")
    columns: Part = {
        "line": table.lines,
        "key": table.keys("vmid")[0],
        "arrival": np.floor(arrival).astype(np.int64),
        "departure": np.floor(departure).astype(np.int64),
        "cpu": table.amounts("vmcorecount", MILLI),
        "memory": table.amounts("vmmemory", MIB),
        "tenant": np.array(
            [tenants.setdefault(cell, len(tenants)) for cell in table.columns["subscriptionid"]],
            np.int64,
        ),
    }
    return kept(columns, table.good)


def _close(table: Table, column: str, sizes: dict[str, str]) -> None:
    """Put its size in the place of an open bucket."""
    cells: list[str] = [sizes.get(cell.strip()) or cell for cell in table.columns[column]]
    table.columns = {**table.columns, column: cells}
