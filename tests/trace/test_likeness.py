"""How like traces are: the measure itself."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings

from strategies import traces
from vmagent_marl.errors import TraceError
from vmagent_marl.trace import NEVER, Trace
from vmagent_marl.trace.likeness import DISTANCES, completed, likeness

ZERO_WHERE_ALIKE = ("lifetimes", "types", "seconds", "bursts", "gaps")


def trace_of(rows: list[tuple[int, int, int]]) -> Trace:
    """Rows are arrival, departure, cpu."""
    arrival, departure, cpu = np.array(rows, dtype=np.int64).reshape(-1, 3).T
    return Trace("drawn", np.arange(len(rows)), arrival, departure, cpu, np.full_like(cpu, 1024))


@settings(deadline=None, max_examples=30)
@given(traces(), traces())
def test_a_trace_is_like_itself_and_others_alike_either_way(one: Trace, other: Trace) -> None:
    same, there, back = likeness(one, one), likeness(one, other), likeness(other, one)
    assert list(there) == list(DISTANCES)
    for name, value in same.items():
        wanted = 0 if name in ZERO_WHERE_ALIKE else 1
        assert math.isnan(value) or value == pytest.approx(wanted, abs=1e-12)
    for name in (*ZERO_WHERE_ALIKE, "hour of day", "hours"):
        assert there[name] == pytest.approx(back[name], nan_ok=True)
        assert math.isnan(there[name]) or -1.000001 <= there[name] <= 1.000001
    for name in ("requests", "mean load", "peak load"):
        if there[name] > 0 and back[name] > 0:
            assert there[name] == pytest.approx(1 / back[name])


def test_distances_by_hand() -> None:
    one = trace_of([(0, 10, 1000), (0, 20, 1000), (100, 130, 2000), (3600, NEVER, 1000)])
    other = trace_of([(0, 20, 1000), (200, 210, 2000), (7200, 7240, 4000)])
    measured = likeness(one, other)
    # Lifetimes 10 20 30 against 20 10 40: at 30 all of one and two thirds of the other.
    assert measured["lifetimes"] == pytest.approx(1 / 3)
    # Shares 3/4 1/4 0 against 1/3 each.
    assert measured["types"] == pytest.approx(5 / 12)
    # Seconds of 2, 1, 1 VMs against three of one; bursts the same.
    assert measured["seconds"] == measured["bursts"] == pytest.approx(1 / 3)
    # Gaps 0 100 3500 against 200 7000.
    assert measured["gaps"] == pytest.approx(2 / 3)
    assert measured["requests"] == 3 / 4
    # Ten seconds of 2000, ten of 1000, thirty of 2000 of 3600; then 20 of 1000, 10 of 2000 of 7200.
    assert measured["mean load"] == pytest.approx((40_000 / 7200) / (90_000 / 3600))
    assert measured["peak load"] == 4000 / 2000


def test_completed_vms_are_those_that_end_in_time() -> None:
    trace = trace_of([(0, 10, 1000), (5, NEVER, 1000), (6, 11, 2000)])
    assert completed(trace, 10).vm.tolist() == [0]
    assert completed(trace, 11).vm.tolist() == [0, 2]


def test_nothing_to_compare() -> None:
    with pytest.raises(TraceError, match="'drawn' has no request to compare"):
        likeness(trace_of([(0, 1, 1)]), trace_of([]))


def test_traces_that_lie_far_apart() -> None:
    """Hours are counted where something comes, and not over all of 140 million years."""
    near, far = trace_of([(0, 1, 1)]), trace_of([(0, 1, 1), (2**52 - 1, 2**52, 1)])
    told = likeness(near, far)
    assert told["hours"] == pytest.approx(math.sqrt(0.5), abs=1e-6)
    assert told["hour of day"] == pytest.approx(math.sqrt(22 / 2 / 23), abs=1e-6)
