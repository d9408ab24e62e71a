"""Other loads from one trace: what each way keeps, and what it multiplies."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from strategies import traces
from vmagent_marl.errors import TraceError, UnknownNameError
from vmagent_marl.trace import NEVER, Trace, load_over_time, synthetic_month
from vmagent_marl.trace.describe import burst_sizes
from vmagent_marl.trace.likeness import completed
from vmagent_marl.trace.scaling import reweigh, stretch, superpose, thin
from vmagent_marl.trace.vm_types import type_names, vm_types

DAY = 86_400
COLUMNS = ("vm", "arrival", "departure", "cpu", "memory")


def rows(trace: Trace) -> list[tuple[int, ...]]:
    return list(zip(*(getattr(trace, column).tolist() for column in COLUMNS), strict=True))


def cpu_seconds(trace: Trace) -> int:
    ends = trace.departure != NEVER
    return int(((trace.departure - trace.arrival)[ends] * trace.cpu[ends].astype(np.int64)).sum())


def kinds_of_vms(trace: Trace) -> list[tuple[int, ...]]:
    """Size and lifetime of each VM, in any order."""
    lived = np.where(trace.departure == NEVER, -1, trace.departure - trace.arrival)
    return sorted(zip(trace.cpu.tolist(), trace.memory.tolist(), lived.tolist(), strict=True))


def test_unique_ids_in_order() -> None:
    month = synthetic_month(days=2)
    for scaled in (thin(month, 0.5), superpose(month, 3), stretch(month, 2.5)):
        assert np.unique(scaled.vm).size == len(scaled)
        assert (np.diff(scaled.arrival) >= 0).all()
        assert scaled.start_hour == month.start_hour


@settings(deadline=None)
@given(traces(), st.floats(0.01, 1), st.floats(0.01, 1), st.integers(0, 9))
def test_thinning_keeps_rows_and_their_order(
    trace: Trace, one: float, other: float, seed: int
) -> None:
    def kept(share: float) -> list[tuple[int, ...]]:
        try:
            return rows(thin(trace, share, seed=seed))
        except TraceError:  # none is left
            return []

    few, many = kept(min(one, other)), kept(max(one, other))
    assert set(few) <= set(many) <= set(rows(trace))
    assert many == [row for row in rows(trace) if row in set(many)]
    assert rows(thin(trace, 1, seed=seed)) == rows(trace)


@pytest.mark.parametrize("share", [0.1, 0.5, 0.9])
def test_thinning_keeps_its_share(share: float) -> None:
    month = synthetic_month(days=4)
    sizes = [len(thin(month, share, seed=seed)) for seed in range(4)]
    assert np.mean(sizes) == pytest.approx(share * len(month), rel=0.05)
    assert len(set(map(str, sizes))) > 1


@settings(deadline=None)
@given(traces(), st.integers(1, 5), st.none() | st.integers(-3, 40))
def test_superposing_multiplies_vms_and_load(trace: Trace, copies: int, shift: int | None) -> None:
    many = superpose(trace, copies, shift_days=shift)
    assert kinds_of_vms(many) == sorted(kinds_of_vms(trace) * copies)
    assert cpu_seconds(many) == copies * cpu_seconds(trace)
    assert sorted(many.arrival % DAY) == sorted((trace.arrival % DAY).tolist() * copies)
    assert many.arrival[-1] < (trace.arrival[-1] // DAY + 1) * DAY
    if copies == 1:
        assert rows(many)[0][1:] == rows(trace)[0][1:]


@settings(deadline=None)
@given(traces(), st.integers(1, 5))
def test_unshifted_copies_run_beside_each_other(trace: Trace, copies: int) -> None:
    time, load = load_over_time(trace, trace.cpu)
    many = superpose(trace, copies, shift_days=0)
    many_time, many_load = load_over_time(many, many.cpu)
    at = np.searchsorted(many_time, time, side="right") - 1
    last_of_second = np.append(np.diff(time) > 0, True)
    assert (many_load[at][last_of_second] == copies * load[last_of_second]).all()


def test_shifted_copies_are_other_days() -> None:
    month = synthetic_month()
    alone = np.bincount(month.arrival // DAY, minlength=31)
    twice = np.bincount(superpose(month, 2, shift_days=7).arrival // DAY, minlength=31)
    assert twice.tolist() == (alone + np.roll(alone, 7)).tolist()
    spread = np.bincount(superpose(month, 2).arrival // DAY, minlength=31)
    assert spread.tolist() == (alone + np.roll(alone, 15)).tolist()


@settings(deadline=None)
@given(traces(), st.floats(0.1, 20), st.booleans())
def test_stretching_divides_the_rate(trace: Trace, factor: float, lifetimes: bool) -> None:
    slow = stretch(trace, factor, lifetimes=lifetimes)
    assert (slow.vm == trace.vm).all()
    assert (slow.cpu == trace.cpu).all()
    assert slow.arrival.tolist() == [int(at * factor) for at in trace.arrival.tolist()]
    ends = trace.departure != NEVER
    assert ((slow.departure == NEVER) == ~ends).all()
    before, after = ((t.departure - t.arrival)[ends] for t in (trace, slow))
    if lifetimes:
        assert (np.abs(after - before * factor) <= 1).all()
    else:
        assert (after == before).all()


@settings(deadline=None)
@given(traces(), st.integers(1, 9))
def test_stretching_lifetimes_too_keeps_what_runs_at_once(trace: Trace, factor: int) -> None:
    time, load = load_over_time(trace, trace.cpu)
    slow_time, slow_load = load_over_time(stretch(trace, factor, lifetimes=True), trace.cpu)
    assert (slow_time == time * factor).all()
    assert (slow_load == load).all()


@settings(deadline=None)
@given(traces(), st.data())
def test_a_mix_keeps_all_of_the_type_it_wants_most(trace: Trace, data: st.DataObject) -> None:
    vm_type, cpu, memory = vm_types(trace)
    names = type_names(cpu, memory)
    mix = data.draw(st.dictionaries(st.sampled_from(names), st.sampled_from([0.0, 0.5, 1, 3])))
    factor = np.array([mix.get(name, 1) for name in names])
    if factor.max() == 0:
        with pytest.raises(TraceError, match="mix leaves no VM type"):
            reweigh(trace, mix)
        return
    kept = set(rows(reweigh(trace, mix)))
    for row, kind in zip(rows(trace), vm_type, strict=True):
        if factor[kind] == factor.max():
            assert row in kept
        elif factor[kind] == 0:
            assert row not in kept


def test_a_mix_shifts_the_shares() -> None:
    month = synthetic_month(days=6)
    shifted = reweigh(month, {"1x2": 0.25, "4x8": 2})

    def share(trace: Trace, cpu: int, memory: int) -> float:
        return float(((trace.cpu == cpu * 1000) & (trace.memory == memory * 1024)).mean())

    before, after = (share(t, 4, 8) / share(t, 1, 2) for t in (month, shifted))
    assert after / before == pytest.approx(8, rel=0.15)
    assert share(shifted, 2, 4) / share(shifted, 1, 1) == pytest.approx(
        share(month, 2, 4) / share(month, 1, 1), rel=0.15
    )


def test_synthetic_types_follow_their_mix() -> None:
    def share(trace: Trace) -> float:
        return float((trace.cpu == 64_000).mean())

    some = [synthetic_month(seed=seed, mix={"64x128": 4}) for seed in range(4)]
    plain = [synthetic_month(seed=seed) for seed in range(4)]
    odds = np.mean(list(map(share, some))) / np.mean(list(map(share, plain)))
    assert odds == pytest.approx(4, rel=0.25)
    assert np.mean(list(map(len, some))) == pytest.approx(np.mean(list(map(len, plain))), rel=0.05)


def test_what_else_a_trace_tells_goes_along() -> None:
    month = synthetic_month(days=0.5)
    row = np.arange(len(month))
    told = replace(month, tenant=row, home=row % 3, priority=row % 2)
    for scaled in (thin(told, 0.5), reweigh(told, {"1x2": 0.5}), superpose(told, 2)):
        assert scaled.tenant is not None
        assert (scaled.cpu == month.cpu[scaled.tenant]).all()
        assert (scaled.home == scaled.tenant % 3).all()
        assert (scaled.priority == scaled.tenant % 2).all()
    assert (stretch(told, 2).tenant == row).all()
    assert completed(told, 3600).tenant is not None


MONTH = synthetic_month(days=0.2)


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (lambda: thin(MONTH, 0), TraceError, "share is 0; give a number above 0, at most 1"),
        (lambda: thin(MONTH, 1.1), TraceError, "share is 1.1; give"),
        (lambda: thin(MONTH, float("nan")), TraceError, "share is nan; give"),
        (lambda: thin(MONTH, 1e-9), TraceError, "no VM of trace 'synthetic-month' is left"),
        (lambda: thin(MONTH, 0.5, seed=-1), TraceError, "seed is -1; give 0 or more"),
        (lambda: thin(MONTH.rows(0, 0), 1), TraceError, "has no request to scale"),
        (lambda: superpose(MONTH.rows(0, 0), 2), TraceError, "has no request to scale"),
        (lambda: superpose(MONTH, 0), TraceError, "copies are 0; give 1 or more"),
        (lambda: stretch(MONTH, 0), TraceError, "factor is 0; give a finite number above 0"),
        (lambda: stretch(MONTH, 1e300), TraceError, r"beyond 2\*\*52 s: give a smaller factor"),
        (lambda: reweigh(MONTH, {"1x3": 2}), UnknownNameError, "unknown VM type '1x3': did you"),
        (lambda: reweigh(MONTH, {"1x2": -1}), TraceError, "mix of '1x2' is -1; give 0 or a"),
    ],
)
def test_what_cannot_be_scaled(
    call: Callable[[], Trace], error: type[Exception], message: str
) -> None:
    with pytest.raises(error, match=message):
        call()


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        ({"mix": {"1x3": 2}}, UnknownNameError, "unknown VM type '1x3': did you mean"),
        ({"mix": {"1x2": float("inf")}}, TraceError, "mix of '1x2' is inf; give"),
        ({"mix": dict.fromkeys(map(str, range(3)), 0)}, UnknownNameError, "unknown VM type '0'"),
        ({"burstiness": -1}, TraceError, "burstiness is -1; give 0"),
        ({"burstiness": float("nan")}, TraceError, "burstiness is nan; give 0"),
    ],
)
def test_what_cannot_be_drawn(
    arguments: dict[str, Any], error: type[Exception], message: str
) -> None:
    with pytest.raises(error, match=message):
        synthetic_month(**arguments)


def test_burstiness_is_how_many_come_together_and_not_how_many_come() -> None:
    plain, alone, more = (
        [synthetic_month(seed=seed, burstiness=burstiness) for seed in range(3)]
        for burstiness in (1, 0, 2)
    )
    sizes = [np.mean(list(map(len, months))) for months in (plain, alone, more)]
    assert sizes[1] == pytest.approx(sizes[0], rel=0.04)
    assert sizes[2] == pytest.approx(sizes[0], rel=0.06)
    large = [
        np.mean([(burst_sizes(trace) >= 10).mean() for trace in months])
        for months in (plain, alone, more)
    ]
    assert large[1] < 0.02
    assert large[2] > 1.1 * large[0]


def test_without_burstiness_requests_of_an_hour_are_a_poisson_count() -> None:
    month = synthetic_month(burstiness=0, day_profile="flat")
    count = np.bincount(month.arrival // 3600, minlength=31 * 24).reshape(31, 24)
    assert (count.var(axis=0, ddof=1) / count.mean(axis=0)).mean() == pytest.approx(1, abs=0.2)
