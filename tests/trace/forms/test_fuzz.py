"""Whatever bytes a file holds, there is a trace or one line of ours that says why not."""

from __future__ import annotations

import gzip
import warnings
from pathlib import Path
from typing import Any, get_args

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from trace_files import packing, vmtable

from vmagent_marl.errors import TraceError
from vmagent_marl.trace import NEVER, LeftOutWarning, Trace, read_trace, write_trace
from vmagent_marl.trace.forms.hdf5 import SEAL
from vmagent_marl.trace.forms.read import Format

FORMATS = get_args(Format)
HEADS = [
    b"",
    b"vmid,cpu,mem,at,lt\n",
    b"vmid,cpu,memory,time,type\n",
    b"\x1f\x8b\x08",
    b"SQLite format 3\0",
    b"\x89HDF\r\n\x1a\n",
    SEAL,
    b"PK\3\4",
    b"\xef\xbb\xbf",
    b"\xff\xfe",
]
QUIET = settings(
    deadline=None, max_examples=150, suppress_health_check=[HealthCheck.function_scoped_fixture]
)


def a_trace() -> Trace:
    columns: list[Any] = [
        *([7, 3, 5], [0, 10, 300], [300, NEVER, 900], [1000, 2000, 4000], [1024, 2048, 4096])
    ]
    return Trace("three", *columns, tenant=[1, 2, 1])


@pytest.fixture(scope="module")
def valid(tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    """A good file of each form."""
    folder = tmp_path_factory.mktemp("valid")
    for name in ("three.csv", "three.events.csv", "three.h5", "three.csv.gz"):
        write_trace(a_trace(), folder / name)
    vms = [(i, 0, i % 2, 0, i / 9, 3 if i else None) for i in range(9)]
    packing(folder / "three.sqlite", vms, [(0, 0, 0.5, 0.5), (1, 0, 1, 1)])
    rows = [(0, 300, 2, 4), (300, 2_591_400, ">24", ">64")]
    (folder / "v2.csv").write_text(vmtable(rows))
    (folder / "v1.csv").write_text(vmtable([(0, 300, 1, 1.75), (300, 600, 2, 3.5)]))
    (folder / "v2.csv.gz").write_bytes(gzip.compress(vmtable(rows).encode(), mtime=0))
    return {file.name: file.read_bytes() for file in folder.iterdir()}


def try_to_read(path: Path, **options: Any) -> str:
    """What was said, or nothing; anything but a trace, our error and our warning fails."""
    with warnings.catch_warnings(record=True) as told:
        warnings.simplefilter("always")
        try:
            assert len(read_trace(path, machine=(64, 256), **options)) > 0
            said = ""
        except TraceError as error:
            said = str(error)
            assert said.startswith(str(path))
            assert "\n" not in said
    assert [each.category for each in told] in ([], [LeftOutWarning], [LeftOutWarning] * 2)
    return said


options = st.fixed_dictionaries(
    {"format": st.none() | st.sampled_from(FORMATS), "skip_bad": st.booleans()}
)


@QUIET
@given(head=st.sampled_from(HEADS), tail=st.binary(max_size=200), how=options)
def test_any_bytes(tmp_path: Path, head: bytes, tail: bytes, how: dict[str, Any]) -> None:
    path = tmp_path / "any"
    path.write_bytes(head + tail)
    try_to_read(path, **how)


@QUIET
@given(data=st.data(), skip_bad=st.booleans())
def test_good_files_changed(
    tmp_path: Path, valid: dict[str, bytes], data: st.DataObject, skip_bad: bool
) -> None:
    """Bytes are changed, taken out or put in; what is longer than a few hundred mostly in place."""
    name = data.draw(st.sampled_from(sorted(valid)))
    content = bytearray(valid[name])
    for _ in range(data.draw(st.integers(1, 6))):
        at = data.draw(st.integers(0, len(content) - 1))
        change = data.draw(st.sampled_from(["set", "set", "set", "cut", "put"]))
        if change == "set":
            content[at] = data.draw(st.integers(0, 255))
        elif change == "cut" and len(content) > 20:
            del content[at : at + data.draw(st.integers(1, 8))]
        else:
            content[at:at] = data.draw(st.binary(min_size=1, max_size=8))
    path = tmp_path / "changed"
    path.write_bytes(content)
    try_to_read(path, skip_bad=skip_bad)


@QUIET
@given(data=st.data())
def test_good_files_cut(tmp_path: Path, valid: dict[str, bytes], data: st.DataObject) -> None:
    name = data.draw(st.sampled_from(sorted(valid)))
    content = valid[name]
    path = tmp_path / "cut"
    path.write_bytes(content[: data.draw(st.integers(0, 2**20)) % len(content)])
    said = try_to_read(path)
    if name.endswith(".gz"):
        assert "broken gzip file" in said or "empty" in said or "unknown header" in said


def test_the_good_files_are_good(tmp_path: Path, valid: dict[str, bytes]) -> None:
    for name, content in valid.items():
        (tmp_path / name).write_bytes(content)
        assert try_to_read(tmp_path / name) == ""
