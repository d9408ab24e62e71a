"""The event form of a trace, VMAgent's own: one row an event, `vmid,cpu,memory,time,type`.

Units in the file: vCPU, GB (of 1024 MiB), s since the trace's start. Type 0 is the creation of a
VM and 1 its deletion, whose cpu and memory are not read. A VM without a deletion was still alive
when the trace ended and stays for ever. Creations are in the order of time; deletions may stand
anywhere. Where any id is no whole number, the line of its creation is each VM's id. This is the
form of Huawei-East-1 (Huawei Cloud's VM-placement-dataset).
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from vmagent_marl.trace.forms.assembly import Part, first_ones, in_order, joined, kept, trace_of
from vmagent_marl.trace.forms.bad_rows import BadRows
from vmagent_marl.trace.forms.rows import Form, Rows
from vmagent_marl.trace.forms.table import Table
from vmagent_marl.trace.trace import NEVER, Trace
from vmagent_marl.trace.units import MIB, MILLI

EVENT_FORM = Form("event form", ("vmid", "cpu", "memory", "time", "type"))
_CREATION, _DELETION = 0, 1


def from_events(rows: Rows, name: str, start_hour: int, bad_rows: BadRows) -> Trace:
    """The trace that the events tell, or a `TraceError` that names the line that is wrong.

    Where bad rows are skipped, a VM whose deletion is wrong is left out too: nobody knows how
    long it stayed.
    """
    creations, deletions = zip(*rows.parts(bad_rows, _events), strict=True)
    created, deleted = joined(creations), joined(deletions)
    named = bool(np.concatenate([created.pop("named"), deleted.pop("named")]).any())
    keep = first_ones(
        *(created["vm"], created["line"], "vmid", "a VM is created once", bad_rows),
        shown=not named,
    )
    created = kept(created, keep)
    created = kept(created, in_order(created["arrival"], created["line"], "time", bad_rows))
    keep = first_ones(
        *(deleted["vm"], deleted["line"], "vmid", "a VM is deleted once", bad_rows),
        shown=not named,
    )
    deleted = kept(deleted, keep)
    created["departure"] = np.full(created["vm"].size, NEVER, dtype=np.int64)
    vms = _with_departures(created, deleted, bad_rows, named)
    if named:
        vms["vm"] = vms["line"].copy()
    return trace_of(vms, name, start_hour, bad_rows)


def _events(table: Table) -> tuple[Part, Part]:
    """The creations and the deletions of a part of the rows."""
    kind = table.numbers("type")
    is_creation, is_deletion = kind == _CREATION, kind == _DELETION
    table.require(is_creation | is_deletion, "type", "0 is a creation and 1 a deletion")
    new, gone = table.where(is_creation & table.good), table.where(is_deletion & table.good)
    vm, named = new.keys("vmid")
    creations: Part = {
        "line": new.lines,
        "vm": vm,
        "named": named,
        "arrival": np.floor(new.seconds("time")).astype(np.int64),
        "cpu": new.amounts("cpu", MILLI),
        "memory": new.amounts("memory", MIB),
    }
    vm, named = gone.keys("vmid")
    known = gone.good
    end = np.floor(gone.seconds("time")).astype(np.int64)
    end[gone.bad] = -1  # was reported
    deletions = {"line": gone.lines, "vm": vm, "named": named, "end": end}
    return kept(creations, new.good), kept(deletions, known)


def _with_departures(
    created: Part, deleted: Part, bad_rows: BadRows, named: bool
) -> dict[str, NDArray[np.int64]]:
    """The VMs with the ends that their deletions tell, without those whose deletion is wrong."""

    def called(vm: int) -> str:
        return "this VM" if named else f"VM {vm}"

    vm, end, line = created["vm"], deleted["end"], deleted["line"]
    order = vm.argsort()
    place = np.searchsorted(vm, deleted["vm"], sorter=order)
    known = place < vm.size
    known[known] = vm[order[place[known]]] == deleted["vm"][known]
    unknown = ~known & (end >= 0)
    strange = deleted["vm"][unknown]
    bad_rows.add(
        line[unknown],
        lambda i: (
            f"{'this VM' if named else f'vmid is {strange[i]}; it'} is deleted but never created; "
            "add its creation"
        ),
    )
    row, end, line = order[place[known]], end[known], line[known]
    early = end < created["arrival"][row]
    wrong = early & (end >= 0)
    bad_rows.add(
        line[wrong],
        lambda i: (
            f"{called(vm[row[wrong][i]])} is deleted before its creation on "
            f"{bad_rows.place} {created['line'][row[wrong][i]]}; correct one of the times"
        ),
    )
    left_out = np.zeros(vm.size, np.bool_)
    left_out[row[early]] = True
    bad_rows.add(
        created["line"][left_out],
        lambda i: f"{called(vm[left_out][i])}: its deletion is left out",
    )
    created["departure"][row] = end
    return kept(created, ~left_out)
