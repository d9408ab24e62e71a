"""The bursts of a month: how many, how large, and how their VMs follow each other."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray
from synthetic import HORIZON

from vmagent_marl.trace import Trace
from vmagent_marl.trace.describe import burst_sizes
from vmagent_marl.trace.synthetic.statistics import month_statistics

IntArray = NDArray[np.int64]
FloatArray = NDArray[np.float64]

TYPES, CLASSES, DAYS = 15, 3, 31
KNOWN = 60  # bursts from which a type and class has a day profile and a spread of its own
SAME_SECOND = {  # by least size of a burst: levels of how many VMs share the second before's
    2: (0.0, 0.5, 1.0),
    4: (0.0, 0.3, 0.55, 0.8, 1.0),
    10: (0.0, 0.15, 0.55, 0.8, 0.93, 0.97, 1.0),
}
SIZE_U = (  # shares at which sizes are measured
    *np.linspace(0, 0.9, 19).round(2).tolist(),
    *(0.92, 0.94, 0.95, 0.96, 0.97, 0.98, 0.985, 0.99, 0.9925, 0.995, 0.9975, 1.0),
)
MANY = 100  # large bursts of a type from which their sizes are


@dataclass(frozen=True)
class Month:
    """The real one, by bursts: VMs of a type within 10 s of each other."""

    trace: Trace

    @cached_property
    def type(self) -> IntArray:
        """(vm,) among all types, also where the trace has not all of them."""
        known, own = (
            cpu.astype(np.int64) << 32 | memory
            for cpu, memory in (
                (month_statistics().cpu, month_statistics().memory),
                (self.trace.cpu, self.trace.memory),
            )
        )
        return np.searchsorted(known, own)

    @cached_property
    def cls(self) -> IntArray:
        """(vm,) 0 single, 1 small, 2 large."""
        return np.digitize(burst_sizes(self.trace), [2, 10])

    @cached_property
    def weight(self) -> FloatArray:
        """(vm,) of its burst, so that all weigh the same."""
        return 1 / burst_sizes(self.trace)

    @property
    def vms(self) -> FloatArray:
        """(type, class) how many."""
        kind = self.type * CLASSES + self.cls
        return np.bincount(kind, minlength=TYPES * CLASSES).reshape(TYPES, CLASSES).astype(float)

    def bursts(self, period: int) -> FloatArray:
        """(type, class, periods of so many s) how many begin, or go on, in each."""
        found = np.zeros((TYPES, CLASSES, HORIZON // period))
        np.add.at(found, (self.type, self.cls, self.trace.arrival // period), self.weight)
        return found

    def lifetimes(self, t: int, c: int) -> IntArray:
        """(n,) s, of VMs of a type and class."""
        return self.trace.lifetime[(self.type == t) & (self.cls == c)]


@dataclass(frozen=True)
class Seconds:
    """How the VMs of bursts follow each other: shares of bursts, and of gaps beyond a second."""

    same: dict[int, FloatArray]  # by least size: (levels,) of bursts, by VMs in a second before's
    gap: FloatArray  # (class 1 and 2, 10) of gaps of 1 to 10 s

    @classmethod
    def of(cls, month: Month) -> Seconds:
        """Of a month's bursts."""
        by_type = month.type.argsort(kind="stable")
        gap, size = np.diff(month.trace.arrival[by_type]), burst_sizes(month.trace)[by_type]
        inside = (np.diff(month.type[by_type]) == 0) & (gap <= 10)
        burst = np.concatenate([[0], np.cumsum(~inside)])
        sizes = np.bincount(burst)
        zeros = np.bincount(burst[1:], inside & (gap == 0), sizes.size)
        same = {}
        bands = list(SAME_SECOND)
        for least, below in zip(bands, [*bands[1:], np.inf], strict=True):
            chosen = (sizes >= least) & (sizes < below)
            levels = np.array(SAME_SECOND[least])
            bins = np.digitize(zeros[chosen] / (sizes[chosen] - 1), (levels[1:] + levels[:-1]) / 2)
            same[least] = np.bincount(bins, minlength=levels.size) / chosen.sum()
        longer = inside & (gap > 0)
        large = size[1:] >= 10
        counts = [np.bincount(gap[longer & (large == c)] - 1, minlength=10) for c in (0, 1)]
        return cls(same, np.array([count / count.sum() for count in counts]))

    @classmethod
    def mean(cls, months: Sequence[Seconds]) -> Seconds:
        """Of several months."""
        same = {least: np.mean([m.same[least] for m in months], axis=0) for least in SAME_SECOND}
        return cls(same, np.mean([month.gap for month in months], axis=0))

    def corrects(self, drawn: Seconds, raw: dict[str, Any]) -> dict[str, Any]:
        """`p0` and `gap_pmf` with which what is drawn comes nearer to this."""
        p0 = []
        for least, levels, weights in raw["p0"]:
            new = np.array(weights) * _ratio(self.same[least], drawn.same[least])
            p0.append([least, levels, (new / new.sum()).tolist()])
        gap = np.array(raw["gap_pmf"]) * _ratio(self.gap, drawn.gap)
        return {"p0": p0, "gap_pmf": (gap / gap.sum(axis=1, keepdims=True)).tolist()}


def large_sizes(real: Month, raw: dict[str, Any]) -> dict[str, Any]:
    """`size_large` at more shares than before, of types that have many large bursts."""
    sizes = list(raw["size_large"])
    for t in range(TYPES):
        of_vms = burst_sizes(real.trace)[(real.type == t) & (real.cls == 2)]
        size, vms = np.unique(of_vms, return_counts=True)
        bursts = np.repeat(size, vms // size)
        if bursts.size >= MANY:
            sizes[t] = np.quantile(bursts, SIZE_U, method="inverted_cdf").tolist()
    return {"size_u": list(SIZE_U), "size_large": sizes}


def _ratio(wanted: FloatArray, drawn: FloatArray) -> FloatArray:
    """Not too much at once."""
    ratio: FloatArray = np.clip(wanted / np.maximum(drawn, 1e-6), 0.5, 2)
    return ratio
