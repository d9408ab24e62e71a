"""Bad input: one line that says the file, the line of it, and what to do."""

from __future__ import annotations

import gzip
import os
import threading
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from trace_files import packing

from vmagent_marl.errors import TraceError
from vmagent_marl.trace import read_trace, synthetic_month, write_trace

LIFETIMES = "vmid,cpu,mem,at,lt\n"
EVENTS = "vmid,cpu,memory,time,type\n"
GOOD = "0,1,1,0,5\n"


def message_of(path: Path) -> str:
    with pytest.raises(TraceError) as caught:
        read_trace(path)
    message = str(caught.value)
    assert message.startswith(str(path))
    assert "\n" not in message
    return message.removeprefix(str(path))


@pytest.mark.parametrize(
    ("rows", "expected"),
    [
        (GOOD + "1,x,1,0,5\n", ", line 3: cpu is 'x'; give a number"),
        (GOOD + "\n\n1,x,1,0,5\n", ", line 5: cpu is 'x'; give a number"),
        (GOOD + "1,1_0,1,0,5\n", ", line 3: cpu is '1_0'; give a number"),
        (GOOD + " ,1,1,0,5\n", ", line 3: vmid is ' '; give the VM's id"),
        (GOOD + "\n" * 5000 + "1,1\0,1,0,5\n", ", line 5003: cpu is '1\\x00'; give a number"),
        (GOOD + "1,,1,0,5\n", ", line 3: cpu is ''; give a number"),
        (GOOD + "1,nan,1,0,5\n", ", line 3: cpu is 'nan'; give a finite number"),
        (GOOD + "1,1,inf,0,5\n", ", line 3: mem is 'inf'; give a finite number"),
        (GOOD + "1,1,1,0,-inf\n", ", line 3: lt is '-inf'; give a finite number"),
        (GOOD + "1,0,1,0,5\n", ", line 3: cpu is '0'; a size is above 0"),
        (GOOD + "1,1,-2,0,5\n", ", line 3: mem is '-2'; a size is above 0"),
        (GOOD + "1,2147483.648,1,0,5\n", ", line 3: cpu is '2147483.648'; the largest size is"),
        (GOOD + "1,1,1e308,0,5\n", ", line 3: mem is '1e308'; the largest size is 2097151"),
        ("0,1,1,-0.5,5\n" + GOOD, ", line 2: at is '-0.5'; a time is never negative"),
        (GOOD + "1,1,1,0,-1\n", ", line 3: lt is '-1'; a time is never negative"),
        (GOOD + "1,1,1,1e16,1\n", ", line 3: at is '1e16'; the latest time is 2**52 s"),
        (GOOD + "1,1,1,0,1e16\n", ", line 3: lt is '1e16'; the latest time is 2**52 s"),
        (GOOD + f"1,1,1,5,{2**52}\n", f", line 3: lt is '{2**52}'; the VM would end after"),
        (
            "0,1,1,7,5\n\n1,1,1,6,5\n",
            ", line 4: at is 6, before the 7 of line 2; sort the rows by arrival",
        ),
        (
            "4,1,1,0,5\n9,1,1,0,5\n\n9,1,1,1,5\n4,1,1,2,5\n",
            ", line 5: vmid 9 again, after line 3; a VM has one row",
        ),
        (
            GOOD + "vm-1,1,1,0,5\n2,1,1,0,5\nvm-1,1,1,0,5\n",
            ", line 5: vmid again, after line 3; a VM has one row",
        ),
        (
            GOOD + "1,1,1,0\n",
            ", line 3: 4 fields where there are 5 columns; give one for each",
        ),
        (GOOD + "1,1,1,0,5,\n", ", line 3: 6 fields where there are 5 columns"),
        (GOOD + '1,"1\n2",1,0,5\n', ", line 3: not comma-separated text (unexpected"),
        (GOOD + f"1,{'z' * 99},1,0,5\n", f", line 3: cpu is '{'z' * 40}...'; give a number"),
    ],
)
def test_rows_in_lifetime_form(tmp_path: Path, rows: str, expected: str) -> None:
    path = tmp_path / "month.csv"
    path.write_text(LIFETIMES + rows)
    assert message_of(path).startswith(expected)


@pytest.mark.parametrize(
    ("rows", "expected"),
    [
        ("0,1,1,0,0\n1,1,1,1,2\n", ", line 3: type is '2'; 0 is a creation and 1 a deletion"),
        ("0,1,1,0,0\n1,1,1,1,0.5\n", ", line 3: type is '0.5'; 0 is a creation"),
        ("0,1,1,0,0\n1,1,1,1,new\n", ", line 3: type is 'new'; give a number"),
        ("0,1,1,0,0\n1,1,1,1,1\n", ", line 3: vmid is 1; it is deleted but never created"),
        ("0,1,1,0,0\n5,1,1,1,0\n3,1,1,1,1\n", ", line 4: vmid is 3; it is deleted but never"),
        ("a,1,1,0,0\nb,1,1,1,1\n", ", line 3: this VM is deleted but never created; add its"),
        ("a,1,1,5,0\na,1,1,4,1\n", ", line 3: this VM is deleted before its creation on line 2"),
        ("1,1,1,1,1\n", ", line 2: vmid is 1; it is deleted but never created"),
        (
            "0,1,1,0,0\n1,1,1,5,0\n1,1,1,4.5,1\n",
            ", line 4: VM 1 is deleted before its creation on line 3; correct one of the times",
        ),
        (
            "0,1,1,0,0\n0,1,1,2,1\n0,1,1,3,0\n",
            ", line 4: vmid 0 again, after line 2; a VM is created once",
        ),
        (
            "0,1,1,0,0\n0,1,1,2,1\n0,1,1,3,1\n",
            ", line 4: vmid 0 again, after line 3; a VM is deleted once",
        ),
        (
            "0,1,1,5,0\n0,1,1,6,1\n1,1,1,4,0\n",
            ", line 4: time is 4, before the 5 of line 2; sort the rows by arrival",
        ),
        ("0,1,1,0,0\n0,1,1,nan,1\n", ", line 3: time is 'nan'; give a finite number"),
        ("0,1,0,0,0\n", ", line 2: memory is '0'; a size is above 0"),
    ],
)
def test_rows_in_event_form(tmp_path: Path, rows: str, expected: str) -> None:
    path = tmp_path / "events.csv"
    path.write_text(EVENTS + rows)
    assert message_of(path).startswith(expected)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (
            "vmid,cpu,mem,at,ltt\n" + GOOD,
            ", line 1: no column 'lt' among 'vmid,cpu,mem,at,ltt': rename 'ltt' to 'lt'; "
            "the lifetime form (vmid,cpu,mem,at,lt) is the nearest",
        ),
        (
            "vmid,cpu,memory,time\n0,1,1,0\n",
            ", line 1: no column 'type' among 'vmid,cpu,memory,time': add it; "
            "the event form (vmid,cpu,memory,time,type) is the nearest",
        ),
        ("\n\nvmid,mem,at,lt\n0,1,1,0\n", ", line 3: no column 'cpu' among 'vmid,mem,at,lt'"),
        (
            GOOD + "1,1,1,0,5\n",
            ", line 1: no header, but a row of numbers ('0,1,1,0,5'); put the names of the columns "
            "above it, as in the lifetime form (vmid,cpu,mem,at,lt) and event "
            "form (vmid,cpu,memory,time,type)",
        ),
        ("\x1f", ", line 1: unknown header ''"),
        ("vmid;cpu;mem;at;lt\n", ", line 1: the columns are separated by ';': separate them"),
        ("vmid\tcpu\tmem\n", r", line 1: the columns are separated by '\t': separate them"),
        ("vmid,cpu,ram,start\n0,1,1,0\n", ", line 1: unknown header 'vmid,cpu,ram,start'"),
        ("vmid,cpu,mem,at,lt,CPU\n0,1,1,0,5,2\n", ", line 1: two columns 'cpu'; rename one"),
        ("", ": the file is empty"),
        ("\ufeff\n \n", ": the file is empty"),
        (LIFETIMES + "\n\n", ": no row after the header"),
        ("x" * 200_000 + ",1\n", ", line 1: longer than 131,072 characters"),
        (LIFETIMES + "0" * 5_000_000, ", line 2: longer than 131,072 characters"),
    ],
)
def test_headers_and_empty_files(tmp_path: Path, text: str, expected: str) -> None:
    path = tmp_path / "month.csv"
    path.write_text(text, encoding="utf-8")
    assert message_of(path).startswith(expected)


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        (b"\x89PNG\r\n\x1a\n\0\0", ": this is a binary file; give a trace in CSV"),
        (
            b"\xef\xbb\xbf" + LIFETIMES.encode() + GOOD.encode() + b"\xff,1,1,0,5\n",
            ", line 3: not UTF-8 text",
        ),
        (gzip.compress(LIFETIMES.encode() * 50)[:-20], ": broken gzip file"),
        (b"\x1f\x8b\x08 no gzip at all", ": broken gzip file"),
        (gzip.compress((LIFETIMES + "0,x,1,0,5\n").encode()), ", line 2: cpu is 'x'"),
    ],
    ids=["binary", "latin-1", "cut gzip", "false gzip", "bad row in gzip"],
)
def test_files_that_are_no_text(tmp_path: Path, data: bytes, expected: str) -> None:
    path = tmp_path / "month.csv"
    path.write_bytes(data)
    assert message_of(path).startswith(expected)


CELLS = st.sampled_from(["", " ", "0", "1", "2", "-1", "1.5", "1e400", "nan", "x", '"', "\n", "\r"])
ROWS_OF_CELLS = st.lists(st.lists(CELLS, min_size=4, max_size=6).map(",".join), max_size=6)


@settings(deadline=None, max_examples=300)
@given(
    header=st.sampled_from([LIFETIMES, EVENTS, ""]), rows=ROWS_OF_CELLS, tail=st.binary(max_size=9)
)
def test_whatever_the_file_holds_it_is_a_trace_or_one_line(
    tmp_path_factory: pytest.TempPathFactory, header: str, rows: list[str], tail: bytes
) -> None:
    path = tmp_path_factory.getbasetemp() / "any.csv"
    path.write_bytes((header + "\n".join(rows)).encode() + tail)
    said = ""
    try:
        assert len(read_trace(path)) > 0
    except TraceError as error:
        said = str(error)
    if said:
        assert said.startswith(str(path))
        assert "\n" not in said


def test_no_file_and_a_directory(tmp_path: Path) -> None:
    assert message_of(tmp_path / "nowhere.csv").startswith(": no such file; give the path")
    assert message_of(tmp_path).startswith(": this is a directory; give the path")


def test_a_file_as_a_folder(tmp_path: Path) -> None:
    (tmp_path / "month.csv").write_text(LIFETIMES + GOOD)
    assert message_of(tmp_path / "month.csv" / "x").startswith(": cannot be read (Not a directory)")


def test_a_link_to_itself(tmp_path: Path) -> None:
    (tmp_path / "loop.csv").symlink_to(tmp_path / "loop.csv")
    assert message_of(tmp_path / "loop.csv").startswith(": cannot be read (Too many levels of sym")


@pytest.mark.parametrize("name", ["month.csv", "month.csv.gz", "month.h5", "month.sqlite"])
def test_a_pipe_gives_text_alone(tmp_path: Path, name: str) -> None:
    """What is not read from front to back would wait for ever, or fail somewhere inside."""
    file, pipe = tmp_path / name, tmp_path / "pipe"
    if name.endswith(".sqlite"):
        packing(file, [(1, 1, 1, 0, 0, 1)], [(1, 1, 0.5, 0.5)])
    else:
        write_trace(synthetic_month(days=0.1), file)
    os.mkfifo(pipe)
    # The system's pipe holds all of it: nobody waits for a reader that has given up.
    writer = threading.Thread(target=lambda: pipe.write_bytes(file.read_bytes()[:60_000]))
    writer.start()
    if ".csv" in name:
        assert read_trace(pipe).fingerprint == read_trace(file).fingerprint
    else:
        assert message_of(pipe).endswith(" is not read from a pipe; save it as a file")
    writer.join()
