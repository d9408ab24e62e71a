"""Azure's vmtable.csv of 2017 and 2019."""

from __future__ import annotations

import gzip
from pathlib import Path

import pytest
from trace_files import LAST_TICK, azure_id, rows_of, vmtable, vmtable_line

from vmagent_marl.errors import TraceError
from vmagent_marl.trace import NEVER, LeftOutWarning, read_trace

V1 = vmtable([(600, 900, 8, 14), (0, LAST_TICK, 1, 1.75), (300, 300, 2, "3.5"), (0, 600, 16, 112)])
V1_ROWS = [
    (2, 0, NEVER, 1000, 1792),
    (4, 0, 600, 16_000, 114_688),
    (3, 300, 300, 2000, 3584),
    (1, 600, 900, 8000, 14_336),
]
V2 = vmtable([(600, 900, 8, 32), (0, LAST_TICK, ">24", ">64"), (300, 600, "24", " 2 ")])
V2_ROWS = [
    (2, 0, NEVER, 30_000, 71_680),
    (3, 300, 600, 24_000, 2048),
    (1, 600, 900, 8000, 32_768),
]


def written(folder: Path, text: str | bytes) -> Path:
    path = folder / "vmtable.csv"
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return path


@pytest.mark.parametrize(("text", "rows"), [(V1, V1_ROWS), (V2, V2_ROWS)], ids=["V1", "V2"])
def test_rows_sizes_and_censoring(tmp_path: Path, text: str, rows: object) -> None:
    for data in (text.encode(), gzip.compress(text.encode()), text.replace("\n", "\r\n").encode()):
        trace = read_trace(written(tmp_path, data))
        assert rows_of(trace) == rows
        assert (trace.name, trace.home, trace.priority) == ("vmtable", None, None)


def test_a_subscription_is_a_tenant(tmp_path: Path) -> None:
    trace = read_trace(written(tmp_path, vmtable([(0, 300 + i, 2, 4) for i in range(5)])))
    assert trace.tenant is not None
    assert trace.tenant.tolist() == [0, 1, 2, 0, 1]


def test_a_header_is_passed_over(tmp_path: Path) -> None:
    names = "vmid,subscriptionid,deploymentid,vmcreated,vmdeleted,maxcpu,avgcpu,p95maxcpu"
    header = f"{names},vmcategory,vmcorecountbucket,vmmemorybucket\n"
    rows = [(vm + 1, *row) for vm, *row in V2_ROWS]  # ids are lines
    assert rows_of(read_trace(written(tmp_path, header + V2))) == rows


def test_the_form_can_be_named(tmp_path: Path) -> None:
    for form in ("azure-v2", None):
        assert rows_of(read_trace(written(tmp_path, V2), format=form)) == V2_ROWS
    assert rows_of(read_trace(written(tmp_path, V1), format="azure-v1")) == V1_ROWS
    with pytest.raises(TraceError, match="line 2: vmcorecount is '>24'; give a number"):
        read_trace(written(tmp_path, V2), format="azure-v1")


@pytest.mark.parametrize(
    ("line", "fault"),
    [
        (vmtable_line(9, "x", 300, 2, 4), "vmcreated is 'x'; give a number"),
        (vmtable_line(9, "", 300, 2, 4), "vmcreated is ''; give a number"),
        (vmtable_line(9, -300, 300, 2, 4), "vmcreated is '-300'; a time is never negative"),
        (vmtable_line(9, 600, 300, 2, 4), "vmdeleted is '300'; no VM ends before its creation"),
        (vmtable_line(9, 0, 300, ">64", 4), "vmcorecount is '>64'; give a number"),
        (vmtable_line(9, 0, 300, 2, ">24"), "vmmemory is '>24'; give a number"),
        (vmtable_line(9, 0, 300, 0, 4), "vmcorecount is '0'; a size is above 0"),
        (vmtable_line(9, 0, 300, 2, "-4"), "vmmemory is '-4'; a size is above 0"),
        (vmtable_line(0, 0, 300, 2, 4), "vmid again, after line 1; a VM has one row"),
        ("a,b,c\n", "3 fields where there are 11 columns; give one for each"),
        (vmtable_line(9, 0, 300, 2, "4,5"), "12 fields where there are 11 columns"),
        (vmtable_line(9, 0, 300, 2, 4).replace(azure_id(9), " "), "vmid is ' '; give the VM's id"),
    ],
)
def test_a_bad_row_and_what_is_left_without_it(tmp_path: Path, line: str, fault: str) -> None:
    path = written(tmp_path, V2 + "\n" + line + vmtable_line(8, 900, 900, 4, 8))
    with pytest.raises(TraceError) as caught:
        read_trace(path)
    assert str(caught.value).startswith(f"{path}, line 5: {fault}")
    with pytest.warns(LeftOutWarning, match="1 row is left out") as told:
        trace = read_trace(path, skip_bad=True)
    assert told[0].message.first[0].startswith(f"line 5: {fault}")  # type: ignore[union-attr]
    assert rows_of(trace) == sorted([*V2_ROWS, (6, 900, 900, 4000, 8192)], key=lambda row: row[1])


def test_eleven_cells_that_are_no_vmtable(tmp_path: Path) -> None:
    path = written(tmp_path, ",".join("abcdefghijk") + "\n")
    with pytest.raises(TraceError, match=r"unknown header.*, or name Azure's format"):
        read_trace(path)
    with pytest.raises(TraceError, match="line 1: vmcreated is 'd'; give a number"):
        read_trace(path, format="azure-v1")
