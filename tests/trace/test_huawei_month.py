"""The real month: how it is read, and how near synthetic months come to it.

The bounds leave room for the seeds used here: the distances of single months scatter, and those
of the real odd days against the even ones are about as large.
"""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import ArrayLike, NDArray

from vmagent_marl.trace import Trace, read_trace, synthetic_month
from vmagent_marl.trace.describe import burst_sizes, vm_types

HORIZON = 31 * 86_400  # s
FILE = "huawei-east-1-lifetimes.csv"


def real_month_path() -> Path:
    given = os.environ.get("VMAGENT_TRACE_DIR")
    if not given:
        return Path(__file__).resolve().parents[3] / "shared" / "data" / FILE
    path = Path(given)
    return path / FILE if path.is_dir() else path


pytestmark = pytest.mark.skipif(
    not real_month_path().is_file(),
    reason=f"{FILE} is not in ../shared/data; set VMAGENT_TRACE_DIR to its folder",
)


@pytest.fixture(scope="module")
def real() -> Trace:
    return read_trace(real_month_path())


@pytest.fixture(scope="module")
def drawn() -> list[Trace]:
    return [completed(synthetic_month(seed=seed)) for seed in range(10)]


def completed(trace: Trace) -> Trace:
    """What the real file holds: VMs that were deleted within the month."""
    kept = trace.departure <= HORIZON
    return Trace(
        name=trace.name,
        vm=trace.vm[kept],
        arrival=trace.arrival[kept],
        departure=trace.departure[kept],
        cpu=trace.cpu[kept],
        memory=trace.memory[kept],
        start_hour=trace.start_hour,
    )


def ks(a: ArrayLike, b: ArrayLike) -> float:
    """Kolmogorov-Smirnov distance of two samples."""
    a, b = np.sort(a), np.sort(b)
    at = np.concatenate([a, b])
    below_a, below_b = (np.searchsorted(x, at, side="right") / x.size for x in (a, b))
    return float(np.abs(below_a - below_b).max())


def lifetimes(trace: Trace) -> NDArray[np.int64]:
    return trace.departure - trace.arrival


def type_shares(trace: Trace) -> NDArray[np.float64]:
    return np.bincount(vm_types(trace)[0], minlength=15) / len(trace)


def sizes_of_bursts(trace: Trace) -> NDArray[np.int64]:
    """(bursts,) one for each burst of one type with gaps of at most 10 s, any order."""
    size, vms = np.unique(burst_sizes(trace), return_counts=True)
    return np.repeat(size, vms // size)


def sizes_of_seconds(trace: Trace) -> NDArray[np.int64]:
    """(seconds,) VMs of each second in which any come."""
    return np.unique(trace.arrival, return_counts=True)[1]


def by_hour_of_day(trace: Trace) -> NDArray[np.int64]:
    return np.bincount(trace.arrival // 3600 % 24, minlength=24)


def load(trace: Trace) -> tuple[float, float]:
    """Mean and peak milli-vCPU over the month."""
    time = np.concatenate([trace.departure, trace.arrival])
    order = time.argsort(kind="stable")
    cpu = trace.cpu.astype(np.int64)
    running = np.cumsum(np.concatenate([-cpu, cpu])[order])
    return float((running[:-1] * np.diff(time[order])).sum() / HORIZON), float(running.max())


def test_the_real_month_as_it_is_read(real: Trace) -> None:
    assert (len(real), real.name, real.start_hour) == (116_313, FILE.removesuffix(".csv"), 8)
    assert read_trace(real_month_path(), start_hour=0).start_hour == 0
    first = [getattr(real, name)[0] for name in ("vm", "arrival", "departure", "cpu", "memory")]
    last = [getattr(real, name)[-1] for name in ("vm", "arrival", "departure", "cpu", "memory")]
    assert first == [0, 0, 194, 4000, 16_384]
    assert last == [116_312, 2_678_081, 2_678_112, 16_000, 32_768]
    assert vm_types(real)[1].size == 15


def test_lifetimes(real: Trace, drawn: list[Trace]) -> None:
    assert np.mean([ks(lifetimes(real), lifetimes(trace)) for trace in drawn]) < 0.025


def test_mix_of_types(real: Trace, drawn: list[Trace]) -> None:
    off = [np.abs(type_shares(real) - type_shares(trace)).sum() / 2 for trace in drawn]
    assert np.mean(off) < 0.03


def test_bursts(real: Trace, drawn: list[Trace]) -> None:
    within_10_s = [ks(sizes_of_bursts(real), sizes_of_bursts(trace)) for trace in drawn]
    within_1_s = [ks(sizes_of_seconds(real), sizes_of_seconds(trace)) for trace in drawn]
    assert np.mean(within_10_s) < 0.04
    assert np.mean(within_1_s) < 0.03
    large = [(burst_sizes(trace) >= 10).mean() for trace in drawn]
    assert np.mean(large) == pytest.approx((burst_sizes(real) >= 10).mean(), abs=0.04)


def test_arrivals(real: Trace, drawn: list[Trace]) -> None:
    between = [ks(np.diff(real.arrival), np.diff(trace.arrival)) for trace in drawn]
    assert np.mean(between) < 0.035
    daily = [np.corrcoef(by_hour_of_day(real), by_hour_of_day(trace))[0, 1] for trace in drawn]
    assert np.mean(daily) > 0.85
    assert np.mean([len(trace) for trace in drawn]) == pytest.approx(len(real), rel=0.03)


def test_load(real: Trace, drawn: list[Trace]) -> None:
    mean, peak = np.mean([load(trace) for trace in drawn], axis=0) / load(real)
    assert 0.78 < mean < 1.0  # about 12 % low is known
    assert 0.7 < peak < 1.1
