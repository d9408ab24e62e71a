"""Worlds that are small enough to be reckoned by hand."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from vmagent_marl.sim.rewards import NAMES
from vmagent_marl.sim.rules import COUNT, MEMORY, NO_HINTS, NO_SUMMARIES, ROUND_ROBIN, Rules
from vmagent_marl.trace import NEVER, Trace

Row = tuple[int, int | None, int, int]  # arrival and lifetime in s (None: stays), vCPU, GiB


def tiny_trace(*rows: Row, start_hour: int = 0) -> Trace:
    """The rows as a trace."""
    arrival, lifetime, vcpu, gib = zip(*rows, strict=True)
    leaves = [NEVER if t is None else at + t for at, t in zip(arrival, lifetime, strict=True)]
    return Trace(
        name="tiny",
        vm=np.arange(len(rows)),
        arrival=np.array(arrival),
        departure=np.array(leaves),
        cpu=np.array(vcpu) * 1000,
        memory=np.array(gib) * 1024,
        start_hour=start_hour,
    )


def tiny_rules(*, clusters: int = 1, servers: int = 1, **others: Any) -> Rules:
    """Like clusters of servers of two nodes of 4 vCPU and 8 GiB; `others` are fields of `Rules`."""
    every = np.full(clusters, servers)
    rules = Rules(
        node=np.tile(np.array([4000, 8192], np.int32), (clusters, 1)),
        servers=every,
        most=every.copy(),
        power=np.zeros(clusters),
        power_share=np.zeros(clusters),
        price=1.0,
        kept=np.ones(clusters),
        halve_resource=MEMORY,
        halve_above=NEVER,
        departures=True,
        turned_away=COUNT,
        turned_away_cost=0.0,
        may_decline=False,
        tries=clusters,
        home=ROUND_ROBIN,
        threshold=1.0,
        expansion=0,
        lead_time=0,
        changes=np.empty((0, 3), np.int64),
        summaries=NO_SUMMARIES,
        summary_every=0,
        weights=np.zeros(len(NAMES)),
        share=0.0,
        hints=NO_HINTS,
        hint_error=0.0,
    )
    return rules._replace(**others)


def weights(**named: float) -> NDArray[np.float64]:
    """(rewards,) of the rewards that are named, 0 of the others."""
    return np.array([named.get(name, 0.0) for name in NAMES])


def changes(*rows: tuple[int, int, int]) -> NDArray[np.int64]:
    """(n, 3) second, cluster and kind of each change."""
    return np.array(rows, np.int64).reshape(-1, 3)
