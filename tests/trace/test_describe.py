"""The summary of a trace, against figures counted by hand and second by second."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from vmagent_marl.errors import TraceError
from vmagent_marl.trace import NEVER, Trace, describe, load_over_time
from vmagent_marl.trace.describe import burst_sizes


def trace_of(rows: list[tuple[int, int, int, int]]) -> Trace:
    """Rows are arrival, departure, cpu, memory."""
    columns = np.array(rows, dtype=np.int64).reshape(-1, 4).T
    return Trace("drawn", np.arange(len(rows)), *columns)


@st.composite
def crowded(draw: st.DrawFn) -> Trace:
    """Few seconds and few types, so that many VMs meet and many events share a second."""
    arrivals = sorted(draw(st.lists(st.integers(0, 40), min_size=1, max_size=30)))
    lifetimes = st.integers(0, 15) | st.just(NEVER)
    rows = []
    for at in arrivals:
        lived = draw(lifetimes)
        size = draw(st.sampled_from([(1000, 1024), (1000, 2048), (4000, 1024)]))
        rows.append((at, NEVER if lived == NEVER else at + lived, *size))
    return trace_of(rows)


def test_a_small_trace_by_hand() -> None:
    day = 86_400
    trace = trace_of(
        [
            (0, day, 1000, 2048),
            (0, 100, 1000, 2048),
            (day, NEVER, 500, 512),
            (2 * day, 2 * day + 300, 1000, 2048),
        ]
    )
    summary = describe(trace)
    assert json.loads(json.dumps(summary)) == summary
    types = summary.pop("types")
    assert summary == {
        "name": "drawn",
        "fingerprint": trace.fingerprint,
        "start_hour": 0,
        "requests": 4,
        "span_days": 2.0,
        "never_deleted_share": 0.25,
        "alive_at_start_share": None,
        "large_burst_share": 0.0,
        "lifetime_s": {
            "0.1": pytest.approx(140),
            "0.5": 300,
            "0.9": pytest.approx(69_180),
            "0.99": pytest.approx(84_678),
        },
        # A day of 1 vCPU and 100 s of another one, then a day of half of one.
        "mean_vcpu": pytest.approx((day + 100 + day / 2) / (2 * day)),
        "peak_vcpu": 2.0,
        "mean_memory_gb": pytest.approx((2 * (day + 100) + day / 2) / (2 * day)),
        "peak_memory_gb": 4.0,
        "type_count": 2,
    }
    assert isinstance(types, list)
    assert [(t["vcpu"], t["memory_gb"], t["share"]) for t in types] == [
        (1, 2, 0.75),
        (0.5, 0.5, 0.25),
    ]
    assert types[0]["lifetime_s"]["0.5"] == 300
    assert types[1]["lifetime_s"] is None


@settings(deadline=None)
@given(crowded())
def test_load_is_what_runs_second_by_second(trace: Trace) -> None:
    first, last = int(trace.arrival[0]), int(trace.arrival[-1])
    rows = list(zip(trace.arrival, trace.departure, trace.cpu, strict=True))
    running = [sum(c for at, end, c in rows if at <= s < end) for s in range(first, last + 1)]
    time, load = load_over_time(trace, trace.cpu)
    at = np.searchsorted(time, np.arange(first, last + 1), side="right") - 1
    assert load[at].tolist() == running
    summary = describe(trace)
    assert summary["peak_vcpu"] == max(running) / 1000
    # The last second only begins.
    mean = sum(running[:-1]) / (last - first) if last > first else running[0]
    assert summary["mean_vcpu"] == pytest.approx(mean / 1000)


@settings(deadline=None)
@given(crowded(), st.integers(0, 5))
def test_bursts_are_chains_of_one_type(trace: Trace, gap: int) -> None:
    bursts: list[list[int]] = []
    open_burst: dict[tuple[int, int], list[int]] = {}
    for row in range(len(trace)):
        kind = (int(trace.cpu[row]), int(trace.memory[row]))
        burst = open_burst.get(kind)
        if burst is None or trace.arrival[row] - trace.arrival[burst[-1]] > gap:
            burst = open_burst[kind] = []
            bursts.append(burst)
        burst.append(row)
    size = {row: len(burst) for burst in bursts for row in burst}
    assert burst_sizes(trace, gap).tolist() == [size[row] for row in range(len(trace))]


def test_share_of_large_bursts() -> None:
    spread = [(10 * i, NEVER, 1000, 1024) for i in range(10)]  # ten, each 10 s after the other
    small = [(200, NEVER, 1000, 1024)] * 9
    other = [(200, NEVER, 2000, 1024)]
    assert describe(trace_of(spread + small + other))["large_burst_share"] == 0.5


def test_what_ran_before_is_told_apart_where_it_is_known() -> None:
    before = [(0, NEVER, 1000, 1024)] * 12
    later = [(100 * i, NEVER, 1000, 1024) for i in range(1, 5)]
    trace = trace_of(before + later)
    assert describe(trace)["large_burst_share"] == 0.75
    told = describe(replace(trace, tells_running=True))
    assert (told["alive_at_start_share"], told["large_burst_share"]) == (0.75, 0)


def test_types_are_the_ten_most_frequent() -> None:
    rows = [(0, NEVER, cpu, 1024) for cpu in range(1, 13) for _ in range(cpu)]
    summary = describe(trace_of(rows))
    assert summary["type_count"] == 12
    assert isinstance(summary["types"], list)
    assert [kind["vcpu"] for kind in summary["types"]] == [c / 1000 for c in range(12, 2, -1)]


def test_nothing_to_describe() -> None:
    with pytest.raises(TraceError, match="'drawn' has no request to describe"):
        describe(trace_of([]))


@settings(deadline=None)
@given(crowded(), st.integers(1, 3))
def test_load_of_a_cluster_second_by_second(trace: Trace, servers: int) -> None:
    first, last = int(trace.arrival[0]), int(trace.arrival[-1])
    rows = list(zip(trace.arrival, trace.departure, trace.cpu, trace.memory, strict=True))
    seconds = range(first, last) if last > first else [first]
    running = np.array(
        [
            [sum(row[part] for row in rows if row[0] <= s < row[1]) for part in (2, 3)]
            for s in [*seconds, last]
        ]
    )
    told = describe(trace, servers=servers, node=(1.5, 2.0))
    share = running / [3000 * servers, 4096 * servers]
    assert told["servers"] == servers
    assert told["peak_load"] == pytest.approx(
        {"cpu": share[:, 0].max(), "memory": share[:, 1].max()}
    )
    assert told["mean_load"] == pytest.approx(
        {"cpu": share[:-1, 0].mean(), "memory": share[:-1, 1].mean()}
    )
    assert told["overload_share"] == pytest.approx((share[:-1] > 1).any(axis=1).mean())
    assert json.loads(json.dumps(told)) == told


@pytest.mark.parametrize(("servers", "node"), [(0, (1, 1)), (1, (0, 1)), (1, (1, -1))])
def test_a_cluster_without_room(servers: int, node: tuple[float, float]) -> None:
    with pytest.raises(TraceError, match="give sizes above 0"):
        describe(trace_of([(0, 1, 1, 1)]), servers=servers, node=node)


def test_what_no_whole_number_holds() -> None:
    """A million years of the largest VMs are more than 2**63 milli-vCPU seconds."""
    largest = 2**31 - 1
    trace = Trace("b", [0, 1, 2], [0, 0, 2**45], [2**46] * 3, [largest] * 3, [1] * 3)
    assert describe(trace)["mean_vcpu"] == pytest.approx(2 * largest / 1000)


@pytest.mark.parametrize("node", [(float("nan"), 90.0), (40.0, float("inf")), (0.0, 1.0)])
def test_nodes_without_a_size(node: tuple[float, float]) -> None:
    trace = Trace("a", [0], [0], [1], [1000], [1024])
    with pytest.raises(TraceError, match=r"2 servers with nodes of .*: give sizes above 0"):
        describe(trace, servers=2, node=node)
