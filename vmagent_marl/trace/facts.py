"""What `describe` tells of a trace, in the words of tables for people."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from vmagent_marl.trace.units import DAY, HOUR

QUANTILES = {"0.1": "10 %", "0.5": "half", "0.9": "90 %", "0.99": "99 %"}
_FACTS = {
    "requests": "requests",
    "span_days": "from first arrival to last",
    "start_hour": "hour of the day at second 0",
    "never_deleted_share": "never deleted",
    "alive_at_start_share": "ran before the trace begins",
    "large_burst_share": "come in bursts of 10 and more",
    "mean_vcpu": "vCPU at once, mean",
    "peak_vcpu": "vCPU at once, peak",
    "mean_memory_gb": "GB at once, mean",
    "peak_memory_gb": "GB at once, peak",
    "type_count": "types of VM",
}
_CLUSTER = {"servers": "servers", "overload_share": "of the time more than they hold"}
_LOADS = {"mean_load": "mean", "peak_load": "peak"}


def facts(told: Mapping[str, Any]) -> dict[str, str]:
    """Rows of a table: words and figure, without what the trace does not tell."""
    rows = _figures(told, _FACTS)
    for quantile, words in QUANTILES.items():
        if told["lifetime_s"]:
            lived = told["lifetime_s"][quantile]
            rows[f"{words} of the deleted live at most (s)"] = f"{lived:,.0f}"
    rows |= _figures(told, _CLUSTER)
    for key, words in _LOADS.items():
        for resource, share in told.get(key, {}).items():
            rows[f"{resource} in use, {words}"] = _figure("share", share)
    return rows


def number(value: float) -> str:
    """Three digits that count, and never an exponent."""
    if abs(value) >= 100:
        return f"{value:,.0f}"
    return np.format_float_positional(value, precision=3, fractional=False, trim="-")


def _figures(told: Mapping[str, Any], named: Mapping[str, str]) -> dict[str, str]:
    there = {key: words for key, words in named.items() if told.get(key) is not None}
    return {words: _figure(key, told[key]) for key, words in there.items()}


def _figure(key: str, value: float) -> str:
    if key.endswith("share"):
        return f"{100 * value:.1f} %"
    if key == "span_days":
        return _span(value * DAY)
    return f"{value:,}" if isinstance(value, int) else number(value)


def _span(seconds: float) -> str:
    for unit, words in ((DAY, "days"), (HOUR, "hours"), (60, "minutes")):
        if seconds >= 2 * unit:
            return f"{seconds / unit:,.1f} {words}"
    return f"{seconds:,.0f} s"
