"""The parts of a file put together into a trace, and the checks that need all of its rows."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from vmagent_marl.errors import TraceError
from vmagent_marl.trace.forms.bad_rows import BadRows
from vmagent_marl.trace.trace import NEVER, Trace

Part = Mapping[str, NDArray[Any]]
"""Columns of some VMs: those of a `Trace`, and `line`, the number of each one's row."""


def joined(parts: Iterable[Part]) -> dict[str, NDArray[Any]]:
    """The columns of all parts, one after the other; none where there is no part."""
    held = [dict(part) for part in parts]
    names = list(held[0]) if held else []
    # Column by column, each let go of at once: memory holds little more than all of them.
    return {name: np.concatenate([part.pop(name) for part in held]) for name in names}


def kept(columns: Part, keep: NDArray[np.bool_]) -> dict[str, NDArray[Any]]:
    """The chosen rows of all columns."""
    return {name: values if keep.all() else values[keep] for name, values in columns.items()}


def first_ones(
    values: NDArray[np.int64],
    lines: NDArray[np.int64],
    column: str,
    rule: str,
    bad_rows: BadRows,
    *,
    shown: bool = True,
) -> NDArray[np.bool_]:
    """(n,) where a value stands for the first time; the others are reported with the rule."""
    keep = np.ones(values.size, np.bool_)
    if (values[1:] > values[:-1]).all():  # as ids usually do: sorting them would cost more
        return keep
    order = values.argsort(kind="stable")
    again = np.concatenate([[False], values[order[1:]] == values[order[:-1]]])
    keep[order[again]] = False
    rows = (~keep).nonzero()[0]

    def fault(i: int) -> str:
        value = values[rows[i]]
        before = lines[(values == value).argmax()]
        told = f"{column} {value}" if shown else column
        return f"{told} again, after {bad_rows.place} {before}; {rule}"

    bad_rows.add(lines[rows], fault)
    return keep


def in_order(
    arrival: NDArray[np.int64], lines: NDArray[np.int64], column: str, bad_rows: BadRows
) -> NDArray[np.bool_]:
    """(n,) where no row before arrives later; the others are reported.

    Where bad rows are skipped and fewer rows arrive later than one that follows, those are the
    wrong ones: a single time that is far too late makes not all that follows wrong.
    """
    latest = np.maximum.accumulate(arrival)
    keep: NDArray[np.bool_] = arrival >= latest
    if bad_rows.skip and not keep.all():
        earliest = np.minimum.accumulate(arrival[::-1])[::-1]
        early: NDArray[np.bool_] = arrival <= earliest
        if early.sum() > keep.sum():
            rows = (~early).nonzero()[0]
            bad_rows.add(
                lines[rows],
                lambda i: (
                    f"{column} is {arrival[rows[i]]}, though a later {bad_rows.place} has "
                    f"{earliest[rows[i]]}; sort the rows by arrival"
                ),
            )
            return early
    rows = (~keep).nonzero()[0]

    def fault(i: int) -> str:
        row = rows[i]
        before = lines[(arrival[:row] == latest[row]).nonzero()[0][-1]]
        return (
            f"{column} is {arrival[row]}, before the {latest[row]} of {bad_rows.place} {before}; "
            "sort the rows by arrival"
        )

    bad_rows.add(lines[rows], fault)
    return keep


def trace_of(
    columns: dict[str, NDArray[Any]],
    name: str,
    start_hour: int,
    bad_rows: BadRows,
    *,
    tells_running: bool = False,
) -> Trace:
    """The trace of checked columns, in the order of arrival; says which rows were left out.

    The columns are taken out of the dictionary and become the trace's own.

    Raises `TraceError` where no row is left.
    """
    bad_rows.warn()
    if not columns or not columns["vm"].size:
        raise TraceError(f"{bad_rows.path}: no row of it can be used; mend or change the file")
    arrival = columns["arrival"]
    order = None if (arrival[1:] >= arrival[:-1]).all() else arrival.argsort(kind="stable")
    ready: dict[str, Any] = {}
    for column in [column for column in columns if column != "line"]:
        values = columns.pop(column)
        ready[column] = values if order is None else values[order]
        ready[column].flags.writeable = False  # so that the trace takes it as it is
    return Trace(name=name, start_hour=start_hour, tells_running=tells_running, **ready)


def or_never(stays: NDArray[np.bool_], departure: NDArray[np.float64]) -> NDArray[np.int64]:
    """(n,) departures in whole seconds, NEVER where the VM stays."""
    seconds = np.floor(departure).astype(np.int64)
    seconds[stays] = NEVER
    return seconds
