"""What a synthetic trace is to be like: how much, how long, of which types, how bursty."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal, get_args

from vmagent_marl.errors import TraceError, unknown_name

DayProfile = Literal["as-is", "resampled", "flat"]
Tail = Literal["never", "days"]

MOST_RATE = 10_000.0  # times the measured requests; a day of it, in memory at once, is 4 GB
MOST_DAYS = 100_000.0
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
    mix: Mapping[str, float] = field(default_factory=dict)  # "64x128": 3 for three times as many
    burstiness: float = 1.0  # 0: every VM comes alone; 2: bursts of twice the size, half as many

    def __post_init__(self) -> None:
        if self.seed < 0:
            raise TraceError(f"seed is {self.seed}; give 0 or more")
        for name, value, most in (("rate", self.rate, MOST_RATE), ("days", self.days, MOST_DAYS)):
            if not 0 < value <= most:
                raise TraceError(f"{name} is {value}; give a number above 0, at most {most:,.0f}")
        if not 0 <= self.burstiness <= MOST_BURSTY:
            raise TraceError(
                f"burstiness is {self.burstiness}; give 0 (every VM alone) to {MOST_BURSTY:g}"
            )
        if self.day_profile not in get_args(DayProfile):
            raise unknown_name("day profile", self.day_profile, get_args(DayProfile))
        if self.tail not in get_args(Tail):
            raise unknown_name("tail", self.tail, get_args(Tail))
