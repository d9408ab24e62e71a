"""The real month: how it is read, and how near synthetic months come to it.

The bounds leave room for the seeds used here: the distances of single months scatter, and those
of the real odd days against the even ones are about as large.
"""

from __future__ import annotations

import numpy as np
import pytest
from places import TRACE, real_trace

from vmagent_marl.trace import Trace, read_trace, synthetic_month
from vmagent_marl.trace.describe import burst_sizes
from vmagent_marl.trace.likeness import completed, likeness
from vmagent_marl.trace.vm_types import vm_types

HORIZON = 31 * 86_400  # s


@pytest.fixture(scope="module")
def real() -> Trace:
    return read_trace(real_trace())


@pytest.fixture(scope="module")
def drawn() -> list[Trace]:
    return [completed(synthetic_month(seed=seed), HORIZON) for seed in range(10)]


def test_the_real_month_as_it_is_read(real: Trace) -> None:
    assert (len(real), real.name, real.start_hour) == (116_313, TRACE.removesuffix(".csv"), 8)
    assert read_trace(real_trace(), start_hour=0).start_hour == 0
    first = [getattr(real, name)[0] for name in ("vm", "arrival", "departure", "cpu", "memory")]
    last = [getattr(real, name)[-1] for name in ("vm", "arrival", "departure", "cpu", "memory")]
    assert first == [0, 0, 194, 4000, 16_384]
    assert last == [116_312, 2_678_081, 2_678_112, 16_000, 32_768]
    assert vm_types(real)[1].size == 15


def mean_of(distance: str, measured: list[dict[str, float]]) -> float:
    return float(np.mean([each[distance] for each in measured]))


@pytest.fixture(scope="module")
def measured(real: Trace, drawn: list[Trace]) -> list[dict[str, float]]:
    return [likeness(real, trace) for trace in drawn]


@pytest.mark.parametrize(
    ("distance", "least", "most"),
    [
        ("lifetimes", 0, 0.025),
        ("types", 0, 0.02),
        ("seconds", 0, 0.02),
        ("bursts", 0, 0.015),
        ("gaps", 0, 0.03),
        ("hour of day", 0.9, 1),
        ("hours", 0.65, 1),
        ("requests", 0.97, 1.03),
        ("mean load", 0.9, 1.06),
        ("peak load", 0.82, 1.1),
    ],
)
def test_synthetic_months_are_like_it(
    measured: list[dict[str, float]], distance: str, least: float, most: float
) -> None:
    assert least <= mean_of(distance, measured) <= most


def test_large_bursts(real: Trace, drawn: list[Trace]) -> None:
    large = [(burst_sizes(trace) >= 10).mean() for trace in drawn]
    assert np.mean(large) == pytest.approx((burst_sizes(real) >= 10).mean(), abs=0.04)
