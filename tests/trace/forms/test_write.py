"""Writing the lifetime form: an exact round trip, and never half a file."""

from __future__ import annotations

import errno
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import IO

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from vmagent_marl.errors import TraceError
from vmagent_marl.trace import NEVER, Trace, read_trace, write_lifetimes, write_trace

SECONDS = st.integers(0, 2**52) | st.integers(0, 10)
SIZES = st.integers(1, 2**31 - 1) | st.integers(1, 5000)


def trace_of(*columns: list[int]) -> Trace:
    vm, arrival, departure, cpu, memory = map(np.array, columns)
    return Trace("two", vm, arrival, departure, cpu, memory)


@st.composite
def traces(draw: st.DrawFn) -> Trace:
    """Anything that a trace can hold, ids and times of all lengths included."""
    vm = draw(st.lists(st.integers(-(2**63), 2**63 - 1), min_size=1, max_size=20, unique=True))
    arrival = sorted(draw(SECONDS) for _ in vm)
    departure = [draw(st.just(NEVER) | st.integers(at, 2**52)) for at in arrival]
    cpu, memory = ([draw(SIZES) for _ in vm] for _ in range(2))
    return trace_of(vm, arrival, departure, cpu, memory)


def a_trace() -> Trace:
    return trace_of([7, 3], [0, 10], [20, NEVER], [1500, 2000], [512, 4096])


@settings(deadline=None)
@given(trace=traces(), gzipped=st.booleans())
def test_what_is_written_is_read_again(
    tmp_path_factory: pytest.TempPathFactory, trace: Trace, gzipped: bool
) -> None:
    path = tmp_path_factory.getbasetemp() / ("round.csv.gz" if gzipped else "round.csv")
    write_lifetimes(trace, path)
    again = read_trace(path)
    for column in ("vm", "arrival", "departure", "cpu", "memory"):
        assert getattr(again, column).tolist() == getattr(trace, column).tolist()
    assert again.fingerprint == trace.fingerprint


def test_the_text_is_what_people_would_write(tmp_path: Path) -> None:
    path = tmp_path / "two.csv"
    write_lifetimes(a_trace(), str(path))
    assert path.read_bytes() == b"vmid,cpu,mem,at,lt\n7,1.5,0.5,0,20\n3,2,4,10,\n"


def test_gzip_files_of_the_same_trace_are_the_same(tmp_path: Path) -> None:
    write_lifetimes(a_trace(), tmp_path / "a.csv.gz")
    write_lifetimes(a_trace(), tmp_path / "b.csv.gz")
    data = (tmp_path / "a.csv.gz").read_bytes()
    assert data.startswith(b"\x1f\x8b")
    assert data[4:8] == bytes(4)  # where gzip puts the time of writing
    assert data == (tmp_path / "b.csv.gz").read_bytes()


def test_a_file_that_is_there_is_replaced_and_nothing_else_left(tmp_path: Path) -> None:
    path = tmp_path / "two.csv"
    path.write_text("old")
    write_lifetimes(a_trace(), path)
    assert len(read_trace(path)) == 2
    assert list(tmp_path.iterdir()) == [path]


def test_a_full_disk_leaves_the_old_file_and_no_other(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "two.csv"
    path.write_text("old")

    def half_write(text: Iterator[str], file: IO[bytes]) -> None:
        file.write(next(text).encode()[:9])
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr("vmagent_marl.trace.forms.write._put", half_write)
    with pytest.raises(TraceError, match=r"cannot be written \(No space left on device\)"):
        write_lifetimes(a_trace(), path)
    assert path.read_text() == "old"
    assert list(tmp_path.iterdir()) == [path]


def test_a_folder_that_is_not_there_and_one_in_the_way(tmp_path: Path) -> None:
    write_lifetimes(a_trace(), tmp_path / "new" / "two.csv")
    assert [path.name for path in (tmp_path / "new").iterdir()] == ["two.csv"]
    with pytest.raises(TraceError, match=r"new: is a folder: name a file"):
        write_lifetimes(a_trace(), tmp_path / "new")
    assert [path.name for path in tmp_path.iterdir()] == ["new"]


def test_nothing_to_write(tmp_path: Path) -> None:
    with pytest.raises(TraceError, match="'two' has no request to write"):
        write_lifetimes(a_trace().rows(1, 1), tmp_path / "none.csv")
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("name", ["Two.CSV.GZ", "two.events.csv.GZ"])
def test_an_end_in_capitals_is_packed_too(tmp_path: Path, name: str) -> None:
    write_trace(a_trace(), tmp_path / name)
    assert (tmp_path / name).read_bytes().startswith(b"\x1f\x8b")
    assert read_trace(tmp_path / name).name.lower() == "two"


FULL_DISK = """
import resource, sys
from vmagent_marl.errors import TraceError
from vmagent_marl.trace import synthetic_month, write_trace

resource.setrlimit(resource.RLIMIT_FSIZE, (30_000, 30_000))
try:
    write_trace(synthetic_month(days=5), sys.argv[1])
except TraceError as error:
    print(error)
"""


@pytest.mark.parametrize("name", ["month.csv", "month.csv.gz", "month.events.csv", "month.h5"])
def test_no_room_in_earnest(tmp_path: Path, name: str) -> None:
    """In a process of its own, since the HDF5 library can end the one in which it finds none."""
    path = tmp_path / name
    command = [sys.executable, "-c", FULL_DISK, str(path)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout == f"{path}: cannot be written (File too large): name another file\n"
    assert not list(tmp_path.iterdir())
