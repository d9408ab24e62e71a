"""The slow, obvious twin of the simulator: one environment in dicts and lists.

It keeps nothing that it can count again: what is free, used or due follows from the VMs that run.
`Simulator` must agree with it in every field after every step.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field

from oracle.ledger import Ledger
from oracle.requests import (
    HOME,
    LIFETIME,
    Request,
    below,
    common_types,
    key,
    read_requests,
    standard_normal,
)
from oracle.sight import Sight, Summary
from vmagent_marl.sim.rules import (
    END,
    LEAST_LOADED,
    NO_SUMMARIES,
    NODES,
    OUTAGE,
    PINNED,
    RANDOM,
    RESTORE,
    ROUND_ROBIN,
    WAIT,
    Rules,
)
from vmagent_marl.sim.simulator import Episode
from vmagent_marl.trace import Trace


@dataclass
class Vm:
    """One that runs."""

    request: Request
    cluster: int
    server: int
    nodes: tuple[int, ...]
    position: int  # in the chain, at which it was taken
    leaves: int | None  # s
    began: int  # s
    hint: int  # s that it was foretold to live


@dataclass
class Decision:
    """What became of the last request that was answered."""

    cluster: int | None = None  # that took it
    slot: int | None = None
    position: int | None = None
    seconds: int = 0  # to the next decision
    waited: int = 0
    effective: list[int] = field(default_factory=list)
    reached: list[bool] = field(default_factory=list)
    illegal: list[bool] = field(default_factory=list)


class Twin:
    """One episode under the rules; `step` plays one request."""

    def __init__(
        self,
        rules: Rules,
        trace: Trace,
        episode: Episode,
        length: int | None = None,
        seconds: int | None = None,
    ) -> None:
        self.rules, self.episode, self.length = rules, episode, length
        self.clusters, self.servers = len(rules.servers), int(max(rules.most))
        self.start_hour = trace.start_hour
        self.node = [(int(cpu), int(memory)) for cpu, memory in rules.node]
        self.requests = read_requests(rules, trace)
        self.common = common_types(self.requests)
        self.row = episode.first
        self.stop = len(trace) if episode.stop is None else episode.stop
        self.start = self.now = self.requests[self.row].arrival
        self.until = None if seconds is None else self.start + seconds
        self.in_service = [int(servers) for servers in rules.servers]
        self.down = [0] * self.clusters  # drains and outages that hold it
        self.due: list[int | None] = [None] * self.clusters  # s at which ordered servers come
        self.changes = [(self.start + int(t), int(k), int(what)) for t, k, what in rules.changes]
        self.running: dict[int, Vm] = {}  # by number of the request
        self.waited: dict[int, int] = {}  # s, of those placed, by number
        self.turned_away: list[int] = []  # numbers
        self.status = "running"
        self.decision = Decision()
        self.ledger = Ledger(self)
        self.sight = Sight(self)
        every = rules.summary_every
        self.stamp = self.start // every * every if every else self.start
        self.published = self.look()
        self.happen(self.start)
        self.home = self.find_home()
        if rules.turned_away == WAIT:
            self.wait_for_room()

    # ---- what follows from the VMs that run

    @property
    def number(self) -> int:
        """Of the request to be decided, in its episode."""
        return self.row - self.episode.first

    @property
    def offered(self) -> int:
        """Requests decided so far."""
        return len(self.waited) + len(self.turned_away)

    @property
    def request(self) -> Request:
        return self.requests[self.row]

    @property
    def chain(self) -> list[int]:
        """Clusters that are offered the request, in order."""
        return [(self.home + i) % self.clusters for i in range(self.rules.tries)]

    def takes_vms(self, k: int, server: int) -> bool:
        return not self.down[k] and server < self.in_service[k]

    def vms_on(self, k: int, server: int) -> list[Vm]:
        return [vm for vm in self.running.values() if (vm.cluster, vm.server) == (k, server)]

    def used(self, k: int, server: int, node: int, resource: int) -> int:
        vms = self.vms_on(k, server)
        return sum(vm.request.need[resource] for vm in vms if node in vm.nodes)

    def free(self, k: int, server: int, node: int, resource: int) -> int:
        """What VMs leave over, also on a server that takes none for now; 0 where none stands."""
        if server >= self.in_service[k]:
            return 0
        return self.node[k][resource] - self.used(k, server, node, resource)

    def nodes_of(self, action: int) -> tuple[int, ...]:
        return (0, 1) if self.request.halved else (action % NODES,)

    def fits(self, k: int, action: int) -> bool:
        """Whether the slot takes the request; the odd one of a halved VM is no slot of its own."""
        server = action // NODES
        if not self.takes_vms(k, server) or (self.request.halved and action % NODES):
            return False
        need = self.request.need
        nodes = self.nodes_of(action)
        return all(self.free(k, server, n, r) >= need[r] for n in nodes for r in range(2))

    def fitting(self, k: int) -> list[int]:
        return [action for action in range(NODES * self.servers) if self.fits(k, action)]

    def legal(self, k: int) -> list[int]:
        """Slots that fit, and pass, which is the highest action."""
        pass_on = NODES * self.servers
        if self.status == "terminated":
            return [pass_on]
        slots = self.fitting(k)
        last = self.chain[-1] == k
        return slots if slots and last and not self.rules.may_decline else [*slots, pass_on]

    # ---- a step

    def step(self, plans: list[int]) -> None:
        """Offer the request along its chain, then go on to the next decision."""
        if self.status != "running":
            self.ledger.no_rewards()
            self.decision.seconds = 0
            return
        self.ledger.begin_transition()
        before = self.now
        placed = self.decide(plans)
        if not placed and self.rules.turned_away != WAIT:
            self.turn_away()
        self.order_servers()
        self.depart()
        self.go_on(placed)
        self.decision.seconds = self.now - before
        self.ledger.end_transition()

    def decide(self, plans: list[int]) -> bool:
        """The first of the chain that takes the request keeps it; True where one does."""
        pass_on = NODES * self.servers
        self.decision = Decision(effective=[pass_on] * self.clusters)
        answers = []
        for k, plan in enumerate(plans):
            legal = self.legal(k)
            answer = plan - plan % NODES if self.request.halved and plan != pass_on else plan
            self.decision.illegal.append(answer not in legal)
            if answer not in legal:
                answer = pass_on if pass_on in legal else min(legal)
            answers.append(answer)
        self.decision.reached = [False] * self.clusters
        for position, k in enumerate(self.chain):
            self.decision.reached[k] = True
            self.decision.effective[k] = answers[k]
            if answers[k] != pass_on:
                self.place(k, answers[k], position)
                return True
        return False

    def place(self, k: int, action: int, position: int) -> None:
        waited, lifetime = self.now - self.request.arrival, self.request.lifetime
        leaves = None if lifetime is None else self.now + lifetime
        nodes = self.nodes_of(action)
        hint = self.foretold(self.row) if self.rules.hints else 0
        server = action // NODES
        vm = Vm(self.request, k, server, nodes, position, leaves, self.now, hint)
        self.running[self.number] = vm
        self.waited[self.number] = waited
        self.decision.cluster, self.decision.slot = k, action
        self.decision.position, self.decision.waited = position, waited
        self.ledger.taken(vm)

    def turn_away(self) -> None:
        self.turned_away.append(self.number)
        self.ledger.lost(self.home)

    def order_servers(self) -> None:
        """Expansion, looked at after a request was decided."""
        rules = self.rules
        for k in range(self.clusters):
            room = self.in_service[k] < rules.most[k]
            if not rules.expansion or self.due[k] is not None or not room:
                continue
            if self.used_share(k) > rules.threshold:
                self.due[k] = self.now + rules.lead_time
        self.servers_come()

    def used_share(self, k: int) -> float:
        """The larger of cpu and memory, over the servers in service."""
        shares = []
        for r in range(2):
            used = self.ledger.used(k, r)
            shares.append(used / (self.in_service[k] * NODES * self.node[k][r]))
        return max(shares)

    def go_on(self, placed: bool) -> None:
        """To the next decision, or to the end."""
        lost = bool(self.turned_away) and self.turned_away[-1] == self.number
        if placed or lost:
            self.row += 1
        elif not self.next_happening():
            self.give_up()
            return
        if self.row == self.stop:
            self.status = "terminated"
            return
        arrival = max(self.now, self.request.arrival)
        if lost and self.rules.turned_away == END:
            self.run_to(arrival if self.until is None else min(arrival, self.until))
            self.status = "terminated"
            return
        if self.until is not None and arrival >= self.until:
            self.truncate(self.until)
            return
        if self.number == self.length:
            self.truncate(arrival)
            return
        self.run_to(arrival)
        self.home = self.find_home()
        if self.rules.turned_away == WAIT:
            if not placed:
                self.run_to_happening()
            if self.status == "running":
                self.wait_for_room()

    def truncate(self, second: int) -> None:
        self.run_to(second)
        self.home = self.find_home()
        self.status = "truncated"

    def wait_for_room(self) -> None:
        """The head of the queue is decided at the first second at which its chain has room."""
        while not any(self.fitting(k) for k in self.chain):
            if not self.next_happening():
                self.give_up()
                return
            self.run_to_happening()
            if self.status != "running":
                return

    def give_up(self) -> None:
        """Nothing can ever happen that makes room for the queue's head."""
        self.turn_away()
        self.row += 1
        self.status = "terminated"

    def run_to_happening(self) -> None:
        """To the next second at which something happens, unless the horizon comes first."""
        second = self.next_happening()
        assert second is not None
        if self.until is not None and second >= self.until:
            self.truncate(self.until)
            return
        self.run_to(second)
        self.home = self.find_home()

    # ---- time

    def next_happening(self) -> int | None:
        """The next second at which a VM leaves, servers come or a cluster changes."""
        seconds = [vm.leaves for vm in self.running.values() if vm.leaves is not None]
        seconds += [second for second in self.due if second is not None]
        seconds += [second for second, _, _ in self.changes]
        assert all(second > self.now for second in seconds)
        return min(seconds, default=None)

    def run_to(self, target: int) -> None:
        """Everything that happens up to and in the second `target`."""
        while self.now < target:
            happening = self.next_happening()
            second = target if happening is None else min(happening, target)
            every = self.rules.summary_every
            if every and (second - 1) // every * every > self.now:
                # Nothing changes in between, so of several publications the last says all.
                self.publish((second - 1) // every * every)
            self.ledger.accrue(second - self.now)
            self.now = second
            self.happen(second)

    def happen(self, second: int) -> None:
        """One second: departures, servers that were ordered, changes, then the summaries."""
        self.depart()
        self.servers_come()
        while self.changes and self.changes[0][0] <= second:
            _, k, what = self.changes.pop(0)
            self.change(k, what)
        every = self.rules.summary_every
        if every and second % every == 0:
            self.publish(second)

    def depart(self) -> None:
        for number, vm in list(self.running.items()):
            if vm.leaves is not None and vm.leaves <= self.now:
                del self.running[number]

    def servers_come(self) -> None:
        for k, second in enumerate(self.due):
            if second is not None and second <= self.now:
                most = int(self.rules.most[k])
                self.in_service[k] = min(self.in_service[k] + self.rules.expansion, most)
                self.due[k] = None

    def change(self, k: int, what: int) -> None:
        if what == RESTORE:
            self.down[k] = max(self.down[k] - 1, 0)
            return
        self.down[k] += 1
        if what == OUTAGE:
            for number, vm in list(self.running.items()):
                if vm.cluster == k:
                    del self.running[number]
                    self.ledger.killed[k] += 1

    # ---- what is foretold

    def foretold(self, row: int) -> int:
        """Seconds that a row's VM is foretold to live."""
        request, number = self.requests[row], row - self.episode.first
        month = 31 * 24 * 3600
        truth = month if request.lifetime is None else min(request.lifetime, month)
        sigma = self.rules.hint_error
        z = standard_normal(key(self.episode.seed, self.episode.number, number, LIFETIME))
        seconds = min(truth * math.exp(sigma * z), month) if sigma else truth
        return max(1, math.floor(seconds + 0.5))

    def expected_end(self, vm: Vm) -> int:
        """When a running VM is expected to leave: its hint is doubled until that lies ahead."""
        length = vm.hint
        while vm.began + length <= self.now:
            length *= 2
        return vm.began + length

    # ---- homes and summaries

    def find_home(self) -> int:
        rules, keys = self.rules, (self.episode.seed, self.episode.number)
        if rules.home == ROUND_ROBIN:
            return self.number % self.clusters
        if rules.home == RANDOM:
            return below(key(*keys, self.number, HOME), self.clusters)
        if rules.home == PINNED:
            return below(key(*keys, self.request.burst, HOME), self.clusters)
        assert rules.home == LEAST_LOADED
        shares = [min(summary.cpu, summary.memory) for summary in self.summaries()]
        return shares.index(max(shares))

    def publish(self, second: int) -> None:
        """At a multiple of `summary_every`, where anything is published at all."""
        if self.rules.summaries != NO_SUMMARIES:
            self.stamp, self.published = second, self.look()

    def look(self) -> list[Summary]:
        """What every cluster would publish now."""
        return [self.sight.summary(k) for k in range(self.clusters)]

    def summaries(self) -> list[Summary]:
        """What is published of every cluster; with `summary_every` 0 always fresh."""
        return self.published if self.rules.summary_every else self.look()

    def age(self) -> float:
        every = self.rules.summary_every
        return (self.now - self.stamp) / every if every else 0.0
