"""One trace in every form that can hold it: the same rows, and the same episode played on them."""

from __future__ import annotations

import gzip
import time
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from places import real_trace
from trace_files import as_packing, as_vmtable, rows_of

from vmagent_marl.errors import TraceError
from vmagent_marl.scenario import load_scenario
from vmagent_marl.sim import Episode
from vmagent_marl.trace import NEVER, Trace, read_trace, write_events, write_trace

MACHINE = (64.0, 256.0)
OWN = ["month.csv", "month.csv.gz", "month.events.csv", "month.events.csv.gz", "month.h5"]
FORMS = [*OWN, "vmtable.csv", "vmtable.csv.gz", "packing.sqlite"]


def ticks(count: int = 600) -> Trace:
    """VMs that every form can hold: times are ticks, sizes are V2's, ids are lines from 1."""
    draw = np.random.default_rng(5)
    arrival = np.sort(draw.integers(0, 300, count)) * 300
    departure = arrival + draw.integers(0, 200, count) * 300
    departure[draw.random(count) < 0.1] = NEVER
    cpu, memory = draw.choice([2, 4, 8, 24], count), draw.choice([2, 4, 8, 32, 64], count)
    return Trace("ticks", np.arange(count) + 1, arrival, departure, cpu * 1000, memory * 1024)


def written(folder: Path, name: str, trace: Trace) -> Path:
    path = folder / name
    if name == "vmtable.csv":
        path.write_text(as_vmtable(trace))
    elif name == "vmtable.csv.gz":
        path.write_bytes(gzip.compress(as_vmtable(trace).encode()))
    elif name == "packing.sqlite":
        as_packing(path, trace, MACHINE)
    else:
        write_trace(trace, path)
    return path


def episode_on(file: Path) -> list[tuple[object, ...]]:
    """Actions, masks and rewards of first fit from the first request on, and what it came to."""
    scenario = load_scenario("recovering", trace=str(file), servers=4, turned_away="count")
    sim = scenario.simulator()
    sim.reset({0: Episode(0)})
    steps: list[tuple[object, ...]] = []
    while sim.running[0]:
        action = sim.mask.argmax(axis=2)
        steps.append((action.item(), sim.observation.tobytes(), sim.mask.tobytes()))
        sim.step(action)
        steps.append((sim.reward.item(), sim.terminated.item(), sim.truncated.item()))
    return [*steps, (sim.metrics(),)]


@pytest.fixture(scope="module")
def trace() -> Trace:
    return ticks()


@pytest.fixture(scope="module")
def episode(trace: Trace, tmp_path_factory: pytest.TempPathFactory) -> list[tuple[object, ...]]:
    """On the lifetime form, written line by line here."""
    path = tmp_path_factory.mktemp("twin") / "month.csv"
    lines = [
        f"{vm},{cpu / 1000},{memory / 1024},{at},{'' if end == NEVER else end - at}\n"
        for vm, at, end, cpu, memory in rows_of(trace)
    ]
    path.write_text("vmid,cpu,mem,at,lt\n" + "".join(lines))
    steps = episode_on(path)
    assert len(steps) > 1000
    return steps


@pytest.mark.parametrize("name", FORMS)
def test_the_same_rows_and_the_same_episode(
    tmp_path: Path, trace: Trace, episode: list[tuple[object, ...]], name: str
) -> None:
    path = written(tmp_path, name, trace)
    found = read_trace(path, machine=MACHINE)
    assert rows_of(found) == rows_of(trace)
    if name == "packing.sqlite":
        with pytest.raises(TraceError, match=r"trace convert .*\.h5 --machine 64 256"):
            load_scenario("recovering", trace=str(path)).load_trace()
        path = path.with_suffix(".h5")
        write_trace(found, path)
    assert episode_on(path) == episode


@pytest.mark.parametrize("name", FORMS)
def test_there_and_back(tmp_path: Path, trace: Trace, name: str) -> None:
    """From any form into each of ours, and nothing is lost but what a CSV cannot hold."""
    found = read_trace(written(tmp_path, name, trace), machine=MACHINE)
    for other in OWN:
        write_trace(found, tmp_path / f"again.{other}")
        again = read_trace(tmp_path / f"again.{other}")
        assert rows_of(again) == rows_of(trace)
        if other.endswith(".h5"):
            assert again.fingerprint == found.fingerprint


@settings(deadline=None, max_examples=60)
@given(
    lifetimes=st.lists(
        st.tuples(st.integers(0, 3), st.integers(0, 4) | st.none()), min_size=1, max_size=12
    )
)
def test_events_stand_in_the_order_of_time(
    tmp_path_factory: pytest.TempPathFactory, lifetimes: list[tuple[int, int | None]]
) -> None:
    """Creation before deletion, and what leaves in a second does so before others come."""
    arrival = np.cumsum([gap for gap, _ in lifetimes])
    ends = [
        NEVER if stays is None else int(at) + stays
        for at, (_, stays) in zip(arrival, lifetimes, strict=True)
    ]
    size = np.full(len(ends), 1024)
    drawn = Trace("drawn", np.arange(len(ends)), arrival, np.array(ends), size, size)
    path = tmp_path_factory.getbasetemp() / "drawn.events.csv"
    write_events(drawn, path)
    assert rows_of(read_trace(path)) == rows_of(drawn)
    seen: set[str] = set()
    created_at: dict[str, int] = {}
    last, late = 0, False
    for line in path.read_text().splitlines()[1:]:
        vm, _, _, second, kind = line.split(",")
        assert int(second) >= last
        late = late and int(second) == last
        last = int(second)
        if kind == "0":
            seen.add(vm)
            created_at[vm] = last
            late = True
        else:
            assert vm in seen
            assert not late or created_at[vm] == last


@pytest.mark.parametrize("name", ["month.txt", "month", "month.h5.gz", "month.sqlite", "csv"])
def test_a_name_that_tells_no_form(tmp_path: Path, trace: Trace, name: str) -> None:
    with pytest.raises(TraceError, match=r"no form is known by this name: end it in \.h5, \.csv"):
        write_trace(trace, tmp_path / name)
    assert not list(tmp_path.iterdir())


def test_packed_files_are_to_be_unpacked(tmp_path: Path) -> None:
    (tmp_path / "month.zip").write_bytes(b"PK\3\4 and so on")
    with pytest.raises(TraceError, match="this is a zip archive; unpack it"):
        read_trace(tmp_path / "month.zip")
    with pytest.raises(TraceError, match="unknown format 'azure': did you mean 'azure-v"):
        read_trace(tmp_path / "month.zip", format="azure")  # type: ignore[arg-type]


def test_the_real_month_in_every_form_and_in_no_time(tmp_path: Path) -> None:
    real = read_trace(real_trace())
    seconds = []
    for _ in range(3):
        start = time.perf_counter()
        read_trace(real_trace())
        seconds.append(time.perf_counter() - start)
    assert min(seconds) < 0.5
    for name in ("month.csv", "month.events.csv", "month.h5"):
        write_trace(real, tmp_path / name)
        again = read_trace(tmp_path / name)
        assert (again.fingerprint, again.start_hour) == (real.fingerprint, 8)
