"""The measured month's distributions, each with the way to draw from it by uniform numbers.

Source: Huawei Cloud, VM-placement-dataset, month of Huawei-East-1; facts measured on it.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cache
from importlib.resources import files
from typing import Any

import numpy as np
from numpy.typing import NDArray

from vmagent_marl.errors import TraceError
from vmagent_marl.trace.units import MIB, MILLI
from vmagent_marl.trace.vm_types import factors, type_names

IntArray = NDArray[np.int64]
FloatArray = NDArray[np.float64]

_MEAN_OVER = 1000  # evenly spaced quantiles


@dataclass(frozen=True)
class MonthStatistics:
    """Types are counted from the smallest VM; class 0 comes alone, 1 is 2 to 9 VMs, 2 is 10+.

    The methods turn uniform numbers u in [0, 1) into draws, one for each row of their arguments.
    """

    cpu: NDArray[np.int32]  # (type,) milli-vCPU
    memory: NDArray[np.int32]  # (type,) MiB
    bursts_per_day: FloatArray  # (type, class)
    overdispersion: FloatArray  # (type, class) k of the rate's Gamma(1/k, k) factor, 0 for none
    day: FloatArray  # (type, class, day) how busy, about 1 in the mean
    hour: FloatArray  # (class, hour since the trace's start mod 24) how busy, about 1 in the mean
    busy: FloatArray  # (class, day, hour) how busy beyond that, about 1 in the mean
    hour_share: FloatArray  # (class,) of the variance of bursts' lifetimes, what an hour shares
    level: FloatArray  # (class, day) mean of bursts' lifetimes on the normal scale
    level_share: FloatArray  # (class,) of the variance, what a day shares; within `hour_share`
    outlives: FloatArray  # (type, class) probability to live longer than the month
    raw: dict[str, Any]  # the file, for distributions whose lengths differ by type
    burst_scale: float = 1.0  # times the measured VMs that follow a burst's first

    @property
    def type_names(self) -> list[str]:
        """(type,) such as "1x2" for 1 vCPU and 2 GB."""
        return type_names(self.cpu, self.memory)

    def adapted(self, mix: Mapping[str, float], burstiness: float) -> MonthStatistics:
        """The same number of VMs to expect, of other types or in other bursts.

        Types are as many times more frequent as `mix` says by name, beside those it does not name.
        Bursts bring `burstiness` times the VMs after their first one, and their number differs from
        hour to hour by as much more.
        """
        factor = factors(mix, self.type_names)
        month = self
        if burstiness != 1:
            month = replace(
                self,
                burst_scale=burstiness,
                overdispersion=self.overdispersion * burstiness,
                busy=np.maximum(1 + burstiness * (self.busy - 1), 0),
            )
            bursts = self.bursts_per_day * self._mean_sizes() / month._mean_sizes()
            month = replace(month, bursts_per_day=bursts)
        if mix:
            vms = (month.bursts_per_day * month._mean_sizes()).sum(axis=1)  # (type,) a day
            if not (factor * vms).sum() > 0:
                raise TraceError("mix leaves no VM type; give one of them a number above 0")
            factor = factor * vms.sum() / (factor * vms).sum()
            month = replace(month, bursts_per_day=month.bursts_per_day * factor[:, None])
        return month

    def _mean_sizes(self) -> FloatArray:
        """(type, class) VMs of a burst."""
        u = (np.arange(_MEAN_OVER) + 0.5) / _MEAN_OVER
        means = np.empty(self.bursts_per_day.shape)
        for t, c in np.ndindex(means.shape):
            kind, cls = np.full((2, u.size), [[t], [c]])
            means[t, c] = self.burst_size(kind, cls, u).mean()
        return means

    def burst_size(self, vm_type: IntArray, cls: IntArray, u: FloatArray) -> IntArray:
        """(b,) VMs in a burst."""
        size = np.ones(u.size, dtype=np.int64)
        for t in range(self.cpu.size):
            small = (vm_type == t) & (cls == 1)
            size[small] = 2 + _category(self.raw["size_small"][t], u[small])
            large = (vm_type == t) & (cls == 2)
            quantiles = _quantiles(u[large], self.raw["size_u"], self.raw["size_large"][t])
            size[large] = np.rint(quantiles).astype(np.int64)
        if self.burst_scale != 1:
            size = 1 + np.rint(self.burst_scale * (size - 1)).astype(np.int64)
        return size

    def same_second(self, size: IntArray, u: FloatArray) -> FloatArray:
        """(b,) probability that a VM shares the second of the one before, by the burst's size."""
        probability = np.zeros(u.size)
        for least, levels, weights in self.raw["p0"]:  # a later row is for larger bursts
            chosen = size >= least
            probability[chosen] = np.array(levels)[_category(weights, u[chosen])]
        return probability

    def gap(self, cls: IntArray, u: FloatArray) -> IntArray:
        """(vm,) s between a VM of a burst and the one before it, beyond the first second."""
        gap = np.zeros(u.size, dtype=np.int64)
        for c, weights in enumerate(self.raw["gap_pmf"], start=1):
            chosen = cls == c
            gap[chosen] = _category(weights, u[chosen])
        return gap

    def lifetime_spread(self, cls: IntArray, u: FloatArray) -> FloatArray:
        """(b,) 0..1: how much lifetimes within the burst differ; 0 for single VMs."""
        spread = np.zeros(u.size)
        for c, quantiles in enumerate(self.raw["sigma_q"], start=1):
            chosen = cls == c
            spread[chosen] = _quantiles(u[chosen], self.raw["sigma_u"], quantiles)
        return spread

    def lifetime(self, vm_type: IntArray, cls: IntArray, u: FloatArray) -> IntArray:
        """(vm,) s, of VMs that do not outlive the month."""
        log_lifetime = np.empty(u.size)
        measured = self.raw["lt_q"]
        for t, c in np.ndindex(self.outlives.shape):
            chosen = (vm_type == t) & (cls == c)
            # Where a class was too rare to measure, single VMs of the type stand in.
            quantiles = np.log(measured.get(f"{t},{c}", measured[f"{t},0"]))
            log_lifetime[chosen] = _quantiles(u[chosen], self.raw["lt_u"], quantiles)
        return np.rint(np.exp(log_lifetime)).astype(np.int64)

    def tail_days(self, u: FloatArray) -> FloatArray:
        """(vm,) days, of VMs that outlive the month."""
        return _quantiles(u, self.raw["tail_u"], self.raw["tail_days"])


@cache
def month_statistics() -> MonthStatistics:
    """The facts that the package holds."""
    text = files(__package__).joinpath("huawei_east_1_statistics.json").read_text("utf-8")
    raw = json.loads(text)
    sizes = np.array(raw["types"], dtype=np.int32)  # (type, resource) in vCPU, GB
    return MonthStatistics(
        cpu=sizes[:, 0] * np.int32(MILLI),
        memory=sizes[:, 1] * np.int32(MIB),
        bursts_per_day=np.array(raw["bursts_per_day"]),
        overdispersion=np.array(raw["overdispersion"]),
        day=np.array(raw["day"]),
        hour=np.array(raw["hour_of_day"]),
        busy=np.array(raw["busy_hour"]),
        hour_share=np.array(raw["hour_share"]),
        level=np.array(raw["level"]),
        level_share=np.array(raw["level_share"]),
        outlives=np.array(raw["p_persist"]),
        raw=raw,
    )


def _category(weights: list[float], u: FloatArray) -> IntArray:
    """Index of the weight whose share of the cumulative sum u falls into."""
    ends = np.cumsum(weights)
    # The weights are rounded: their sum is only about 1.
    return np.searchsorted(ends[:-1] / ends[-1], u, side="right")


def _quantiles(u: FloatArray, grid: list[float], values: list[float] | FloatArray) -> FloatArray:
    """Inverse interpolation; values that are not as many as the grid are evenly spaced."""
    even = len(values) != len(grid)
    return np.interp(u, np.linspace(0, 1, len(values)) if even else grid, values)
