"""The twin's books: levels over time, rewards of a transition, metrics of an episode."""

from __future__ import annotations

import math
from fractions import Fraction
from typing import TYPE_CHECKING

from vmagent_marl.sim import rewards
from vmagent_marl.sim.rules import CPU, MEMORY, NODES, WAIT

if TYPE_CHECKING:
    from oracle.twin import Twin, Vm

HOUR = 3600
LARGE = 16_000  # milli-vCPU
LEVELS = (
    "used_cpu",
    "used_memory",
    "active",
    "serving",
    "held",
    "empty",
    "tilt",
    "stranded_cpu",
    "stranded_memory",
    "lower_bound",
)


def exact(number: float) -> Fraction:
    return Fraction(float(number))


class Ledger:
    """Reads a twin and remembers what its past adds up to."""

    def __init__(self, twin: Twin) -> None:
        self.twin = twin
        clusters = range(twin.clusters)
        self.integral = [dict.fromkeys(LEVELS, 0) for _ in clusters]  # level x s
        self.earned = [[0] * twin.rules.tries for _ in clusters]  # milli-vCPU x s, by position
        self.placed, self.placed_large = [0] * twin.clusters, [0] * twin.clusters
        self.hops, self.killed = [0] * twin.clusters, [0] * twin.clusters
        self.lost_of_home = [0] * twin.clusters
        self.no_rewards()
        self.begin_transition()

    def used(self, k: int, resource: int) -> int:
        """Of one cluster, also by VMs on servers that take no new ones."""
        twin = self.twin
        servers = [(s, node) for s in range(twin.servers) for node in range(NODES)]
        return sum(twin.used(k, server, node, resource) for server, node in servers)

    def levels(self, k: int) -> dict[str, int]:
        """The quantities whose integrals over time make up the metrics."""
        twin = self.twin
        servers = range(twin.servers)
        free = [[[twin.free(k, s, n, r) for r in range(2)] for n in range(NODES)] for s in servers]
        stranded = [
            server
            for server in free
            if twin.common
            and not any(
                node[CPU] >= cpu and node[MEMORY] >= memory
                for node in server
                for cpu, memory in twin.common
            )
        ]
        used = [self.used(k, CPU), self.used(k, MEMORY)]
        whole = [NODES * amount for amount in twin.node[k]]
        return {
            "used_cpu": used[CPU],
            "used_memory": used[MEMORY],
            "active": sum(bool(twin.vms_on(k, server)) for server in servers),
            "serving": twin.in_service[k],
            "held": twin.in_service[k] if twin.down[k] else 0,
            "empty": sum(
                not twin.vms_on(k, s) for s in range(twin.servers) if twin.takes_vms(k, s)
            ),
            "tilt": sum(abs(server[0][CPU] - server[1][CPU]) for server in free),
            "stranded_cpu": sum(node[CPU] for server in stranded for node in server),
            "stranded_memory": sum(node[MEMORY] for server in stranded for node in server),
            "lower_bound": max(-(-used[r] // whole[r]) for r in range(2)),
        }

    def running(self, k: int) -> list[int]:
        """milli-vCPU that run on a cluster, by the position at which they were taken."""
        cpu = [0] * self.twin.rules.tries
        for vm in self.twin.running.values():
            if vm.cluster == k:
                cpu[vm.position] += vm.request.total[CPU]
        return cpu

    def accrue(self, seconds: int) -> None:
        """Time passes while nothing changes."""
        twin = self.twin
        for k in range(twin.clusters):
            for name, level in self.levels(k).items():
                self.integral[k][name] += level * seconds
            for position, cpu in enumerate(self.running(k)):
                self.earned[k][position] += cpu * seconds

    # ---- rewards

    def no_rewards(self) -> None:
        self.own_reward = [0.0] * self.twin.clusters
        self.reward = [0.0] * self.twin.clusters

    def begin_transition(self) -> None:
        """Remember what the transition's rewards are measured from."""
        clusters = range(self.twin.clusters)
        self.tilt_before = [self.levels(k)["tilt"] for k in clusters]
        self.profit_before = [self.profit(k) for k in clusters]
        self.active_before = [self.integral[k]["active"] for k in clusters]
        self.vm: Vm | None = None
        self.homes_that_lost: list[int] = []

    def taken(self, vm: Vm) -> None:
        self.vm = vm
        self.placed[vm.cluster] += 1
        self.placed_large[vm.cluster] += vm.request.total[CPU] >= LARGE
        self.hops[vm.cluster] += vm.position

    def lost(self, home: int) -> None:
        self.homes_that_lost.append(home)
        self.lost_of_home[home] += 1

    def end_transition(self) -> None:
        rules, clusters = self.twin.rules, range(self.twin.clusters)
        own = [self.own(k) for k in clusters]
        team = sum(own) / len(own)
        share = exact(rules.share)
        self.own_reward = [float(reward) for reward in own]
        self.reward = [float(share * team + (1 - share) * reward) for reward in own]

    def own(self, k: int) -> Fraction:
        """The weighted sum of the named rewards of cluster k."""
        twin, rules = self.twin, self.twin.rules
        hours = Fraction(self.integral[k]["active"] - self.active_before[k], HOUR)
        change = self.levels(k)["tilt"] - self.tilt_before[k]
        named = {
            "balance": Fraction(-change, twin.node[k][CPU]),
            "profit": self.profit(k) - self.profit_before[k],
            "server_hours": -hours,
        }
        if self.vm is not None and self.vm.cluster == k:
            named["placed"] = Fraction(1)
            named["cpu"] = Fraction(self.vm.request.total[CPU], 1000)
            named["wait"] = exact(-math.log(1 + twin.decision.waited))
            named["wait_hours"] = Fraction(-twin.decision.waited, HOUR)
        weight = dict(zip(rewards.NAMES, rules.weights, strict=True))
        total = sum((exact(weight[name]) * value for name, value in named.items()), Fraction(0))
        return total - self.homes_that_lost.count(k) * exact(rules.turned_away_cost)

    def profit(self, k: int) -> Fraction:
        """Revenue less power of cluster k since the episode began."""
        twin, rules = self.twin, self.twin.rules
        kept = [exact(share) for share in rules.kept]
        vcpu_hours = sum(
            (s * Fraction(e, 1000 * HOUR) for s, e in zip(kept, self.earned[k], strict=True)),
            Fraction(0),
        )
        server_vcpu = Fraction(NODES * twin.node[k][CPU], 1000)
        burning = Fraction(self.integral[k]["active"], HOUR) * server_vcpu
        return vcpu_hours * exact(rules.price) - burning * exact(rules.power[k])

    # ---- metrics

    def metrics(self) -> dict[str, object]:
        """What `Metrics` says of the episode up to now."""
        twin, rules = self.twin, self.twin.rules
        clusters = range(twin.clusters)
        offered = range(twin.episode.first, twin.episode.first + twin.offered)
        lost = [twin.requests[twin.episode.first + number] for number in twin.turned_away]
        whole = [
            [self.integral[k]["serving"] * NODES * twin.node[k][r] for r in range(2)]
            for k in clusters
        ]

        def total(name: str) -> int:
            return sum(self.integral[k][name] for k in clusters)

        def of_service(name: str, resource: int) -> float:
            room = sum(amounts[resource] for amounts in whole)
            return total(name) / room if room else 0.0

        def could_run(row: int) -> Fraction:
            """vCPU-seconds up to now, had it started at its arrival."""
            request = twin.requests[row]
            left = max(twin.now - request.arrival, 0)
            seconds = left if request.lifetime is None else min(left, request.lifetime)
            return Fraction(seconds * request.total[CPU], 1000)

        waits = list(twin.waited.values()) if rules.turned_away == WAIT else []
        if rules.turned_away == WAIT:
            rows = range(twin.episode.first, twin.stop)[: twin.length]
            for row in rows:  # who stands in the queue waits on
                arrival = twin.requests[row].arrival
                if row - twin.episode.first not in twin.waited and arrival < twin.now:
                    waits.append(twin.now - arrival)
        waits.sort()
        shares = [
            self.integral[k]["used_cpu"] / whole[k][CPU] if whole[k][CPU] else 0.0 for k in clusters
        ]
        squares = sum(share**2 for share in shares)
        seconds = twin.now - twin.start
        profits = [self.profit(k) for k in clusters]
        lost_rows = [twin.episode.first + number for number in twin.turned_away]
        return {
            "start": twin.episode.first,
            "requests": len(offered),
            "placed": sum(self.placed),
            "placed_cpu_s": sum(map(sum, self.earned)) / 1000,
            "placed_large": sum(self.placed_large),
            "turned_away": len(lost),
            "turned_away_cpu_s": float(sum(map(could_run, lost_rows))),
            "turned_away_large": sum(request.total[CPU] >= LARGE for request in lost),
            "killed": sum(self.killed),
            "seconds": seconds,
            "wait_s": sum(waits),
            "wait_mean_s": sum(waits) / len(waits) if waits else 0.0,
            "wait_p95_s": quantile(waits, Fraction(95, 100)) if waits else 0.0,
            "used_cpu": of_service("used_cpu", CPU),
            "used_memory": of_service("used_memory", MEMORY),
            "stranded_cpu": of_service("stranded_cpu", CPU),
            "stranded_memory": of_service("stranded_memory", MEMORY),
            "empty_servers": total("empty") / seconds if seconds else 0.0,
            "numa_imbalance": of_service("tilt", CPU),
            "active_server_hours": total("active") / HOUR,
            "server_hours_bound": total("lower_bound") / HOUR,
            "capacity_hours": (total("serving") - total("held")) / HOUR,
            "hops": sum(self.hops) / sum(self.placed) if sum(self.placed) else 0.0,
            "fairness": sum(shares) ** 2 / (len(shares) * squares) if squares else 1.0,
            "profit": float(sum(profits)),
            "possible_revenue": float(sum(map(could_run, offered)) * exact(rules.price) / HOUR),
            "cluster_profit": tuple(float(profit) for profit in profits),
        }


def quantile(ordered: list[int], q: Fraction) -> float:
    """Linear between the two nearest ranks."""
    place = q * (len(ordered) - 1)
    low = int(place)
    high = min(low + 1, len(ordered) - 1)
    return float(ordered[low] + (place - low) * (ordered[high] - ordered[low]))
