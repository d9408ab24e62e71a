"""Synthetic traces day by day: the same however they are asked for, in bounded memory."""

from __future__ import annotations

import tracemalloc
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from vmagent_marl.errors import TraceError
from vmagent_marl.trace import NEVER, Trace, read_trace, synthetic_month, write_lifetimes
from vmagent_marl.trace.describe import burst_sizes
from vmagent_marl.trace.forms.write import write_pieces
from vmagent_marl.trace.synthetic.month import synthetic_days
from vmagent_marl.trace.synthetic.plan import MonthPlan
from vmagent_marl.trace.synthetic.statistics import month_statistics
from vmagent_marl.trace.vm_types import vm_types

DAY = 86_400
COLUMNS = ("vm", "arrival", "departure", "cpu", "memory")


def joined(days: list[Trace]) -> Trace:
    columns = {name: np.concatenate([getattr(day, name) for day in days]) for name in COLUMNS}
    return Trace(name="joined", start_hour=days[0].start_hour, **columns)


plans = st.builds(
    MonthPlan,
    seed=st.integers(0, 2**70),
    rate=st.floats(0.01, 1),
    days=st.floats(0.1, 3.5),
    day_profile=st.sampled_from(["as-is", "resampled", "flat"]),
    tail=st.sampled_from(["never", "days"]),
    mix=st.dictionaries(st.sampled_from(["1x1", "4x8", "64x128"]), st.floats(0, 9)),
    burstiness=st.sampled_from([0.0, 0.5, 1.0, 3.0]),
)


@settings(max_examples=25, deadline=None)
@given(plan=plans, more=st.floats(0, 3))
def test_a_shorter_horizon_is_the_beginning_of_a_longer_one(plan: MonthPlan, more: float) -> None:
    longer = MonthPlan(**{**vars(plan), "days": plan.days + more})
    short, whole = joined(list(synthetic_days(plan))), joined(list(synthetic_days(longer)))
    assert (short.arrival < plan.days * DAY).all()
    inside = whole.rows(0, len(short))
    assert inside.fingerprint == short.fingerprint
    assert (whole.arrival[len(short) :] >= plan.days * DAY).all()


@settings(max_examples=15, deadline=None)
@given(plan=plans)
def test_days_hold_what_arrives_on_them_in_order(plan: MonthPlan) -> None:
    seen = 0
    for number, day in enumerate(synthetic_days(plan)):
        assert (day.arrival // DAY == number).all()
        assert day.vm.tolist() == list(range(seen, seen + len(day)))
        assert (day.departure >= day.arrival).all()
        seen += len(day)


def test_the_order_in_which_traces_are_drawn_does_not_matter() -> None:
    plans = [MonthPlan(seed=seed, days=3) for seed in (5, 6)]
    alone = [joined(list(synthetic_days(plan))).fingerprint for plan in plans]
    pairs = list(zip(*map(synthetic_days, plans), strict=True))
    assert [joined([pair[i] for pair in pairs]).fingerprint for i in (0, 1)] == alone


@settings(max_examples=15, deadline=None)
@given(plan=plans)
def test_day_by_day_and_all_at_once_it_is_the_same_trace(plan: MonthPlan) -> None:
    days = list(synthetic_days(plan))
    whole = synthetic_month(**vars(plan))
    assert joined(days).fingerprint == whole.fingerprint
    assert {day.name for day in days} == {whole.name}
    assert {day.start_hour for day in days} == {whole.start_hour}


def test_bursts_go_on_after_midnight() -> None:
    only = {name: 0.0 for name in month_statistics().type_names if name != "1x2"}
    plan = MonthPlan(rate=8, days=30, day_profile="flat", mix=only, burstiness=20)
    trace = joined(list(synthetic_days(plan)))
    first = np.searchsorted(trace.arrival, np.arange(1, 30) * DAY)  # row of each day's first VM
    large = burst_sizes(trace) >= 40
    close = trace.arrival[first] - trace.arrival[first - 1] <= 10
    assert (large[first] & large[first - 1] & close).sum() >= 3


def test_pools_end_together_whatever_day_their_vms_came_on() -> None:
    """One type and cell of 240 s has one phase: ends of VMs of unlike days lie in one clump."""
    trace = joined(list(synthetic_days(MonthPlan(rate=20, days=2, mix={"1x2": 100}))))
    vm_type = vm_types(trace)[0]
    kind = int(np.bincount(vm_type).argmax())
    chosen = (burst_sizes(trace) >= 2) & (trace.departure - trace.arrival > 3600)
    chosen &= (vm_type == kind) & (trace.departure != NEVER)
    late, early = (chosen & (trace.arrival // DAY == d) for d in (1, 0))
    spreads = []
    for cell in np.unique(trace.departure[late] // 240):
        ends = [trace.departure[part & (trace.departure // 240 == cell)] for part in (early, late)]
        if min(map(len, ends)) >= 5:
            spreads.append(abs(float(np.median(ends[0]) - np.median(ends[1]))))
    assert len(spreads) >= 10
    assert np.median(spreads) < 12  # of two phases of their own it would be 80 s


def test_pieces_make_the_file_of_the_whole(tmp_path: Path) -> None:
    days = list(synthetic_days(MonthPlan(days=2.5, rate=0.1)))
    for name in ("days.csv", "days.csv.gz"):
        rows = write_pieces(iter(days), tmp_path / "new" / name)
        assert rows == sum(map(len, days))
        assert read_trace(tmp_path / "new" / name).fingerprint == joined(days).fingerprint
    write_lifetimes(joined(days), tmp_path / "whole.csv")
    assert (tmp_path / "new" / "days.csv").read_bytes() == (tmp_path / "whole.csv").read_bytes()
    first = (tmp_path / "new" / "days.csv.gz").read_bytes()
    write_pieces(days, tmp_path / "new" / "again.csv.gz")
    assert (tmp_path / "new" / "again.csv.gz").read_bytes() == first
    assert len(list((tmp_path / "new").iterdir())) == 3


def test_pieces_that_do_not_follow_each_other(tmp_path: Path) -> None:
    days = list(synthetic_days(MonthPlan(days=2, rate=0.1)))
    path = tmp_path / "days.csv"
    path.write_text("old")
    with pytest.raises(TraceError, match=r"follows VM .* of second .*: give pieces whose"):
        write_pieces([days[1], days[0]], path)
    with pytest.raises(TraceError, match="no request to write"):
        write_pieces([days[0].rows(0, 0)], path)
    assert path.read_text() == "old"
    assert list(tmp_path.iterdir()) == [path]


def test_a_disk_that_fills_up_leaves_the_old_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "days.csv"
    path.write_text("old")

    def full(*_: Any) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("vmagent_marl.trace.forms.write._put", full)
    with pytest.raises(TraceError, match=r"days\.csv: cannot be written \(No space left"):
        write_pieces(synthetic_days(MonthPlan(days=1, rate=0.1)), path)
    assert path.read_text() == "old"
    assert list(tmp_path.iterdir()) == [path]


def test_memory_does_not_grow_with_the_days(tmp_path: Path) -> None:
    def peak(days: float) -> int:
        plan = MonthPlan(days=days, day_profile="flat")
        tracemalloc.start()
        write_pieces(synthetic_days(plan), tmp_path / "out.csv")
        most = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        return most

    peak(1)  # what is imported and cached stays
    # A day's memory scatters with its largest bursts.
    assert peak(24) < 2 * peak(3)
