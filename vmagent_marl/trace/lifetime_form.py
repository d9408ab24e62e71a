"""The lifetime form of a trace: one row a VM, `vmid,cpu,mem,at,lt`.

Units in the file: vCPU, GB (of 1024 MiB), arrival in s since the trace's start, lifetime in s.
An empty lifetime means that the VM is never deleted.
"""

from __future__ import annotations

import gzip
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from vmagent_marl.errors import TraceError, VmagentError
from vmagent_marl.files import replacing
from vmagent_marl.trace.table import Form, Table
from vmagent_marl.trace.trace import LATEST, NEVER, Trace
from vmagent_marl.trace.units import MIB, MILLI

LIFETIME_FORM = Form("lifetime form", ("vmid", "cpu", "mem", "at", "lt"))


def from_lifetimes(table: Table, name: str, start_hour: int) -> Trace:
    """The trace that the rows tell, or a `TraceError` that names the line that is wrong."""
    arrival = table.arrivals("at")
    stays = table.empty("lt")
    end = arrival + table.filled("lt", stays, "0").seconds("lt")
    table.require(end <= LATEST, "lt", "the VM would end after 2**52 s, the latest time")
    departure = np.floor(end).astype(np.int64)
    departure[stays] = NEVER
    return Trace(
        name=name,
        vm=table.ids("vmid", "a VM has one row"),
        arrival=np.floor(arrival).astype(np.int64),
        departure=departure,
        cpu=table.amounts("cpu", MILLI),
        memory=table.amounts("mem", MIB),
        start_hour=start_hour,
    )


def write_lifetimes(trace: Trace, path: str | Path) -> None:
    """Write the trace in lifetime form, gzipped where the name ends in .gz.

    `read_trace` gives back the same columns, to the last one; the trace's name and start hour
    have no place in the file. The file appears whole or not at all. Raises `TraceError` for a
    trace without requests and where the file cannot be written.
    """
    path = Path(path)
    if not len(trace):
        raise TraceError(f"trace {trace.name!r} has no request to write to {path}")
    text = _text(trace).encode("ascii")
    # Without the time of writing, the same trace makes the same file.
    data = gzip.compress(text, mtime=0) if path.suffix == ".gz" else text
    try:
        with replacing(path) as unfinished:
            unfinished.write_bytes(data)
    except VmagentError as error:
        raise TraceError(str(error)) from None


def _text(trace: Trace) -> str:
    never = trace.departure == NEVER
    lifetime = np.where(never, 0, trace.departure - trace.arrival).astype(np.str_)
    lifetime[never] = ""
    columns = (
        map(str, trace.vm.tolist()),
        _amounts(trace.cpu, MILLI),
        _amounts(trace.memory, MIB),
        map(str, trace.arrival.tolist()),
        lifetime.tolist(),
    )
    rows = map(",".join, zip(*columns, strict=True))
    return "\n".join([",".join(LIFETIME_FORM.columns), *rows, ""])


def _amounts(amounts: NDArray[np.int32], parts: int) -> list[str]:
    """Each amount over `parts` as an exact decimal: 1500 milli-vCPU are "1.5"."""
    distinct, index = np.unique(amounts, return_inverse=True)
    # 1/1024 has ten decimals, 1/1000 fewer.
    texts = [f"{amount / parts:.10f}".rstrip("0").rstrip(".") for amount in distinct.tolist()]
    return [texts[i] for i in index.tolist()]
