"""Bad rows left out: counted, the first ten listed, and nothing wrong left in."""

from __future__ import annotations

import pickle
from pathlib import Path

import pytest
from trace_files import rows_of

from vmagent_marl.errors import TraceError
from vmagent_marl.trace import NEVER, LeftOutWarning, read_trace

LIFETIMES = "vmid,cpu,mem,at,lt\n"
EVENTS = "vmid,cpu,memory,time,type\n"


def left_out(path: Path) -> tuple[list[tuple[int, ...]], LeftOutWarning]:
    with pytest.warns(LeftOutWarning) as told:
        trace = read_trace(path, skip_bad=True)
    assert len(told) == 1
    message = told[0].message
    assert isinstance(message, LeftOutWarning)
    return rows_of(trace), message


def test_lifetimes(tmp_path: Path) -> None:
    path = tmp_path / "vms.csv"
    path.write_bytes(
        (
            LIFETIMES + "0,1,1,5,5\n1,x,1,5,5\n\n2,1,0,5,5\n3,1,1,5,nan\n4,1,1,4,5\n0,1,1,6,5\n"
            "5,1,1,6\n6,1,1,6,-5\n,1,1,6,5\n"
        ).encode()
        + b'7,1,1,\xff,5\n8,1,"1,6,5\n9,1,1,7,\n'
    )
    rows, message = left_out(path)
    assert rows == [(0, 5, 10, 1000, 1024), (9, 7, NEVER, 1000, 1024)]
    assert message.count == 10
    assert [line.split(";")[0] for line in message.first] == [
        "line 3: cpu is 'x'",
        "line 5: mem is '0'",
        "line 6: lt is 'nan'",
        "line 7: at is 4, before the 5 of line 2",
        "line 8: vmid 0 again, after line 2",
        "line 9: 4 fields where there are 5 columns",
        "line 10: lt is '-5'",
        "line 11: vmid is ''",
        "line 12: not UTF-8 text",
        "line 13: not comma-separated text (unexpected end of data)",
    ]
    assert str(message).splitlines()[0] == f"{path}: 10 rows are left out:"


def test_events(tmp_path: Path) -> None:
    """A VM whose deletion is wrong is left out: else it would stay for ever."""
    path = tmp_path / "events.csv"
    path.write_text(
        EVENTS + "0,1,1,5,0\n1,1,1,5,0\n2,1,1,5,0\n3,1,1,5,0\n4,0,1,6,0\n5,1,1,6,0\n0,1,1,7,1\n"
        "1,1,1,x,1\n2,1,1,4,1\n4,1,1,7,1\n9,1,1,7,1\n0,1,1,8,1\n5,1,1,9,7\n"
    )
    rows, message = left_out(path)
    assert rows == [
        (0, 5, 7, 1000, 1024),
        (3, 5, NEVER, 1000, 1024),
        (5, 6, NEVER, 1000, 1024),
    ]
    assert message.first == (
        "line 3: VM 1: its deletion is left out",
        "line 4: VM 2: its deletion is left out",
        "line 6: cpu is '0'; a size is above 0",
        "line 9: time is 'x'; give a number",
        "line 10: VM 2 is deleted before its creation on line 4; correct one of the times",
        "line 11: vmid is 4; it is deleted but never created; add its creation",
        "line 12: vmid is 9; it is deleted but never created; add its creation",
        "line 13: vmid 0 again, after line 8; a VM is deleted once",
        "line 14: type is '7'; 0 is a creation and 1 a deletion",
    )


def test_one_time_far_too_late_or_too_early(tmp_path: Path) -> None:
    """Makes no other row wrong."""
    path = tmp_path / "vms.csv"
    for wrong, said in (
        (10**9, "line 4: at is 1000000000, though a later line has 3; sort the rows"),
        (0, "line 4: at is 0, before the 1 of line 3; sort the rows by arrival"),
    ):
        times = [0, 1, wrong, 3, 4, 5]
        path.write_text(LIFETIMES + "".join(f"{vm},1,1,{at},5\n" for vm, at in enumerate(times)))
        rows, message = left_out(path)
        assert [row[0] for row in rows] == [0, 1, 3, 4, 5]
        assert message.count == 1
        assert message.first[0].startswith(said)


def test_ten_are_listed_and_all_counted(tmp_path: Path) -> None:
    path = tmp_path / "vms.csv"
    bad = [f"{i},1,{0 if i % 2 else 'x'},1,5\n" for i in range(1, 26)]
    path.write_text(LIFETIMES + "0,1,1,0,5\n" + "".join(bad))
    rows, message = left_out(path)
    assert len(rows) == 1
    assert message.count == 25
    assert [line.partition(":")[0] for line in message.first] == [f"line {i}" for i in range(3, 13)]
    assert str(message).startswith(
        f"{path}: 25 rows are left out, the first 10 of them:\n  line 3:"
    )


def test_nothing_left_and_nothing_left_out(tmp_path: Path) -> None:
    path = tmp_path / "vms.csv"
    path.write_text(LIFETIMES + "0,x,1,0,5\n")
    with (
        pytest.warns(LeftOutWarning, match="1 row is left out"),
        pytest.raises(TraceError, match="no row of it can be used"),
    ):
        read_trace(path, skip_bad=True)
    path.write_text(LIFETIMES + "0,1,1,0,5\n")
    assert len(read_trace(path, skip_bad=True)) == 1  # a warning would be an error


def test_the_warning_comes_back_from_another_process(tmp_path: Path) -> None:
    path = tmp_path / "vms.csv"
    path.write_text(LIFETIMES + "0,1,1,5,5\n1,x,1,5,5\n")
    _, message = left_out(path)
    again = pickle.loads(pickle.dumps(message))
    assert (str(again), again.count, again.first) == (str(message), 1, message.first)
