"""Our own form: all of a trace comes back, and no file of bytes brings anything but one line."""

from __future__ import annotations

import signal
import weakref
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from trace_files import rows_of

from vmagent_marl.errors import TraceError
from vmagent_marl.trace import NEVER, LeftOutWarning, Trace, read_trace, write_trace
from vmagent_marl.trace.forms import hdf5

OPTIONAL = ("tenant", "home", "priority")


def two(**more: Any) -> Trace:
    columns: list[Any] = [[7, 3], [0, 10], [20, NEVER], [1500, 2000], [512, 4096]]
    return Trace("two", *columns, **more)


@st.composite
def whole_traces(draw: st.DrawFn) -> Trace:
    """Anything that a trace can hold."""
    whole = st.integers(-(2**63), 2**63 - 1)
    vm = draw(st.lists(whole, min_size=1, max_size=12, unique=True))

    def column(values: st.SearchStrategy[int]) -> list[int]:
        return draw(st.lists(values, min_size=len(vm), max_size=len(vm)))

    arrival = sorted(column(st.integers(0, 2**52)))
    sizes = st.integers(1, 2**31 - 1)
    return Trace(
        name="round",
        vm=np.array(vm),
        arrival=np.array(arrival),
        departure=np.array([draw(st.just(NEVER) | st.integers(at, 2**52)) for at in arrival]),
        cpu=np.array(column(sizes)),
        memory=np.array(column(sizes)),
        start_hour=draw(st.integers(0, 23)),
        tenant=draw(st.none() | st.just(np.array(column(whole)))),
        home=draw(st.none() | st.just(np.array(column(st.integers(0, 2**31 - 1))))),
        priority=draw(st.none() | st.just(np.array(column(st.integers(-(2**31), 2**31 - 1))))),
    )


@settings(deadline=None, max_examples=50)
@given(trace=whole_traces())
def test_all_of_a_trace_comes_back(tmp_path_factory: pytest.TempPathFactory, trace: Trace) -> None:
    path = tmp_path_factory.getbasetemp() / "round.h5"
    write_trace(trace, path)
    again = read_trace(path)
    assert (again.name, again.start_hour) == ("round", trace.start_hour)
    assert rows_of(again) == rows_of(trace)
    for name in OPTIONAL:
        before, after = getattr(trace, name), getattr(again, name)
        assert (before is None and after is None) or before.tolist() == after.tolist()
    assert again.fingerprint == trace.fingerprint


def test_start_hour_and_bytes(tmp_path: Path) -> None:
    trace = two(start_hour=8, home=[0, 1])
    write_trace(trace, tmp_path / "a.hdf5")
    write_trace(trace, tmp_path / "b.h5")
    assert (tmp_path / "a.hdf5").read_bytes() == (tmp_path / "b.h5").read_bytes()
    assert read_trace(tmp_path / "b.h5").start_hour == 8
    assert read_trace(tmp_path / "b.h5", start_hour=0).start_hour == 0
    with h5py.File(tmp_path / "b.h5") as file:  # what other programs find
        assert file["departure"][:].tolist() == [20, -1]
        assert file["memory"].attrs["unit"] == "MiB"


def seal(path: Path) -> None:
    with path.open("r+b") as file:
        hdf5.seal(file)


def replaced(name: str, **how: Any) -> Callable[[h5py.File], None]:
    def change(file: h5py.File) -> None:
        del file[name]
        file.create_dataset(name, **how)

    return change


def linked(file: h5py.File) -> None:
    del file["cpu"]
    file["cpu"] = h5py.ExternalLink("other.h5", "/cpu")


def outside(file: h5py.File) -> None:
    del file["cpu"]
    file.create_dataset("cpu", (2,), "i8", external=[("/etc/hostname", 0, 16)])


def grouped(file: h5py.File) -> None:
    del file["cpu"]
    file.create_group("cpu")


@pytest.mark.parametrize(
    ("change", "fault"),
    [
        (replaced("cpu", data=[1500, 0]), ", row 1: cpu is 0; a size is above 0"),
        (replaced("cpu", data=[1500, 2**31]), ", row 1: cpu is 2147483648; the largest size is"),
        (replaced("arrival", data=[-1, 10]), ", row 0: arrival is -1; a time is never negative"),
        (replaced("arrival", data=[10, 0]), ", row 1: arrival is 0, before the 10 of row 0; sort"),
        (replaced("departure", data=[20, 9]), ", row 1: departure is 9; no VM ends before its"),
        (replaced("departure", data=[20, -2]), ", row 1: departure is -2; a time is never neg"),
        (replaced("vm", data=[3, 3]), ", row 1: vm 3 again, after row 0; a VM has one row"),
        (lambda f: f.create_dataset("home", data=[0, -1]), ", row 1: home is -1; give 0 to"),
        (lambda f: f.create_dataset("priority", data=[0, 2**31]), ", row 1: priority is 2147483"),
    ],
)
def test_a_bad_row(tmp_path: Path, change: Callable[[h5py.File], None], fault: str) -> None:
    path = tmp_path / "two.h5"
    write_trace(two(), path)
    with h5py.File(path, "a") as file:
        change(file)
    seal(path)
    with pytest.raises(TraceError) as caught:
        read_trace(path)
    assert str(caught.value).startswith(f"{path}{fault}")
    with pytest.warns(LeftOutWarning, match="1 row is left out"):
        assert len(read_trace(path, skip_bad=True)) == 1


@pytest.mark.parametrize(
    ("change", "fault"),
    [
        (lambda f: f.attrs.pop("version"), "version None of the form, known is 1;"),
        (lambda f: f.attrs.update(version=[1, 1]), "version [1 1] of the form, known is 1;"),
        (lambda f: f.attrs.update(version=2), "version 2 of the form, known is 1;"),
        (lambda f: f.attrs.update(start_hour=24), "start_hour is 24; write 0 to 23"),
        (lambda f: f.attrs.update(start_hour="x"), "start_hour is x; write 0 to 23"),
        (lambda f: f.pop("memory"), "no column 'memory' among arrival, cpu, departure, vm"),
        (replaced("cpu", data=[1]), "columns of unlike length"),
        (replaced("cpu", data=[1.5, 2]), "column 'cpu' is no list of whole numbers in this file"),
        (replaced("cpu", data=["1", "2"]), "column 'cpu' is no list of whole numbers"),
        (replaced("cpu", data=[[1, 2]]), "column 'cpu' is no list of whole numbers"),
        (replaced("cpu", data=5), "column 'cpu' is no list of whole numbers"),
        (replaced("vm", data=np.array([1, 2], np.uint64)), "column 'vm' is no list of whole"),
        (linked, "column 'cpu' is no list of whole numbers in this file"),
        (outside, "column 'cpu' is no list of whole numbers in this file"),
        (grouped, "column 'cpu' is no list of whole numbers"),
        (
            replaced("cpu", shape=(2**50,), dtype="i4", chunks=(2**16,)),
            "column 'cpu' claims 1,125,899,906,842,624 rows",
        ),
    ],
)
def test_a_file_that_is_no_trace(
    tmp_path: Path, change: Callable[[h5py.File], None], fault: str
) -> None:
    path = tmp_path / "two.h5"
    write_trace(two(), path)
    with h5py.File(path, "a") as file:
        change(file)
    seal(path)
    for skip_bad in (False, True):
        with pytest.raises(TraceError) as caught:
            read_trace(path, skip_bad=skip_bad)
        assert str(caught.value).startswith(f"{path}: {fault}")
        assert "\n" not in str(caught.value)


def test_cut_changed_empty_and_false_files(tmp_path: Path) -> None:
    path = tmp_path / "two.h5"
    write_trace(two(), path)
    data = path.read_bytes()
    changed = data[:600] + bytes([data[600] ^ 1]) + data[601:]
    for broken in (data[:400], data[: len(data) // 2], data[:-1], data + b"x", changed):
        path.write_bytes(broken)
        with pytest.raises(TraceError, match=r"not as it was written .*; fetch or convert it"):
            read_trace(path)
    path.write_bytes(data[: len(data) // 2])
    seal(path)  # nobody's accident
    with pytest.raises(TraceError, match=r"broken HDF5 file \(.*\); fetch it again"):
        read_trace(path)
    with h5py.File(path, "w", userblock_size=512) as file:
        file.attrs.update(version=1)
        for name in ("vm", "arrival", "departure", "cpu", "memory"):
            file[name] = np.zeros(0, np.int64)
    seal(path)
    with pytest.raises(TraceError, match="no row in its columns"):
        read_trace(path)
    path.write_bytes(data)
    with pytest.raises(TraceError, match="this is a trace in HDF5, not lifetimes"):
        read_trace(path, format="lifetimes")
    path.write_bytes(data[512:])
    with pytest.raises(TraceError, match="an HDF5 file that `vmagent-marl trace convert` did not"):
        read_trace(path)


def test_optional_columns_of_a_trace() -> None:
    plain, more = two(), two(tenant=[5, -6], home=[0, 1], priority=[1, 0])
    assert plain.fingerprint == replace(more, tenant=None, home=None, priority=None).fingerprint
    names = {name: replace(more, **{name: None}).fingerprint for name in OPTIONAL}
    assert len({*names.values(), plain.fingerprint, more.fingerprint}) == 5
    assert [str(getattr(more, name).dtype) for name in OPTIONAL] == ["int64", "int32", "int32"]
    part = more.rows(1, 2)
    assert [getattr(part, name).tolist() for name in OPTIONAL] == [[-6], [1], [0]]
    assert list(plain.columns) == ["vm", "arrival", "departure", "cpu", "memory"]
    assert not part.tenant.flags.writeable  # type: ignore[union-attr]
    with pytest.raises(TraceError, match="row 0: home is -1; wanted is a cluster"):
        two(home=[-1, 0])
    with pytest.raises(TraceError, match="columns of unlike length"):
        two(priority=[1])


@pytest.mark.parametrize("at", ["vm", "memory"])
def test_an_interruption_inside_of_the_library_is_heard(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, at: str
) -> None:
    """Python swallows what is raised in a callback, such as those by which h5py counts its ids."""
    create = h5py.File.create_dataset

    def interrupted(file: h5py.File, name: str, **options: Any) -> object:
        if name == at:
            gone = {object_ for object_ in [type("Id", (), {})()]}
            watch = weakref.ref(next(iter(gone)), lambda _: signal.raise_signal(signal.SIGINT))
            gone.clear()
            assert watch() is None
        return create(file, name, **options)

    monkeypatch.setattr(h5py.File, "create_dataset", interrupted)
    # where this runs in the background of a shell, interruptions are ignored
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        with pytest.raises(KeyboardInterrupt):
            write_trace(Trace("a", [0], [0], [1], [1000], [1024]), tmp_path / "a.h5")
        assert signal.getsignal(signal.SIGINT) is signal.default_int_handler
    finally:
        signal.signal(signal.SIGINT, before)
    assert not list(tmp_path.iterdir())


def test_what_ran_before_stays_known(tmp_path: Path) -> None:
    trace = Trace("a", [0, 1], [0, 5], [1, 9], [1000] * 2, [1024] * 2, tells_running=True)
    write_trace(trace, tmp_path / "a.h5")
    assert read_trace(tmp_path / "a.h5").alive_at_start.tolist() == [True, False]
