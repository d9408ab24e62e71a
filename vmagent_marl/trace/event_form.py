"""The event form of a trace, VMAgent's own: one row an event, `vmid,cpu,memory,time,type`.

Units in the file: vCPU, GB (of 1024 MiB), s since the trace's start. Type 0 is the creation of a
VM and 1 its deletion, whose cpu and memory are not read. A VM without a deletion stays for ever.
Creations are in the order of time; deletions may stand anywhere.
"""

from __future__ import annotations

import numpy as np

from vmagent_marl.trace.table import Form, Table
from vmagent_marl.trace.trace import NEVER, Trace
from vmagent_marl.trace.units import MIB, MILLI

EVENT_FORM = Form("event form", ("vmid", "cpu", "memory", "time", "type"))
_CREATION, _DELETION = 0, 1


def from_events(table: Table, name: str, start_hour: int) -> Trace:
    """The trace that the events tell, or a `TraceError` that names the line that is wrong."""
    kind = table.numbers("type")
    is_creation = kind == _CREATION
    is_deletion = kind == _DELETION
    table.require(is_creation | is_deletion, "type", "0 is a creation and 1 a deletion")
    creations, deletions = table.where(is_creation), table.where(is_deletion)

    vm = creations.ids("vmid", "a VM is created once")
    arrival = creations.arrivals("time")
    deleted = deletions.ids("vmid", "a VM is deleted once")
    end = deletions.seconds("time")

    order = vm.argsort()
    place = np.searchsorted(vm, deleted, sorter=order)
    known = place < vm.size
    known[known] = vm[order[place[known]]] == deleted[known]
    deletions.require(known, "vmid", "it is deleted but never created; add its creation")
    row = order[place]
    early = end < arrival[row]
    if early.any():
        first = int(early.argmax())
        deletions.fail(
            first,
            f"VM {deleted[first]} is deleted before its creation on line "
            f"{creations.line(int(row[first]))}; correct one of the times",
        )
    departure = np.full(vm.size, NEVER, dtype=np.int64)
    departure[row] = np.floor(end).astype(np.int64)
    return Trace(
        name=name,
        vm=vm,
        arrival=np.floor(arrival).astype(np.int64),
        departure=departure,
        cpu=creations.amounts("cpu", MILLI),
        memory=creations.amounts("memory", MIB),
        start_hour=start_hour,
    )
