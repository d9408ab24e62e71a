"""What a synthetic trace is to be like: how much, how long, of which types, how bursty."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal, get_args

from vmagent_marl.errors import TraceError, unknown_name

DayProfile = Literal["as-is", "resampled", "flat"]
Tail = Literal["never", "days"]

MOST_BURSTY = 100.0  # times the measured bursts; beyond it a burst would not end in an hour


@dataclass(frozen=True)
class MonthPlan:
    """Settings of a synthetic trace; with the defaults it is a month like the measured one.

    Raises `TraceError` for a value out of range, `UnknownNameError` for an unknown name.
    """

    seed: int = 0  # at least 0; the same plan is the same trace
    rate: float = 1.0  # requests per second, as a multiple of the real month's
    days: float = 31.0  # horizon; past day 31 the day profile starts anew
    day_profile: DayProfile = "as-is"  # days as in the real month, drawn from them anew, or alike
    tail: Tail = "never"  # VMs that outlive a month stay for ever, or end after 31 to 318 days
    mix: Mapping[str, float] = field(
        default_factory=dict
    )  # how many times as frequent, e.g. "64x128": 3
    burstiness: float = 1.0  # 0: every VM comes alone; 2: bursts of twice the size, half as many

    def __post_init__(self) -> None:
        if self.seed < 0:
            raise TraceError(f"seed is {self.seed}; give 0 or more")
        for name, value in (("rate", self.rate), ("days", self.days)):
            if not 0 < value < math.inf:
                raise TraceError(f"{name} is {value}; give a finite number above 0")
        if not 0 <= self.burstiness <= MOST_BURSTY:
            raise TraceError(
                f"burstiness is {self.burstiness}; give 0 (every VM alone) to {MOST_BURSTY:g}"
            )
        if self.day_profile not in get_args(DayProfile):
            raise unknown_name("day profile", self.day_profile, get_args(DayProfile))
        if self.tail not in get_args(Tail):
            raise unknown_name("tail", self.tail, get_args(Tail))
