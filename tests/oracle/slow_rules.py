"""The heuristics in plain Python that reads as their definitions, exact where numbers are whole."""

from collections import Counter
from fractions import Fraction

from vmagent_marl.sim.state import DOWN, HOME, ROW

SUFFIX = "-used-first"


def share(sim, b, k, slot):
    """Free share of a slot's scarcer resource."""
    free = sim.free[b, k, :, slot]
    return min(
        float(free[0]) / float(sim.rules.node[k, 0]), float(free[1]) / float(sim.rules.node[k, 1])
    )


def is_empty(sim, b, k, server):
    """Whether nothing runs on a server that is in service."""
    free = sim.free[b, k, :, 2 * server : 2 * server + 2]
    return bool((free == sim.rules.node[k][:, None]).all())


def the_mix(sim):
    """(cpu, memory, halved, weight) of the sixteen most frequent types, of one node each."""
    rules, types = sim.rules, Counter()
    for cpu, memory in zip(sim.trace.cpu.tolist(), sim.trace.memory.tolist(), strict=True):
        halved = (cpu, memory)[rules.halve_resource] > rules.halve_above
        types[((cpu + 1) // 2, (memory + 1) // 2, True) if halved else (cpu, memory, False)] += 1
    ranked = sorted(types.items(), key=lambda item: (-item[1], item[0]))[:16]
    return [(*kind, round(Fraction(65536 * count, len(sim.trace)))) for kind, count in ranked]


def worth(rule, nodes, mix):
    """What a server with this (cpu, memory) free on its two nodes is worth to the mix."""
    total = 0
    for cpu, memory, halved, weight in mix:
        slots = [min(free_cpu // cpu, free_memory // memory) for free_cpu, free_memory in nodes]
        if halved:
            slots = [min(slots)] * 2
        if rule == "slot-preserving":
            total += weight * (min(slots) if halved else sum(slots))
        else:
            total -= weight * sum(nodes[n][0] for n in range(2) if slots[n] == 0)
    return total


def loss(rule, sim, b, k, slot, mix):
    """What the slot's server loses by the request's VM."""
    row = sim.state.clock[b, ROW]
    demand, server = sim.feed.demand[row].tolist(), slot - slot % 2
    takes = [True, True] if sim.feed.halved[row] else [slot == server, slot != server]
    before = [tuple(sim.free[b, k, :, server + node].tolist()) for node in range(2)]
    after = [
        (cpu - demand[0], memory - demand[1]) if taken else (cpu, memory)
        for (cpu, memory), taken in zip(before, takes, strict=True)
    ]
    return worth(rule, before, mix) - worth(rule, after, mix)


def slow_pack(rule, sim, b, k, mix=None):
    """The slot by the rule's definition, or None."""
    fitting = [slot for slot in range(sim.actions - 1) if sim.mask[b, k, slot]]
    if rule.endswith(SUFFIX):
        rule = rule.removesuffix(SUFFIX)
        fitting = [slot for slot in fitting if not is_empty(sim, b, k, slot // 2)] or fitting
    if not fitting:
        return None
    row = sim.state.clock[b, ROW]
    halved = bool(sim.feed.halved[row])

    def room(slot):
        return share(sim, b, k, slot) + (share(sim, b, k, slot + 1) if halved else 0.0)

    def both(server):
        return share(sim, b, k, 2 * server) + share(sim, b, k, 2 * server + 1)

    def product(server):
        free = sim.free[b, k, :, 2 * server : 2 * server + 2].sum(axis=1)
        capacity = sim.rules.node[k].tolist()
        return sum(
            Fraction(int(sim.feed.demand[row, r]) * int(free[r]), capacity[r] ** 2)
            for r in range(2)
        )

    def emptier(server):
        return max(
            (s for s in fitting if s // 2 == server), key=lambda s: (share(sim, b, k, s), -s)
        )

    servers = sorted({slot // 2 for slot in fitting})
    if rule == "first-fit":
        return fitting[0]
    if rule == "best-fit":
        return min(fitting, key=room)
    if rule == "worst-fit":
        return max(fitting, key=lambda slot: (room(slot), -slot))
    if rule == "server-best-fit":
        return emptier(min(servers, key=both))
    if rule == "first-server-emptier-node":
        return emptier(servers[0])
    if rule == "dot-product":
        return emptier(min(servers, key=product))
    if rule in ("fragmentation-gradient", "slot-preserving"):
        return min(fitting, key=lambda slot: loss(rule, sim, b, k, slot, mix or the_mix(sim)))

    def difference(server):
        return abs(share(sim, b, k, 2 * server) - share(sim, b, k, 2 * server + 1))

    most = max(difference(server) for server in servers)
    if halved or most == 0:
        return fitting[0]
    return emptier(next(server for server in servers if difference(server) == most))


def slow_pass(rule, sim, b, k, slot):
    """Whether cluster k of the chain passes what it could put on this slot."""
    state, power, clusters = sim.state, sim.rules.power, sim.clusters
    home = state.clock[b, HOME]
    chain = [int(home + position) % clusters for position in range(sim.rules.tries)]
    later = chain[chain.index(k) + 1 :]
    total = sim.feed.total[state.clock[b, ROW]]
    size = 2 * sim.rules.node * sim.rules.servers[:, None]
    published = state.published[b].astype(float)
    free, empty = published[:, :2], published[:, 2:]
    if rule == "accept-always":
        return False
    if rule == "cheapest-first":
        return any(power[j] < power[k] and (free[j] * size[j] >= total).all() for j in later)
    if rule == "pass-unless-cheapest-or-last":
        return any(power[j] < power[k] for j in later)
    if rule == "pass-if-it-would-open-a-server":
        return is_empty(sim, b, k, slot // 2) and bool(later)
    if rule == "least-loaded":
        return any(free[j].min() > free[k].min() for j in later)
    if rule == "central-by-summaries":
        likely = (free * size >= 4 * total).all(axis=1)
        joins = ((free - empty) * size >= 4 * total).all(axis=1)
        if is_empty(sim, b, k, slot // 2):
            return any(joins[j] or (likely[j] and power[j] < power[k]) for j in later)
        return any(joins[j] and power[j] < power[k] for j in later)
    assert rule == "central"
    costs = {}
    for position, j in enumerate(chain):
        fitting = [s for s in range(sim.actions - 1) if sim.mask[b, j, s]]
        if fitting and not state.counts[b, j, DOWN]:
            opens = all(is_empty(sim, b, j, s // 2) for s in fitting)
            costs[j] = opens, power[j], position
    return min(costs, key=lambda j: costs[j]) != k
