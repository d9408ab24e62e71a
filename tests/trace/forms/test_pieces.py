"""A text file is read in pieces, numbers the quick way: the same trace, the same line, less memory.

The twin reads all at once and every cell as a text.
"""

from __future__ import annotations

import gzip
import tracemalloc
import warnings
from pathlib import Path

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from trace_files import rows_of

from vmagent_marl.errors import TraceError
from vmagent_marl.trace import LeftOutWarning, Trace, read_trace
from vmagent_marl.trace.forms import rows, text

LIFETIMES = "vmid,cpu,mem,at,lt\n"
EVENTS = "vmid,cpu,memory,time,type\n"
HEADERS = [LIFETIMES, EVENTS, "lt,at,note,mem,cpu,vmid\n", "type,vmid,cpu,memory,time,vmid2\n"]
IDS = ["0", "1", "2", "3", "7", "8", "9", "7.0", str(2**53 + 1), f"{2**53 + 1}.0", "+5", "1e1"]
TIMES = ["0", "1", "1", "1", "2", "2.5", "0.0", "1e0", "3"]
ODD = [
    "",
    " ",
    "nan",
    "inf",
    "-1",
    "1e400",
    "x",
    "1_0",
    '"1"',
    '"',
    "é",
    "\udcff",
    "--",
    "1.",
    ".5",
]
CELLS = st.one_of(*map(st.sampled_from, (IDS, TIMES, TIMES, ODD)))
ROWS = st.lists(
    st.lists(CELLS, min_size=5, max_size=6).map(",".join) | st.sampled_from(["", " ", ",,,,"]),
    max_size=8,
)


def outcome(path: Path, skip_bad: bool) -> tuple[object, ...]:
    """The rows read, what was said about those left out, and whether there was an error."""
    with warnings.catch_warnings(record=True) as told:
        warnings.simplefilter("always")
        try:
            found: object = rows_of(read_trace(path, skip_bad=skip_bad))
        except TraceError as error:
            found = str(error) if skip_bad else "an error"  # which of several may differ
    said = [str(each.message) for each in told]
    assert all(isinstance(each.message, LeftOutWarning) for each in told)
    return found, *said


@settings(deadline=None, max_examples=400)
@given(
    header=st.sampled_from(HEADERS),
    lines=ROWS,
    end=st.sampled_from(["\n", "\r\n", "\r"]),
    size=st.integers(1, 30),
    skip_bad=st.booleans(),
)
@example(LIFETIMES, ["1,1,1,1,1", f"{2**53 + 1}.0,1,1,1,"], "\n", 99, False)
@example(EVENTS, ["1,1,1,1,0", "1,,,2,1", "1,1,1,3,1"], "\n", 9, True)
def test_in_pieces_as_at_once(
    tmp_path_factory: pytest.TempPathFactory,
    header: str,
    lines: list[str],
    end: str,
    size: int,
    skip_bad: bool,
) -> None:
    path = tmp_path_factory.getbasetemp() / "pieces.csv"
    path.write_bytes(
        (header + "\n".join(lines)).replace("\n", end).encode(errors="surrogateescape")
    )
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(rows.Rows, "_numbers", lambda self, piece: None)
        expected = outcome(path, skip_bad)
    assert outcome(path, skip_bad) == expected
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(text, "_PIECE", size)
        assert outcome(path, skip_bad) == expected


def long_file(folder: Path, bad: str) -> Path:
    """200,000 lines, the last but two of them given; some VMs are never deleted."""
    lines = [f"{i},{1 + i % 4},{1 + i % 7},{i},{i % 90 or ''}\n" for i in range(200_000)]
    lines[-3] = bad
    path = folder / "long.csv"
    path.write_text(LIFETIMES + "".join(lines))
    return path


@pytest.mark.parametrize(
    ("bad", "fault"),
    [
        ("199997,1,1,199997,x\n", "lt is 'x'; give a number"),
        ("199997,1,1,199997,5,5\n", "6 fields where there are 5 columns"),
        ("199997,1,-1,199997,5\n", "mem is '-1'; a size is above 0"),
        ("199997,1,1,5,5\n", "at is 5, before the 199996 of line 199998; sort the rows"),
        ("3,1,1,199997,5\n", "vmid 3 again, after line 5; a VM has one row"),
        ('199997,"1,1,199997,5\n', "not comma-separated text (unexpected end of data)"),
    ],
)
def test_one_bad_line_near_the_end(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, bad: str, fault: str
) -> None:
    monkeypatch.setattr(text, "_PIECE", 1 << 18)
    path = long_file(tmp_path, bad)
    with pytest.raises(TraceError) as caught:
        read_trace(path)
    assert str(caught.value).startswith(f"{path}, line 199999: {fault}")
    with pytest.warns(LeftOutWarning, match="1 row is left out") as told:
        trace = read_trace(path, skip_bad=True)
    assert told[0].message.first[0].startswith(f"line 199999: {fault}")  # type: ignore[union-attr]
    assert np.array_equal(trace.vm, np.delete(np.arange(200_000), -3))


def test_memory_is_that_of_the_columns(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """64 MB of empty lines and two VMs: no more than a few pieces of them are ever held."""
    monkeypatch.setattr(text, "_PIECE", 1 << 18)
    path = tmp_path / "empty.csv.gz"
    with gzip.open(path, "wb") as file:
        file.write(LIFETIMES.encode() + b"0,1,1,0,5\n")
        for _ in range(64):
            file.write(b"\n" * 1_000_000)
        file.write(b"1,x,1,0,5\n")
    tracemalloc.start()
    with pytest.raises(TraceError, match="line 64000003: cpu is 'x'; give a number"):
        read_trace(path)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 8e6


def test_columns_are_all_that_stays(tmp_path: Path) -> None:
    """200,000 VMs: no part of the file is kept alive by a view of one of its columns."""
    path = long_file(tmp_path, "199997,1,1,199997,5\n")
    read_trace(path)  # imports and caches
    tracemalloc.start()
    trace: Trace = read_trace(path)
    held, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    size = sum(column.nbytes for column in trace.columns.values())
    assert held < 1.1 * size + 1e6
    assert peak < 3 * size + 60e6  # the pieces' share does not grow with the file
