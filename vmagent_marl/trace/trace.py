"""VM requests as columns: what every simulator, scenario and reader here means by a trace."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, fields, replace
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from vmagent_marl.errors import TraceError

NEVER: int = int(np.iinfo(np.int64).max)
"""Departure of a VM that is never deleted."""

LATEST: int = 2**52
"""Last second a trace may name: up to it, float64 holds every sum of two times exactly."""

_COLUMNS: dict[str, type[np.int64] | type[np.int32]] = {
    "vm": np.int64,
    "arrival": np.int64,
    "departure": np.int64,
    "cpu": np.int32,
    "memory": np.int32,
}

_OPTIONAL: dict[str, type[np.int64] | type[np.int32]] = {
    "tenant": np.int64,
    "home": np.int32,
    "priority": np.int32,
}


@dataclass(frozen=True, eq=False, repr=False)
class Trace:
    """VM requests in the order of their arrival: columns, one row per request.

    The columns are read-only; one that comes in writeable is copied, so that nobody changes it
    later from outside. A trace that contradicts itself raises `TraceError`.

    The last three columns are None where a trace does not tell; the simulator does not use them.
    """

    name: str  # for tables and cards: "synthetic-month", or the stem of the file
    vm: NDArray[np.int64]  # (n,) id of each VM, no two alike
    arrival: NDArray[np.int64]  # (n,) s since the trace's start, 0..LATEST, never decreasing
    departure: NDArray[np.int64]  # (n,) s, arrival..LATEST; NEVER where the VM is never deleted
    cpu: NDArray[np.int32]  # (n,) milli-vCPU, > 0
    memory: NDArray[np.int32]  # (n,) MiB, > 0
    start_hour: int = 0  # hour of the day (local) at second 0
    tenant: NDArray[np.int64] | None = None  # (n,) who asks
    home: NDArray[np.int32] | None = None  # (n,) cluster that is asked first, >= 0
    priority: NDArray[np.int32] | None = None  # (n,) as the trace's source counts it
    tells_running: bool = False  # what arrives in second 0 ran before; else nobody knows

    def __post_init__(self) -> None:
        for column in self.columns:
            object.__setattr__(self, column, self._frozen(column))
        lengths = {column: len(values) for column, values in self.columns.items()}
        if len(set(lengths.values())) > 1:
            raise TraceError(f"trace {self.name!r}: columns of unlike length: {lengths}")
        if self.start_hour not in range(24):
            raise TraceError(
                f"trace {self.name!r}: start_hour is {self.start_hour!r}; give 0 to 23"
            )
        ends = (self.departure == NEVER) | (self.departure <= LATEST)
        in_order = np.ones(len(self), dtype=np.bool_)
        in_order[1:] = self.arrival[1:] >= self.arrival[:-1]
        self._require((self.arrival >= 0) & (self.arrival <= LATEST), "arrival", "0 to 2**52 s")
        self._require(in_order, "arrival", "no earlier than the row before: sort by arrival")
        self._require(ends & (self.departure >= self.arrival), "departure", "arrival to 2**52 s")
        self._require(self.cpu > 0, "cpu", "above 0 milli-vCPU")
        self._require(self.memory > 0, "memory", "above 0 MiB")
        if self.home is not None:
            self._require(self.home >= 0, "home", "a cluster, counted from 0")
        rising = bool((self.vm[1:] > self.vm[:-1]).all())
        # Ids usually count up; only where they do not is sorting them worth its time.
        if not rising and np.unique(self.vm).size < len(self):
            raise TraceError(f"trace {self.name!r}: two rows have the same VM id; ids are unique")

    def __len__(self) -> int:
        return int(self.arrival.size)

    def __repr__(self) -> str:
        return f"Trace({self.name!r}, {len(self):,} requests, {self.fingerprint[:12]})"

    def __reduce__(self) -> tuple[type[Trace], tuple[object, ...]]:
        # Unpickled arrays are writeable again; going through the constructor freezes them.
        return Trace, tuple(getattr(self, field.name) for field in fields(self))

    def rows(self, first: int, stop: int) -> Trace:
        """Rows first..stop-1 as a trace of views; times stay counted from the same second 0."""
        if not 0 <= first <= stop <= len(self):
            raise TraceError(
                f"trace {self.name!r}: rows {first} to {stop} are not within its {len(self)} rows"
            )
        columns: dict[str, Any] = {
            column: values[first:stop] for column, values in self.columns.items()
        }
        return replace(self, **columns)

    def chosen(self, rows: NDArray[np.int64], **changes: Any) -> Trace:
        """The rows in the order given, perhaps some more than once, with `changes` for fields."""
        picked = {column: values[rows] for column, values in self.columns.items()}
        return replace(self, **picked | changes)

    @property
    def lifetime(self) -> NDArray[np.int64]:
        """(n,) s from arrival to departure, NEVER where the VM is never deleted."""
        never = self.departure == NEVER
        # Taken from the departure, since NEVER less an arrival would be a number like any other.
        return np.where(never, NEVER, self.departure - self.arrival)

    @property
    def alive_at_start(self) -> NDArray[np.bool_]:
        """(n,) where a VM is known to have run before the trace began."""
        first: NDArray[np.bool_] = self.arrival == 0
        return first if self.tells_running else np.zeros_like(first)

    @property
    def columns(self) -> dict[str, NDArray[Any]]:
        """The columns that the trace has, by name, each (n,)."""
        named = {column: getattr(self, column) for column in (*_COLUMNS, *_OPTIONAL)}
        return {column: values for column, values in named.items() if values is not None}

    @cached_property
    def fingerprint(self) -> str:
        """sha256 (hex) over the columns as little-endian bytes, each after its name and length.

        Optional columns count where the trace has them.
        """
        digest = hashlib.sha256()
        for column, values in self.columns.items():
            digest.update(f"{column}:{len(self)}:".encode())
            digest.update(values.astype(values.dtype.newbyteorder("<"), copy=False).tobytes())
        return digest.hexdigest()

    def _frozen(self, column: str) -> NDArray[np.generic]:
        """The column as a read-only array of its type, or an error where it does not fit."""
        dtype = {**_COLUMNS, **_OPTIONAL}[column]
        given: ArrayLike = getattr(self, column)
        array = np.asarray(given)
        if array.ndim != 1 or (array.size and array.dtype.kind not in "iu"):
            raise TraceError(
                f"trace {self.name!r}: {column} is {array.dtype} of shape {array.shape}; "
                "give whole numbers of shape (n,)"
            )
        if array.dtype == dtype and not array.flags.writeable:
            return array
        typed = array.astype(dtype)
        if (typed != array).any():
            raise TraceError(
                f"trace {self.name!r}: {column} has values beyond {np.dtype(dtype).name}"
            )
        typed.flags.writeable = False
        return typed

    def _require(self, holds: NDArray[np.bool_], column: str, wanted: str) -> None:
        if holds.all():
            return
        row = int(holds.argmin())
        value = getattr(self, column)[row]
        raise TraceError(f"trace {self.name!r}, row {row}: {column} is {value}; wanted is {wanted}")
