"""Synthetic months against facts of the real one, which holds where its file is absent too."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from vmagent_marl.trace import Trace, synthetic_month
from vmagent_marl.trace.describe import burst_sizes
from vmagent_marl.trace.likeness import completed
from vmagent_marl.trace.synthetic.statistics import month_statistics
from vmagent_marl.trace.vm_types import type_names

HORIZON = 31 * 86_400  # s


@pytest.fixture(scope="module")
def drawn() -> list[Trace]:
    return [completed(synthetic_month(seed=seed), HORIZON) for seed in range(4)]


@pytest.fixture(scope="module")
def facts() -> dict[str, Any]:
    """Measured on the real month, whose file has its own licence and may be absent."""
    file = Path(__file__).with_name("huawei_month_facts.json")
    read: dict[str, Any] = json.loads(file.read_text("utf-8"))
    return read


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
