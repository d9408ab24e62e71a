"""The columns of a trace: checked when they come in, and fixed from then on."""

from __future__ import annotations

import copy
import hashlib
import pickle
import struct
from dataclasses import FrozenInstanceError, replace

import numpy as np
import pytest

from vmagent_marl.errors import TraceError
from vmagent_marl.trace import NEVER, Trace

COLUMNS = ("vm", "arrival", "departure", "cpu", "memory")


def three_vms(**changes: object) -> Trace:
    columns: dict[str, object] = {
        "vm": [7, 3, 5],
        "arrival": [0, 10, 10],
        "departure": [20, NEVER, 10],
        "cpu": [1000, 500, 2000],
        "memory": [1024, 512, 4096],
    }
    return Trace(name="three", **{**columns, **changes})  # type: ignore[arg-type]


def test_columns_have_their_types_and_are_read_only() -> None:
    trace = three_vms()
    assert len(trace) == 3
    for column in COLUMNS:
        array = getattr(trace, column)
        assert array.dtype == (np.int32 if column in ("cpu", "memory") else np.int64)
        with pytest.raises(ValueError, match="read-only"):
            array[0] = 1
    with pytest.raises(FrozenInstanceError):
        trace.cpu = trace.memory  # type: ignore[misc]


def test_the_owner_of_a_column_keeps_it_writeable_and_changes_no_trace() -> None:
    cpu = np.array([1000, 500, 2000], dtype=np.int32)
    trace = three_vms(cpu=cpu)
    cpu[0] = 9
    assert trace.cpu.tolist() == [1000, 500, 2000]


def test_rows_are_views() -> None:
    trace = three_vms(start_hour=8)
    part = trace.rows(1, 3)
    assert (part.name, part.start_hour, len(part)) == ("three", 8, 2)
    for column in COLUMNS:
        assert np.shares_memory(getattr(part, column), getattr(trace, column))
        assert getattr(part, column).tolist() == getattr(trace, column)[1:].tolist()
    assert len(trace.rows(2, 2)) == 0


@pytest.mark.parametrize(("first", "stop"), [(-1, 2), (2, 1), (0, 4)])
def test_rows_outside_of_the_trace(first: int, stop: int) -> None:
    with pytest.raises(TraceError, match=f"rows {first} to {stop} are not within its 3 rows"):
        three_vms().rows(first, stop)


def test_fingerprint_is_of_the_columns_only() -> None:
    trace = three_vms()
    assert trace.fingerprint == replace(trace, name="other", start_hour=8).fingerprint
    changed = [
        three_vms(vm=[7, 3, 6]),
        three_vms(arrival=[1, 10, 10]),
        three_vms(departure=[21, NEVER, 10]),
        three_vms(cpu=[1001, 500, 2000]),
        three_vms(memory=[1025, 512, 4096]),
        trace.rows(0, 2),
    ]
    assert len({trace.fingerprint, *(other.fingerprint for other in changed)}) == 7


def test_fingerprint_is_the_same_on_every_machine() -> None:
    content = (
        b"vm:3:" + struct.pack("<3q", 7, 3, 5),
        b"arrival:3:" + struct.pack("<3q", 0, 10, 10),
        b"departure:3:" + struct.pack("<3q", 20, NEVER, 10),
        b"cpu:3:" + struct.pack("<3i", 1000, 500, 2000),
        b"memory:3:" + struct.pack("<3i", 1024, 512, 4096),
    )
    assert three_vms().fingerprint == hashlib.sha256(b"".join(content)).hexdigest()


@pytest.mark.parametrize("copied", [copy.deepcopy, lambda trace: pickle.loads(pickle.dumps(trace))])
def test_copies_stay_read_only(copied: object) -> None:
    trace = three_vms(start_hour=8)
    other = copied(trace)  # type: ignore[operator]
    assert (other.name, other.start_hour) == ("three", 8)
    assert other.fingerprint == trace.fingerprint
    assert not any(getattr(other, column).flags.writeable for column in COLUMNS)


def test_repr_is_short() -> None:
    trace = three_vms()
    assert repr(trace) == f"Trace('three', 3 requests, {trace.fingerprint[:12]})"


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"vm": [1, 2]}, "columns of unlike length"),
        ({"vm": [7, 3, 7]}, "two rows have the same VM id"),
        ({"vm": [1, 1, 2]}, "two rows have the same VM id"),
        ({"arrival": [-1, 10, 10]}, "row 0: arrival is -1"),
        ({"arrival": [0, 11, 10]}, "row 2: arrival is 10; .*sort by arrival"),
        ({"departure": [20, 9, 10]}, "row 1: departure is 9"),
        ({"departure": [20, 2**52 + 1, 10]}, "row 1: departure is 4503599627370497"),
        ({"cpu": [1, 1, 0]}, "row 2: cpu is 0"),
        ({"memory": [-1, 1, 1]}, "row 0: memory is -1"),
        ({"cpu": [1.5, 1, 1]}, "cpu is float64 .*whole numbers"),
        ({"cpu": [[1], [1], [1]]}, r"cpu is int64 of shape \(3, 1\)"),
        ({"memory": [1, 1, 2**31]}, "memory has values beyond int32"),
        ({"start_hour": 24}, "start_hour is 24; give 0 to 23"),
    ],
)
def test_contradictions(changes: dict[str, object], message: str) -> None:
    with pytest.raises(TraceError, match=message) as caught:
        three_vms(**changes)
    assert "'three'" in str(caught.value)
    assert "\n" not in str(caught.value)


def test_lifetimes_and_chosen_rows() -> None:
    trace = Trace("t", [1, 2, 3], [0, 5, 9], [4, NEVER, 9], [1] * 3, [1] * 3, home=[2, 1, 0])
    assert trace.lifetime.tolist() == [4, NEVER, 0]
    chosen = trace.chosen(np.array([0, 2]), name="two")
    assert (chosen.name, chosen.vm.tolist(), chosen.lifetime.tolist()) == ("two", [1, 3], [4, 0])
    assert chosen.home is not None
    assert chosen.home.tolist() == [2, 0]
