"""How like traces are: the measure itself, and the synthetic month against frozen facts."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from numpy.typing import NDArray

from strategies import traces
from vmagent_marl.errors import TraceError
from vmagent_marl.trace import NEVER, Trace, synthetic_month
from vmagent_marl.trace.describe import burst_sizes
from vmagent_marl.trace.likeness import DISTANCES, completed, likeness
from vmagent_marl.trace.mix import type_names
from vmagent_marl.trace.month import month_statistics

HORIZON = 31 * 86_400
ZERO_WHERE_ALIKE = ("lifetimes", "types", "seconds", "bursts", "gaps")


@pytest.fixture(scope="module")
def drawn() -> list[Trace]:
    return [completed(synthetic_month(seed=seed), HORIZON) for seed in range(4)]


@pytest.fixture(scope="module")
def facts() -> dict[str, Any]:
    """Measured on the real month, whose file has its own licence and may be absent."""
    file = Path(__file__).with_name("huawei_month_facts.json")
    read: dict[str, Any] = json.loads(file.read_text("utf-8"))
    return read


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


def off(samples: list[NDArray[np.int64]], at_most: dict[str, float]) -> float:
    """Mean over samples of the largest error of their shares at or below each value."""
    values, shares = np.array(list(map(int, at_most))), np.array(list(at_most.values()))
    errors = [
        np.abs(np.searchsorted(np.sort(sample), values, side="right") / sample.size - shares).max()
        for sample in samples
    ]
    return float(np.mean(errors))


def test_lifetimes_are_the_real_ones(drawn: list[Trace], facts: dict[str, Any]) -> None:
    lifetimes = [trace.departure - trace.arrival for trace in drawn]
    assert off(lifetimes, facts["lifetime_s"]) < 0.03


def test_types_are_the_real_ones(drawn: list[Trace], facts: dict[str, Any]) -> None:
    known = month_statistics().type_names  # a drawn month may lack the rarest
    shares = [
        np.bincount([known.index(name) for name in type_names(trace.cpu, trace.memory)], None, 15)
        / len(trace)
        for trace in drawn
    ]
    wrong = [np.abs(share - facts["type_shares"]).sum() / 2 for share in shares]
    assert np.mean(wrong) < 0.025


def test_bursts_are_the_real_ones(drawn: list[Trace], facts: dict[str, Any]) -> None:
    of_second = [np.unique(trace.arrival, return_counts=True)[1] for trace in drawn]
    assert off(of_second, facts["vms_of_a_second"]) < 0.025
    of_burst = []
    for trace in drawn:
        size, vms = np.unique(burst_sizes(trace), return_counts=True)
        of_burst.append(np.repeat(size, vms // size))
    assert off(of_burst, facts["vms_of_a_burst"]) < 0.02


def test_arrivals_are_the_real_ones(drawn: list[Trace], facts: dict[str, Any]) -> None:
    assert off([np.diff(trace.arrival) for trace in drawn], facts["gap_s"]) < 0.04
    daily = [np.bincount(trace.arrival // 3600 % 24, minlength=24) for trace in drawn]
    assert np.mean([np.corrcoef(day, facts["hour_of_day"])[0, 1] for day in daily]) > 0.87
    assert np.mean([len(trace) for trace in drawn]) == pytest.approx(facts["requests"], rel=0.05)


def test_load_is_the_real_one(drawn: list[Trace], facts: dict[str, Any]) -> None:
    lived = [trace.departure - trace.arrival for trace in drawn]
    mean = [float((t.cpu * life).sum()) / HORIZON for t, life in zip(drawn, lived, strict=True)]
    ratio = np.mean(mean) / 1000 / facts["mean_vcpu"]
    assert 0.85 < ratio < 1.12
