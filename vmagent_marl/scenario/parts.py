"""Fields of a scenario that hold more than one value."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True)
class Halve:
    """Which VMs take both NUMA nodes of a server, half on each."""

    resource: Literal["cpu", "memory"]
    above: float  # vCPU or GB; a VM with more is halved


@dataclass(frozen=True)
class Expansion:
    """Servers that a cluster orders when it is too full, one order at a time."""

    threshold: float  # of the larger used share of cpu and memory, looked at after each arrival
    servers: int  # an order brings
    most: int  # servers of a cluster after every expansion
    lead_time: int = 0  # s from the order to service


@dataclass(frozen=True)
class Outage:
    """A cluster out of service: its VMs run on (drain) or end (outage)."""

    cluster: int
    at: int  # s after the episode's start
    seconds: int  # until it is restored
    kind: Literal["drain", "outage"] = "outage"


@dataclass(frozen=True)
class Reach:
    """An episode as long as a heuristic's reach from its start, plus some requests."""

    reach_of: Literal["first-fit"]
    plus: int


@dataclass(frozen=True)
class WrongHints:
    """Lifetime hints that are off by a log-normal factor."""

    log_sigma: float  # standard deviation of log(hint / lifetime)
