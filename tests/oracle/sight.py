"""What the twin's agents see: masks, observations and the summaries that clusters publish."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from vmagent_marl.sim.rules import COARSE, FULL, NODES, WAIT

if TYPE_CHECKING:
    from oracle.twin import Twin

HOUR = 3600  # s


@dataclass(frozen=True)
class Summary:
    """Published by one cluster; shares in float32, as everybody reads them."""

    cpu: np.float32  # free share of what is in service
    memory: np.float32
    empty: np.float32  # share of the servers in service
    servers: list[np.float32]  # free shares, (server, node, resource), then in service


def share(part: int, whole: int) -> np.float32:
    """float32 of the float64 quotient; of nothing, nothing."""
    return np.float32(part / whole) if whole else np.float32(0)


def on_scale(seconds: int) -> np.float32:
    """A time on the scale of hints: the logarithm of 1 + hours, a month being 1."""
    return np.float32(min(math.log1p(seconds / HOUR) / math.log1p(31 * 24), 1))


class Sight:
    """Reads a twin; changes nothing."""

    def __init__(self, twin: Twin) -> None:
        self.twin = twin

    def mask(self, k: int) -> list[int]:
        """1 for each legal action."""
        legal = self.twin.legal(k)
        return [int(action in legal) for action in range(NODES * self.twin.servers + 1)]

    def observation(self, k: int) -> list[np.float32]:
        twin = self.twin
        seen = self.servers(k) + self.in_service(k)
        seen += self.request(k) + self.chain(k) + self.time()
        ring = [(k + i) % twin.clusters for i in range(twin.clusters)]
        published = twin.summaries()
        if twin.rules.summaries >= COARSE:
            for other in ring:
                summary = published[other]
                power = np.float32(twin.rules.power_share[other])
                seen += [summary.cpu, summary.memory, summary.empty, power, np.float32(twin.age())]
        if twin.rules.summaries == FULL:
            for other in ring[1:]:
                seen += published[other].servers
        if twin.rules.hints:
            seen += [self.lifetime(), *self.releases(k)]
        return seen

    def lifetime(self) -> np.float32:
        """The hint of the request; nothing where there is none."""
        twin = self.twin
        return on_scale(0 if twin.status == "terminated" else twin.foretold(twin.row))

    def releases(self, k: int) -> list[np.float32]:
        """Until the last VM of each server is expected to leave."""
        twin = self.twin
        ends = [
            [twin.expected_end(vm) for vm in twin.vms_on(k, server)]
            for server in range(twin.servers)
        ]
        return [on_scale(max(end) - twin.now if end else 0) for end in ends]

    def servers(self, k: int) -> list[np.float32]:
        twin = self.twin
        return [
            share(twin.free(k, server, node, resource), twin.node[k][resource])
            if twin.takes_vms(k, server)
            else np.float32(0)
            for server in range(twin.servers)
            for node in range(NODES)
            for resource in range(2)
        ]

    def in_service(self, k: int) -> list[np.float32]:
        twin = self.twin
        return [np.float32(twin.takes_vms(k, server)) for server in range(twin.servers)]

    def request(self, k: int) -> list[np.float32]:
        twin = self.twin
        if twin.status == "terminated":
            return [np.float32(0)] * 3
        need, node = twin.request.need, twin.node[k]
        amounts = [min(share(need[r], node[r]), np.float32(1)) for r in range(2)]
        return [*amounts, np.float32(twin.request.halved)]

    def chain(self, k: int) -> list[np.float32]:
        twin = self.twin
        if twin.status == "terminated":
            return [np.float32(0)] * 3
        distance = (k - twin.home) % twin.clusters
        last, beyond = distance == twin.rules.tries - 1, distance >= twin.rules.tries
        far = share(distance, twin.clusters - 1)
        return [far, np.float32(last), np.float32(beyond)]

    def time(self) -> list[np.float32]:
        hours = self.twin.start_hour + self.twin.now // HOUR
        return [share(hours % 24, 24), share(hours // 24 % 7, 7)]

    def state(self) -> list[np.float32]:
        """The whole game, with what is privileged."""
        twin, clusters = self.twin, range(self.twin.clusters)
        running, waiting = twin.status != "terminated", 0
        if running and twin.rules.turned_away == WAIT:
            rows = range(twin.row, twin.stop)
            waiting = sum(twin.requests[row].arrival <= twin.now for row in rows)
        seen = [share for k in clusters for share in self.observation(k)]
        for fresh in twin.look():
            seen += [fresh.cpu, fresh.memory, fresh.empty]
        for due in twin.due:
            seen.append(np.float32(0 if due is None else (due - twin.now) / HOUR))
        seen += [np.float32(down > 0) for down in twin.down]
        seen += [np.float32(running and k == twin.home) for k in clusters]
        seen.append(np.float32(math.log1p(waiting)))
        on = [twin.vms_on(k, server) for k in clusters for server in range(twin.servers)]
        for vms in on:
            ends = [vm.leaves for vm in vms if vm.leaves is not None]
            stays = len(ends) < len(vms)
            left = 0 if stays else max([end - twin.now for end in ends], default=0)
            seen.append(np.float32(math.log1p(left / HOUR)))
        seen += [np.float32(any(vm.leaves is None for vm in vms)) for vms in on]
        return seen

    def summary(self, k: int) -> Summary:
        twin = self.twin
        serving = [s for s in range(twin.servers) if twin.takes_vms(k, s)]
        free = []
        for resource in range(2):
            amount = sum(twin.free(k, s, node, resource) for s in serving for node in range(NODES))
            free.append(share(amount, len(serving) * NODES * twin.node[k][resource]))
        empty = sum(not twin.vms_on(k, s) for s in serving)
        seen = self.servers(k) + self.in_service(k)
        return Summary(free[0], free[1], share(empty, len(serving)), seen)
