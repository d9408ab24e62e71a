"""The synthetic month: the same for everyone, and what its parameters say."""

from __future__ import annotations

import json
from importlib.resources import files
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from vmagent_marl.errors import TraceError, UnknownNameError
from vmagent_marl.trace import NEVER, Trace, describe, synthetic_month
from vmagent_marl.trace.describe import burst_sizes
from vmagent_marl.trace.vm_types import vm_types

DAY = 86_400
COLUMNS = ("vm", "arrival", "departure", "cpu", "memory")


@pytest.fixture(scope="module")
def month() -> Trace:
    return synthetic_month()


@pytest.fixture(scope="module")
def flat() -> Trace:
    return synthetic_month(day_profile="flat")


@pytest.fixture(scope="module")
def facts() -> dict[str, Any]:
    file = files("vmagent_marl.trace.synthetic").joinpath("huawei_east_1_statistics.json")
    read: dict[str, Any] = json.loads(file.read_text("utf-8"))
    return read


def differing(a: Trace, b: Trace) -> list[str]:
    return [name for name in COLUMNS if not np.array_equal(getattr(a, name), getattr(b, name))]


def singles_by_day(trace: Trace, days: int = 31) -> NDArray[np.int64]:
    """(days,) VMs that come alone: bursts would drown the profile in noise."""
    return np.bincount(trace.arrival[burst_sizes(trace) == 1] // DAY, minlength=days)


@settings(max_examples=20, deadline=None)
@given(
    seed=st.integers(0, 2**64),
    rate=st.floats(0.01, 2),
    days=st.floats(0.1, 4),
    day_profile=st.sampled_from(["as-is", "resampled", "flat"]),
    tail=st.sampled_from(["never", "days"]),
)
def test_same_arguments_same_trace(
    seed: int, rate: float, days: float, day_profile: Any, tail: Any
) -> None:
    first, second = (
        synthetic_month(seed=seed, rate=rate, days=days, day_profile=day_profile, tail=tail)
        for _ in range(2)
    )
    assert differing(first, second) == []
    assert first.vm.tolist() == list(range(len(first)))
    assert (first.arrival < days * DAY).all()


def test_the_default_month_is_the_one_that_scores_refer_to(month: Trace) -> None:
    # Whoever changes this changes every figure measured on the embedded trace.
    assert month.fingerprint == ("13bbc11ead615a10d092859f0941b91c595d2ecda505b3aeb2d2b6d6d3da237c")
    assert (month.name, month.start_hour) == ("synthetic-month", 8)


def test_another_seed_is_another_month(month: Trace) -> None:
    assert "arrival" in differing(month, synthetic_month(seed=1))


def test_numbers_from_elsewhere_change_nothing(month: Trace) -> None:
    np.random.seed(0)  # the global state, which must not matter
    assert differing(month, synthetic_month()) == []


@pytest.mark.parametrize("rate", [0.1, 3.0])
def test_rate_scales_the_number_of_requests(rate: float, month: Trace) -> None:
    scaled = np.mean([len(synthetic_month(seed=seed, rate=rate)) for seed in range(4)])
    assert scaled == pytest.approx(rate * len(month), rel=0.1)


def test_days_set_the_horizon() -> None:
    longer = synthetic_month(days=62)
    assert 61 * DAY < longer.arrival[-1] < 62 * DAY
    # The day profile starts anew: the quiet first weeks of a month, then the busy last one.
    by_day = singles_by_day(longer, 62)
    assert np.corrcoef(by_day[:31], by_day[31:])[0, 1] > 0.8
    part = synthetic_month(days=0.3)
    assert DAY * 0.25 < part.arrival[-1] < DAY * 0.3


def test_day_profiles(month: Trace) -> None:
    flat = singles_by_day(synthetic_month(day_profile="flat"))
    drawn = [singles_by_day(synthetic_month(seed=s, day_profile="resampled")) for s in range(6)]
    as_is = singles_by_day(month)
    assert np.corrcoef(as_is, singles_by_day(synthetic_month(seed=1)))[0, 1] > 0.9
    assert as_is.std() > 0.25 * as_is.mean()
    assert flat.std() < 0.1 * flat.mean()
    # Resampled days are as unlike as the real ones, but not in their order.
    assert np.mean([days.std() for days in drawn]) == pytest.approx(as_is.std(), rel=0.3)
    assert abs(np.mean([np.corrcoef(as_is, days)[0, 1] for days in drawn])) < 0.3
    for days in (flat, np.mean(drawn, axis=0)):
        assert days.mean() == pytest.approx(as_is.mean(), rel=0.1)


def test_a_tail_of_days_changes_only_vms_that_outlive_the_month(month: Trace) -> None:
    ended = synthetic_month(tail="days")
    assert differing(month, ended) == ["departure"]
    outlives = month.departure == NEVER
    assert 0.05 < outlives.mean() < 0.08
    assert np.array_equal(month.departure[~outlives], ended.departure[~outlives])
    days = (ended.departure - ended.arrival)[outlives] / DAY
    assert days.min() >= 31
    assert days.max() <= 318
    assert np.median(days) == pytest.approx(80, rel=0.05)


def test_mix_of_types(month: Trace, facts: dict[str, Any]) -> None:
    def large(quantiles: list[float]) -> float:
        grid = facts["size_u"]
        if len(quantiles) != len(grid):
            return float(np.trapezoid(quantiles, dx=1 / max(len(quantiles) - 1, 1))) or quantiles[0]
        return float(np.trapezoid(quantiles, grid))

    small = np.array(facts["size_small"]) @ np.arange(2, 10)
    sizes = np.stack([np.ones(15), small, list(map(large, facts["size_large"]))], axis=1)
    expected = (np.array(facts["bursts_per_day"]) * sizes).sum(axis=1)
    vm_type, cpu, memory = vm_types(month)
    kinds = np.stack([cpu // 1000, memory // 1024], axis=1)
    assert kinds.tolist() == facts["types"]
    share = np.bincount(vm_type) / len(month)
    assert np.abs(share - expected / expected.sum()).sum() / 2 < 0.05
    assert len(month) == pytest.approx(31 * expected.sum(), rel=0.06)


@pytest.mark.parametrize("kind", range(6))
def test_lifetimes_of_single_vms(flat: Trace, facts: dict[str, Any], kind: int) -> None:
    month = flat  # where no day's level shifts them
    alone = (vm_types(month)[0] == kind) & (burst_sizes(month) == 1)
    ends = alone & (month.departure != NEVER)
    lifetimes = (month.departure - month.arrival)[ends]
    u = [0.1, 0.25, 0.4, 0.6, 0.75, 0.9]
    expected = np.array(facts["lt_q"][f"{kind},0"])[[facts["lt_u"].index(level) for level in u]]
    # Share of lifetimes at or below the quantile, so that steep places are no harder than others;
    # many lifetimes are alike, hence the band from below it to at it.
    below = [(lifetimes < value).mean() for value in expected]
    at_most = [(lifetimes <= value).mean() for value in expected]
    assert (np.array(below) < np.array(u) + 0.04).all()
    assert (np.array(at_most) > np.array(u) - 0.04).all()
    assert 1 - ends.sum() / alone.sum() == pytest.approx(facts["p_persist"][kind][0], abs=0.015)


def test_bursts(month: Trace, facts: dict[str, Any]) -> None:
    sizes = burst_sizes(month)
    # 40 % of the real month's VMs come in bursts of ten and more.
    assert (sizes >= 10).mean() == pytest.approx(0.4, abs=0.06)
    bursts = np.array(facts["bursts_per_day"]).sum(axis=0)
    alone, small, large = (
        (1 / sizes[(sizes >= low) & (sizes <= high)]).sum() / 31
        for low, high in ((1, 1), (2, 9), (10, 10**6))
    )
    # Bursts that meet by chance are counted as one: fewer come alone, more together.
    assert 0.85 * bursts[0] < alone < bursts[0]
    assert bursts[1] < small < 1.4 * bursts[1]
    assert large == pytest.approx(bursts[2], rel=0.15)


def test_lifetimes_within_a_burst_hang_together(month: Trace) -> None:
    vm_type = vm_types(month)[0]
    sizes = burst_sizes(month)
    logs = np.log(np.where(month.departure == NEVER, 31 * DAY, month.departure - month.arrival))
    for kind in range(3):
        rows = np.flatnonzero((vm_type == kind) & (sizes > 1))
        close = np.diff(month.arrival[rows]) <= 10
        pairs = np.corrcoef(logs[rows][:-1][close], logs[rows][1:][close])[0, 1]
        assert pairs > 0.5


def test_hours_and_days_share_a_part_of_their_lifetimes(month: Trace, flat: Trace) -> None:
    def alike(trace: Trace) -> tuple[float, float]:
        """Correlation of ranks of lifetimes of single VMs: within an hour, and with the next."""
        ends = trace.departure != NEVER
        rows = np.flatnonzero((vm_types(trace)[0] == 0) & (burst_sizes(trace) == 1) & ends)
        ranks = (trace.departure - trace.arrival)[rows].argsort().argsort()
        hours = np.diff(trace.arrival[rows] // 3600)
        same, other = (
            np.corrcoef(ranks[:-1][hours == apart], ranks[1:][hours == apart])[0, 1]
            for apart in (0, 1)
        )
        return float(same), float(other)

    same, other = alike(month)
    assert 0.15 < same < 0.35  # a quarter of the variance,
    assert 0.08 < other < 0.3  # of which most is the day's
    same, other = alike(flat)
    assert 0.15 < same < 0.35
    assert abs(other) < 0.1


def test_vms_of_the_first_days_live_longer_than_those_of_the_last() -> None:
    def long(profile: Any, first: int, stop: int) -> float:
        months = [synthetic_month(seed=seed, day_profile=profile) for seed in range(3)]
        shares = []
        for trace in months:
            day = trace.arrival // DAY
            chosen = (day >= first) & (day < stop) & (burst_sizes(trace) == 1)
            shares.append((trace.departure - trace.arrival > 4 * 3600)[chosen].mean())
        return float(np.mean(shares))

    # Of the real month's single VMs that are deleted, a fifth of the first four days' and a
    # fiftieth of the last four days'.
    assert long("as-is", 0, 4) > 4 * long("as-is", 27, 31)
    assert long("flat", 0, 4) == pytest.approx(long("flat", 27, 31), rel=0.3)


def test_busy_hours_are_those_of_the_real_month(facts: dict[str, Any]) -> None:
    """Beyond the rhythm of the day: what is left of each hour after its day and hour of day."""
    busy = np.array(facts["busy_hour"])[0].ravel()
    months = [synthetic_month(seed=seed) for seed in range(4)]
    alone = [np.bincount(t.arrival[burst_sizes(t) == 1] // 3600, minlength=744) for t in months]
    count = np.mean(alone, axis=0).reshape(31, 24)
    usual = count.sum(axis=1, keepdims=True) * count.sum(axis=0) / count.sum()
    assert np.corrcoef((count / usual).ravel(), busy)[0, 1] > 0.5


def test_a_burst_takes_its_time(month: Trace) -> None:
    at_once = np.unique(np.stack([month.arrival, vm_types(month)[0]]), axis=1, return_counts=True)[
        1
    ]
    # Every 46th VM at the latest starts a new second; some bursts meet by chance.
    assert 46 <= at_once.max() < 70


def test_rare_types_come_in_clusters_of_hours(facts: dict[str, Any]) -> None:
    month = synthetic_month(rate=4, day_profile="flat")
    alone = (burst_sizes(month) == 1) & (vm_types(month)[0] == 14)
    by_hour = np.bincount(month.arrival[alone] // 3600, minlength=31 * 24)
    mean = by_hour.mean()
    # A Poisson count with a Gamma rate; without the Gamma factor variance and mean are equal.
    assert by_hour.var() / mean == pytest.approx(1 + facts["overdispersion"][14][0] * mean, rel=0.4)


def test_pools_end_together(month: Trace) -> None:
    late = month.departure - month.arrival > 3600
    late &= (burst_sizes(month) >= 10) & (month.departure != NEVER)
    cell = np.stack([vm_types(month)[0][late], month.departure[late] // 240])
    _, group, vms = np.unique(cell, axis=1, return_inverse=True, return_counts=True)
    ends = month.departure[late] % 240
    spreads = [ends[group == g].std() for g in np.flatnonzero(vms >= 10)]
    # All within some seconds of each other; spread over the cell it would be 69 s.
    assert len(spreads) > 300
    assert np.median(spreads) < 10


def test_busy_hours_follow_the_profile(month: Trace, facts: dict[str, Any]) -> None:
    alone = burst_sizes(month) == 1
    by_hour = np.bincount(month.arrival[alone] // 3600 % 24)
    assert np.corrcoef(by_hour, facts["hour_of_day"][0])[0, 1] > 0.8


def test_the_summary_of_the_month(month: Trace) -> None:
    summary = describe(month)
    assert summary["type_count"] == 15
    assert isinstance(summary["types"], list)
    most = summary["types"][0]
    assert (most["vcpu"], most["memory_gb"]) == (1, 2)
    assert most["share"] == pytest.approx(0.44, abs=0.04)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"seed": -1}, "seed is -1; give 0 or more"),
        ({"rate": 0}, "rate is 0; give a number above 0, at most 10,000"),
        ({"rate": 1e300}, "rate is 1e.300; give a number above 0, at most 10,000"),
        ({"days": 1e300}, "days is 1e.300; give a number above 0, at most 100,000"),
        ({"rate": float("nan")}, "rate is nan; give"),
        ({"rate": float("inf")}, "rate is inf; give"),
        ({"days": -1.0}, "days is -1.0; give"),
        ({"days": float("inf")}, "days is inf; give"),
    ],
)
def test_arguments_out_of_range(arguments: dict[str, Any], message: str) -> None:
    with pytest.raises(TraceError, match=message):
        synthetic_month(**arguments)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"day_profile": "asis"}, "unknown day profile 'asis': did you mean 'as-is'"),
        ({"tail": "forever"}, "unknown tail 'forever': did you mean 'never'"),
    ],
)
def test_unknown_names(arguments: dict[str, Any], message: str) -> None:
    with pytest.raises(UnknownNameError, match=message):
        synthetic_month(**arguments)
