"""Hypothesis strategies: traces, rules, episodes and the answers that agents give.

Sizes are small and drawn from few values, so that VMs collide, fit exactly, or fit nowhere.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from hypothesis import strategies as st
from numpy.typing import NDArray

from vmagent_marl.sim.rewards import NAMES
from vmagent_marl.sim.rules import (
    COARSE,
    COUNT,
    CPU,
    DRAIN,
    END,
    FULL,
    HINTS,
    LEAST_LOADED,
    MEMORY,
    NO_HINTS,
    NO_SUMMARIES,
    OUTAGE,
    PINNED,
    RANDOM,
    RESTORE,
    ROUND_ROBIN,
    WAIT,
    Rules,
)
from vmagent_marl.sim.simulator import Episode, Simulator
from vmagent_marl.trace import NEVER, Trace

HUGE = 1_000_000_001  # two such nodes still fit int32
CPUS = [1, 999, 1000, 2000, 3001, 4000, 8000, 16_000, 24_000, HUGE]  # milli-vCPU
MEMORIES = [1, 512, 1023, 2048, 4096, 8191, 16_384, HUGE]  # MiB
NODE_CPUS = [2000, 4001, 8000, 8000, 16_000, 24_000, HUGE]
NODE_MEMORIES = [2048, 8192, 8192, 16_385, 32_768, HUGE]
GAPS = [0, 0, 0, 1, 2, 7, 10, 11, 60, 700, 40_000]  # s between arrivals
# s; None: stays
LIFETIMES = [0, 0, 1, 2, 5, 9, 20, 60, 60, 300, 300, 3000, 3000, 100_000, None]
PERIODS = [0, 1, 7, 60, 300, 3600]  # s
# The large ones, few since they take long, cross the kernels' blocks of slots.
SERVERS = [*[1, 1, 1, 2, 2, 2, 3, 3, 4, 5] * 2, 31, 33, 65]


@dataclass(frozen=True)
class World:
    """All that an experiment with a batch of environments is made of."""

    rules: Rules
    trace: Trace
    episodes: list[Episode]  # one an environment
    again: list[Episode]  # what they play once they have ended
    length: int | None
    seconds: int | None

    def simulator(self) -> Simulator:
        """At the first request of the episodes."""
        simulator = Simulator(
            self.rules,
            self.trace,
            batch=len(self.episodes),
            length=self.length,
            seconds=self.seconds,
        )
        simulator.reset(dict(enumerate(self.episodes)))
        return simulator

    tape: list[int]  # answers, see `answers`


def sizes(values: list[int], huge: bool) -> st.SearchStrategy[int]:
    """One of these, near the end of int32 only where `huge` is wanted."""
    return st.sampled_from([value for value in values if huge or value < HUGE])


@st.composite
def traces(draw: st.DrawFn, most: int = 30, huge: bool = True) -> Trace:
    """Up to `most` requests of few types, often in one second, some without a departure."""
    size = st.tuples(sizes(CPUS, huge), sizes(MEMORIES, huge))
    types = draw(st.lists(size, min_size=1, max_size=4))
    row = st.tuples(
        st.sampled_from(GAPS), st.sampled_from(LIFETIMES), st.integers(0, len(types) - 1)
    )
    length = draw(st.integers(1, most))  # lists left to themselves are mostly short
    rows = draw(st.lists(row, min_size=length, max_size=length))
    arrival = draw(st.sampled_from([0, 1, 59, 60, 7000, 200_000])) + np.cumsum(
        [gap for gap, _, _ in rows]
    )
    departure = [
        NEVER if lifetime is None else int(at) + lifetime
        for at, (_, lifetime, _) in zip(arrival, rows, strict=True)
    ]
    return Trace(
        name="drawn",
        vm=np.arange(len(rows)),
        arrival=arrival,
        departure=np.array(departure),
        cpu=np.array([types[kind][0] for _, _, kind in rows]),
        memory=np.array([types[kind][1] for _, _, kind in rows]),
        start_hour=draw(st.integers(0, 23)),
    )


@st.composite
def all_rules(draw: st.DrawFn, huge: bool = True) -> Rules:
    """Any scenario: one to four clusters, every home, every end, every kind of change."""
    clusters = draw(st.integers(1, 4))

    def of_each(values: list[int]) -> NDArray[np.int64]:
        each = st.lists(sizes(values, huge), min_size=clusters, max_size=clusters)
        return np.array(draw(each), np.int64)

    def weight() -> float:
        return draw(st.sampled_from([0.0, 1.0, 0.25, 3.7]))

    servers = of_each(SERVERS)
    expansion = draw(st.sampled_from([0, 1, 2, 7]))
    tries = draw(st.integers(1, clusters))
    power = (of_each([0, 1, 2, 7]) * 0.15).astype(np.float64)
    change = st.tuples(
        st.sampled_from([0, 1, 5, 5, 30, 60, 60, 500, 30_000]),
        st.integers(0, clusters - 1),
        st.sampled_from([RESTORE, RESTORE, DRAIN, OUTAGE, OUTAGE]),
    )
    number = draw(st.sampled_from([0, 0, 1, 2, 3, 5]))
    drawn = draw(st.lists(change, min_size=number, max_size=number))
    changes = sorted(drawn, key=lambda row: row[0])
    summaries = draw(st.sampled_from([NO_SUMMARIES, COARSE, FULL]))
    homes = [ROUND_ROBIN, RANDOM, PINNED]
    if summaries != NO_SUMMARIES:  # the least loaded is known by what is published
        homes.append(LEAST_LOADED)
    hop_cost = draw(st.sampled_from([0.0, 0.1, 0.4, 1.0]))
    return Rules(
        node=np.stack([of_each(NODE_CPUS), of_each(NODE_MEMORIES)], axis=1).astype(np.int32),
        servers=servers,
        most=servers + of_each([0, 1, 2, 3]) if expansion else servers.copy(),
        power=power,
        power_share=power / max(float(power.max()), 0.15),
        price=draw(st.sampled_from([0.0, 1.0, 0.3])),
        kept=np.maximum(0.0, 1.0 - hop_cost * np.arange(tries)),
        halve_resource=draw(st.sampled_from([CPU, MEMORY])),
        halve_above=draw(st.sampled_from([NEVER, 1000, 2047, 4096, 0])),
        departures=draw(st.sampled_from([True, True, True, False])),
        turned_away=draw(st.sampled_from([COUNT, WAIT, WAIT, END])),
        turned_away_cost=weight(),
        may_decline=draw(st.booleans()),
        tries=tries,
        home=draw(st.sampled_from(homes)),
        threshold=draw(st.sampled_from([0.0, 0.25, 0.5, 0.8, 1.0])),
        expansion=expansion,
        lead_time=draw(st.sampled_from([0, 1, 10, 60, 1000])),
        changes=np.array(changes, np.int64).reshape(-1, 3),
        summaries=summaries,
        summary_every=draw(st.sampled_from(PERIODS)),
        weights=np.array([weight() for _ in NAMES]),
        share=draw(st.sampled_from([0.0, 1.0, 0.5, 0.3])),
        hints=draw(st.sampled_from([NO_HINTS, HINTS])),
        hint_error=draw(st.sampled_from([0.0, 0.0, 0.5, 4.0])),
    )


@st.composite
def episodes(draw: st.DrawFn, trace: Trace) -> Episode:
    """Any part of the trace."""
    first = draw(st.just(0) | st.integers(0, len(trace) - 1))
    stop = draw(st.none() | st.none() | st.integers(first + 1, len(trace)))
    seed = draw(st.sampled_from([0, 1, 2**31, 2**63 - 1]))
    return Episode(first, stop, number=draw(st.integers(0, 3)), seed=seed)


@st.composite
def worlds(draw: st.DrawFn, most: int = 25, huge: bool = True) -> World:
    """A batch of one to three environments on a trace of up to `most` requests."""
    rules, trace = draw(all_rules(huge)), draw(traces(most, huge))
    if draw(
        st.sampled_from([True, True, False])
    ):  # else a queue would mostly end at a VM that never fits
        trace = cut_to_fit(trace, rules)
    batch = draw(st.integers(1, 3))
    batch_of_episodes = st.lists(episodes(trace), min_size=batch, max_size=batch)
    return World(
        rules=rules,
        trace=trace,
        episodes=draw(batch_of_episodes),
        again=draw(batch_of_episodes),
        length=draw(st.none() | st.none() | st.integers(1, len(trace) + 1)),
        seconds=draw(st.sampled_from([None, None, None, None, 1, 10, 61, 1000, 50_000])),
        tape=draw(st.lists(st.integers(0, 2**16), min_size=1, max_size=20) | st.just([0])),
    )


def crowded(world: World) -> World:
    """The same world with less room and less time, so that queues are long."""
    most = np.where(world.rules.expansion > 0, 2, 1) * np.ones_like(world.rules.servers)
    rules = world.rules._replace(servers=np.ones_like(most), most=most, turned_away=WAIT)
    trace = world.trace
    arrival = trace.arrival // 64
    sooner = trace.arrival - arrival
    leaves = np.where(trace.departure == NEVER, NEVER, trace.departure - sooner)
    trace = cut_to_fit(replace(trace, arrival=arrival, departure=leaves), rules)
    return replace(world, rules=rules, trace=trace)


def cut_to_fit(trace: Trace, rules: Rules) -> Trace:
    """The same trace of VMs that fit an empty node of any cluster."""
    cpu, memory = rules.node.min(axis=0)
    return replace(trace, cpu=np.minimum(trace.cpu, cpu), memory=np.minimum(trace.memory, memory))


def answers(tape: list[int], step: int, mask: NDArray[np.int8]) -> NDArray[np.int64]:
    """(B, K) actions at this step, (B, K, A) being the mask: one in four is any, the rest legal."""
    batch, clusters, actions = mask.shape
    plans = np.empty((batch, clusters), np.int64)
    for b, k in np.ndindex(batch, clusters):
        code = tape[((step * batch + b) * clusters + k) % len(tape)]
        choices = range(actions) if code % 4 == 3 else np.flatnonzero(mask[b, k])
        plans[b, k] = choices[code // 4 % len(choices)]
    return plans
