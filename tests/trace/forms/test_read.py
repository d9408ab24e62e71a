"""Reading good files, in every shape they come in."""

from __future__ import annotations

import gzip
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from vmagent_marl.trace import NEVER, Trace, read_trace
from vmagent_marl.trace.forms import text as pieces

LIFETIMES = "vmid,cpu,mem,at,lt\n7,1.5,2,0.0,194.0\n3,4,0.5,2,\n5,64,128,2,0\n"
EVENTS = (
    "vmid,cpu,memory,time,type\n"
    "7,1.5,2,0,0\n3,4,0.5,2,0\n5,64,128,2,0\n5,64,128,2,1\n7,1.5,2,194,1\n"
)
ROWS = [(7, 0, 194, 1500, 2048), (3, 2, NEVER, 4000, 512), (5, 2, 2, 64_000, 131_072)]


def rows_of(trace: Trace) -> list[tuple[int, ...]]:
    columns = (trace.vm, trace.arrival, trace.departure, trace.cpu, trace.memory)
    return list(zip(*(column.tolist() for column in columns), strict=True))


def written(folder: Path, text: str | bytes, name: str = "month.csv") -> Path:
    path = folder / name
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return path


@pytest.mark.parametrize("text", [LIFETIMES, EVENTS])
def test_both_forms_tell_the_same_trace(tmp_path: Path, text: str) -> None:
    trace = read_trace(str(written(tmp_path, text)))
    assert rows_of(trace) == ROWS
    assert (trace.name, trace.start_hour) == ("month", 0)


@pytest.mark.parametrize("text", [LIFETIMES, EVENTS])
@pytest.mark.parametrize(
    "change",
    [
        lambda text: "\ufeff" + text,
        lambda text: text.replace("\n", "\r\n"),
        lambda text: text.replace("\n", "\r"),
        lambda text: text.rstrip("\n"),
        lambda text: text + "\n \n\n",
        lambda text: "\n" + text.replace("\n", "\n\n"),
        lambda text: text + ",,,,\n",
        lambda text: text.replace(",", ", "),
        lambda text: text.replace(",", " , "),
        lambda text: text.replace("\n", " \n"),
        lambda text: text.replace("cpu", "CPU").replace("vmid", '"VmId"'),
        lambda text: text.replace("7,", "7.0,"),
        lambda text: "\n".join(f'"a, b",{line},x' for line in text.split()).replace(
            "a, b", "note", 1
        ),
        lambda text: "\n".join(",".join(reversed(line.split(","))) for line in text.split()),
    ],
    ids=[
        "byte order mark",
        "crlf",
        "cr",
        "no last newline",
        "blank lines at the end",
        "blank lines between",
        "empty cells at the end",
        "spaces after commas",
        "spaces around commas",
        "spaces at line ends",
        "capitals and quotes",
        "ids as floats",
        "other columns",
        "other order",
    ],
)
def test_shapes_of_a_file(tmp_path: Path, text: str, change: object) -> None:
    changed = change(text)  # type: ignore[operator]
    assert rows_of(read_trace(written(tmp_path, changed))) == ROWS


def test_gzip_is_known_by_its_content(tmp_path: Path) -> None:
    data = gzip.compress(LIFETIMES.encode())
    for name in ("month.csv.gz", "month.csv"):
        trace = read_trace(written(tmp_path, data, name))
        assert (trace.name, rows_of(trace)) == ("month", ROWS)


def test_start_hour_is_given_or_0(tmp_path: Path) -> None:
    path = written(tmp_path, LIFETIMES)
    assert read_trace(path, start_hour=13).start_hour == 13
    assert read_trace(path).start_hour == 0


def test_events_of_one_vm_may_stand_in_any_order(tmp_path: Path) -> None:
    head, *lines = EVENTS.splitlines()
    deletions_first = "\n".join([head, *lines[3:], *lines[:3]])
    assert rows_of(read_trace(written(tmp_path, deletions_first))) == ROWS


def test_a_deletion_needs_no_size(tmp_path: Path) -> None:
    text = EVENTS.replace("7,1.5,2,194,1", "7,,,194,1").replace("5,64,128,2,1", "5,-,-,2,1")
    assert rows_of(read_trace(written(tmp_path, text))) == ROWS


def test_ids_keep_all_64_bits(tmp_path: Path) -> None:
    ids = [2**63 - 1, -(2**63), 2**53 + 1]
    text = "vmid,cpu,mem,at,lt\n" + "".join(f"{vm},1,1,0,0\n" for vm in ids)
    assert read_trace(written(tmp_path, text)).vm.tolist() == ids


def test_fractions_of_seconds_go_down_and_of_sizes_up(tmp_path: Path) -> None:
    text = "vmid,cpu,mem,at,lt\n0,1e-10,1e-10,1.9,0.05\n1,1.0001,1.0001,1.9,0.2\n"
    trace = read_trace(written(tmp_path, text))
    assert rows_of(trace) == [(0, 1, 1, 1, 1), (1, 1, 2, 1001, 1025)]


@settings(deadline=None)
@given(st.integers(1, 2**31 - 1))
def test_a_size_in_thousandths_is_read_as_it_is_meant(
    tmp_path_factory: pytest.TempPathFactory, milli: int
) -> None:
    path = tmp_path_factory.getbasetemp() / "sizes.csv"
    path.write_text(f"vmid,cpu,mem,at,lt\n0,{milli // 1000}.{milli % 1000:03d},1,0,0\n")
    assert read_trace(path).cpu.tolist() == [milli]


def test_the_largest_values(tmp_path: Path) -> None:
    largest = "2147483.647,2097151.9990234375,4503599627370495,1"
    trace = read_trace(written(tmp_path, f"vmid,cpu,mem,at,lt\n0,{largest}\n"))
    assert rows_of(trace) == [(0, 2**52 - 1, 2**52, 2**31 - 1, 2**31 - 1)]


@pytest.mark.parametrize("size", [8, 1 << 22])
def test_ids_may_be_any_text(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, size: int) -> None:
    """Then the line is the id, and deletions find their VM by its text, in whatever piece."""
    monkeypatch.setattr(pieces, "_PIECE", size)
    path = tmp_path / "cloud.csv"
    path.write_text("vmid,cpu,mem,at,lt\n7,1,2,0,5\ni-0a1b,1,2,1,\n1.5,1,2,2,5\n")
    assert rows_of(read_trace(path)) == [
        (2, 0, 5, 1000, 2048),
        (3, 1, NEVER, 1000, 2048),
        (4, 2, 7, 1000, 2048),
    ]
    path.write_text(
        "vmid,cpu,memory,time,type\n6e-uuid,1,2,0,0\n7,1,2,1,0\n\n 6e-uuid ,,,4,1\n7,,,9,1\n"
    )
    assert rows_of(read_trace(path)) == [(2, 0, 4, 1000, 2048), (3, 1, 9, 1000, 2048)]
