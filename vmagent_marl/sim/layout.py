"""Where what stands in an agent's observation, for kernels, networks and people."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from itertools import accumulate

from vmagent_marl.sim.rules import COARSE, FULL, NODES, Rules

SERVER = 4  # floats a server: free share by node and resource
REQUEST = 3  # cpu, memory, halved
CHAIN = 3  # ring distance, last offer, beyond the tries
TIME = 2  # hour, weekday
SUMMARY = 5  # cpu, memory, empty servers, power price, age
MOST_HINT = 31 * 86_400  # s, the longest lifetime that is foretold: a month


@dataclass(frozen=True)
class ObservationLayout:
    """The order of an observation: one flat float32 vector with every entry in [0, 1].

    servers     free share of each own server's nodes, (server, node, resource); 0 out of service
    in_service  1 for each own server that takes VMs
    request     cpu and memory on one node as shares of an own node (at most 1), halved
    chain       ring distance from home / (clusters - 1), last offer, beyond the tries
    time        hour of the day / 24, weekday / 7
    summaries   published by each cluster, this one first, then the ring: free share of cpu, of
                memory, empty servers / servers, power price / the highest, age / summary_every
    others      with full summaries: published `servers` and `in_service` of each other cluster
    lifetime    with hints: how long the VM is foretold to live
    release     with hints: how long until the last VM of each own server is foretold to leave, 0 on
                an empty one, also while an outage or drain holds it

    Hints are times of t hours as log(1 + t) / log(1 + 744), at most 1: see `sim/hints.py`.
    """

    clusters: int
    servers: int  # of the largest cluster
    summaries: int = 0  # NO_SUMMARIES, COARSE or FULL
    hints: int = 0  # NO_HINTS or HINTS

    @property
    def parts(self) -> dict[str, slice]:
        """Slice of each part, in order; parts that a scenario has not are empty."""
        sizes = {
            "servers": SERVER * self.servers,
            "in_service": self.servers,
            "request": REQUEST,
            "chain": CHAIN,
            "time": TIME,
            "summaries": SUMMARY * self.clusters if self.summaries >= COARSE else 0,
            "others": (SERVER + 1) * self.servers * (self.clusters - 1)
            if self.summaries == FULL
            else 0,
            "lifetime": self.hints,
            "release": self.hints * self.servers,
        }
        return slices_of(sizes)

    @property
    def size(self) -> int:
        """Floats in one observation."""
        return self.parts["release"].stop

    @property
    def actions(self) -> int:
        """Actions of an agent: a slot each, and pass, the last."""
        return NODES * self.servers + 1


def slices_of(sizes: Mapping[str, int]) -> dict[str, slice]:
    """Where each part of a vector lies, one after the other."""
    ends = list(accumulate(sizes.values()))
    return {name: slice(end - sizes[name], end) for name, end in zip(sizes, ends, strict=True)}


def layout_of(rules: Rules) -> ObservationLayout:
    """The order of the observations of a scenario's rules."""
    return ObservationLayout(
        clusters=len(rules.servers),
        servers=int(rules.most.max()),
        summaries=rules.summaries,
        hints=rules.hints,
    )
