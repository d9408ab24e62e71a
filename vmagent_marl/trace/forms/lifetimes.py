"""The lifetime form of a trace: one row a VM, `vmid,cpu,mem,at,lt`, in the order of arrival.

Units in the file: vCPU, GB (of 1024 MiB), arrival in s since the trace's start, lifetime in s.
An empty lifetime means that the VM is never deleted. Where any id is no whole number, the number of
its line is each VM's id.
"""

from __future__ import annotations

import numpy as np

from vmagent_marl.trace.forms.assembly import (
    Part,
    first_ones,
    in_order,
    joined,
    kept,
    or_never,
    trace_of,
)
from vmagent_marl.trace.forms.bad_rows import BadRows
from vmagent_marl.trace.forms.rows import Form, Rows
from vmagent_marl.trace.forms.table import Table
from vmagent_marl.trace.trace import LATEST, Trace
from vmagent_marl.trace.units import MIB, MILLI

LIFETIME_FORM = Form("lifetime form", ("vmid", "cpu", "mem", "at", "lt"))


def from_lifetimes(rows: Rows, name: str, start_hour: int, bad_rows: BadRows) -> Trace:
    """The trace that the rows tell, or a `TraceError` that names the line that is wrong."""
    columns = joined(rows.parts(bad_rows, _lives))
    named = bool(columns.pop("named").any())
    keep = first_ones(
        *(columns["vm"], columns["line"], "vmid", "a VM has one row", bad_rows), shown=not named
    )
    if named:
        columns["vm"] = columns["line"].copy()
    columns = kept(columns, keep)
    columns = kept(columns, in_order(columns["arrival"], columns["line"], "at", bad_rows))
    return trace_of(columns, name, start_hour, bad_rows)


def _lives(table: Table) -> Part:
    """The VMs of a part of the rows."""
    arrival = table.seconds("at")
    stays = table.empty("lt")
    table.fill("lt", stays, 0)
    end = arrival + table.seconds("lt")
    table.require(end <= LATEST, "lt", "the VM would end after 2**52 s, the latest time")
    vm, named = table.keys("vmid")
    columns: Part = {
        "line": table.lines,
        "vm": vm,
        "named": named,
        "arrival": np.floor(arrival).astype(np.int64),
        "departure": or_never(stays, end),
        "cpu": table.amounts("cpu", MILLI),
        "memory": table.amounts("mem", MIB),
    }
    return kept(columns, table.good)
