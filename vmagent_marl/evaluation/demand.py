"""What an episode asks for, whoever plays it: its requests, and what would run if all were taken.

Bounds are reckoned from it. Amounts are those of the kernels, milli-vCPU and MiB.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from vmagent_marl.scenario import Reach, Scenario
from vmagent_marl.sim import Episode
from vmagent_marl.sim.reach import first_fit_reach
from vmagent_marl.sim.rules import NODES, Feed, Rules, feed
from vmagent_marl.trace import NEVER, Trace

Ints = NDArray[np.int64]
Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Demand:
    """The requests of one episode, rows first..stop-1, up to the second at which it ends.

    An episode that ends early, since a VM was turned away, has fewer of them and never others.
    """

    rules: Rules
    feed: Feed
    first: int
    stop: int
    end: int  # s, of an episode that nothing ends early

    @property
    def cpu(self) -> Ints:
        """(n,) milli-vCPU of each request: what is paid for."""
        return self.feed.total[self.first : self.stop, 0].astype(np.int64)

    @property
    def volume(self) -> Ints:
        """(n, resource) that each takes of servers: what halving rounds up is taken too."""
        rows = slice(self.first, self.stop)
        nodes = 1 + self.feed.halved[rows].astype(np.int64)
        return self.feed.demand[rows] * nodes[:, None]

    @property
    def fits(self) -> NDArray[np.bool_]:
        """(n,) whether an empty server of some cluster takes it."""
        need = self.feed.demand[self.first : self.stop]
        in_cluster = np.all(need[:, None] <= self.rules.node, axis=2)  # (n, K)
        whole: NDArray[np.bool_] = np.any(in_cluster, axis=1)
        return whole

    @property
    def server(self) -> Ints:
        """(K, resource) of one server of each cluster."""
        return NODES * self.rules.node.astype(np.int64)

    @property
    def most_room(self) -> Ints:
        """(resource,) of all servers together, after every expansion."""
        room: Ints = (self.server * self.rules.most[:, None]).sum(axis=0)
        return room

    def events(self) -> tuple[Ints, Ints, Ints]:
        """Second, number of the request, and +1 or -1, of every arrival and departure in order.

        In the order of the simulator: departures first within a second, but for a VM that leaves in
        the second of its arrival. What comes after the end stands at the end.
        """
        places = self.feed.place_in_events
        last = places[self.stop] if self.stop < places.size else self.feed.events.size
        event = self.feed.events[places[self.first] : last].astype(np.int64)
        comes = event >= 0
        row = np.where(comes, event, ~event)
        comes, row = comes[row >= self.first], row[row >= self.first]
        lives = np.where(comes, 0, self.feed.lifetime[row])
        second = np.minimum(self.feed.arrival[row] + lives, self.end)
        return second, row - self.first, np.where(comes, 1, -1)


def demand_of(scenario: Scenario, trace: Trace, episode: Episode) -> Demand:
    """What the episode asks for; it ends where the simulator ends it."""
    rules = scenario.rules()
    fed = feed(trace, rules)
    first = episode.first
    limit = len(trace) if episode.stop is None else episode.stop
    length = NEVER
    if isinstance(scenario.horizon, Reach):
        length = first_fit_reach(rules, fed, first) + scenario.horizon.plus
    elif scenario.horizon is not None:
        length = scenario.horizon
    until = NEVER
    if scenario.horizon_seconds is not None:
        until = int(fed.arrival[first]) + scenario.horizon_seconds
    stop = min(limit, first + min(length, limit))
    stop = min(stop, int(np.searchsorted(fed.arrival, until)))
    # at the window's end nothing is waited for; a horizon waits for the next request
    end = int(fed.arrival[stop - 1]) if stop == limit else min(int(fed.arrival[stop]), until)
    return Demand(rules, fed, first, stop, end)
