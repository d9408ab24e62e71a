"""What holds after every step of every episode, reckoned anew from where the VMs are.

Ten thousand episodes of drawn worlds, 64 at a time, and the scenarios of the shelf; nothing of what
is asserted is taken from the sums that the kernels keep.
"""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from strategies import World, crowded, worlds
from vmagent_marl import catalog
from vmagent_marl.scenario import load_scenario
from vmagent_marl.sim.rules import (
    COARSE,
    CPU,
    HALVED,
    MEMORY,
    NO_SUMMARIES,
    NODES,
    OUTAGE,
    WAIT,
    WHOLE_CPU,
)
from vmagent_marl.sim.simulator import Episode, Simulator
from vmagent_marl.sim.state import (
    ACTIVE,
    BLOCK,
    DIFFERENCE,
    DOWN,
    EMPTY,
    ENDED,
    FIRST,
    GONE,
    HELD,
    HOME,
    KILLED,
    LOST_BY,
    LOWER_BOUND,
    NOBODY,
    NOW,
    OF_NODE,
    OF_SERVER,
    OFFERED,
    PLACED,
    PLACED_IN,
    POSITION,
    ROW,
    RUNNING,
    SECONDS,
    SERVING,
    SLOT,
    START,
    STATUS,
    STOP,
    TERMINATED,
    TILT,
    TURNED_AWAY,
    USED_CPU,
    cluster_of,
    position_of,
    slot_of,
)
from vmagent_marl.trace import NEVER, Trace

BATCH, EXAMPLES = 64, 157  # 10,048 episodes
SCENARIOS = catalog.names("scenarios")
PLAYERS = ("passes", "accepts", "random", "anything")


def of_code(function: Any, codes: NDArray[np.int32]) -> NDArray[np.int64]:
    """A field of the place codes of many VMs, by the kernels' own function of one."""
    plain = getattr(function, "py_func", function)
    fields: NDArray[np.int64] = np.vectorize(plain, otypes=[np.int64])(codes)
    return fields


class Ledger:
    """Where the VMs of a batch are now, from `placed_at` and the trace alone."""

    def __init__(self, simulator: Simulator) -> None:
        state, feed = simulator.state, simulator.feed
        self.simulator = simulator
        self.env, self.vm = np.nonzero(state.placed_at >= 0)
        codes = state.placed_at[self.env, self.vm]
        self.cluster, self.slot = of_code(cluster_of, codes), of_code(slot_of, codes)
        self.position = of_code(position_of, codes)
        self.row = state.clock[self.env, FIRST] + self.vm
        self.need = feed.request[self.row, :2].astype(np.int64)
        self.halved = feed.request[self.row, HALVED] == 1
        self.leaves = self.departure(self.env, self.vm)

    def departure(self, env: NDArray[np.intp], vm: NDArray[np.intp]) -> NDArray[np.int64]:
        """Second at which VMs leave if they have started, or NEVER."""
        lifetime = self.simulator.feed.lifetime[self.simulator.state.clock[env, FIRST] + vm]
        stays = lifetime == NEVER
        return np.where(stays, NEVER, self.start(env, vm) + np.where(stays, 0, lifetime))

    def start(self, env: NDArray[np.intp], vm: NDArray[np.intp]) -> NDArray[np.int64]:
        """Second at which VMs have started."""
        state = self.simulator.state
        start = self.simulator.feed.arrival[state.clock[env, FIRST] + vm]
        return start + state.waited[env, vm] if self.simulator.rules.turned_away == WAIT else start

    def used(self) -> NDArray[np.int64]:
        """(B, K, resource, 2 S) taken on each slot."""
        used = np.zeros(self.simulator.free.shape, np.int64)
        for resource in (CPU, MEMORY):
            on = self.env, self.cluster, np.full_like(self.slot, resource)
            np.add.at(used, (*on, self.slot), self.need[:, resource])
            beside = tuple(axis[self.halved] for axis in (*on, self.slot + 1))
            np.add.at(used, beside, self.need[self.halved, resource])
        return used

    def vms(self) -> NDArray[np.int64]:
        """(B, K, S) VMs on each server."""
        vms = np.zeros(self.simulator.state.vms_on.shape, np.int64)
        np.add.at(vms, (self.env, self.cluster, self.slot // NODES), 1)
        return vms

    def running(self) -> NDArray[np.int64]:
        """(B, K, P) milli-vCPU by the position that took them."""
        running = np.zeros(self.simulator.state.running.shape, np.int64)
        cpu = self.simulator.feed.request[self.row, WHOLE_CPU]
        np.add.at(running, (self.env, self.cluster, self.position), cpu)
        return running


def assert_sound(simulator: Simulator) -> None:
    """Resources, levels, shares, masks and observations are those of the VMs that run."""
    ledger = Ledger(simulator)
    assert_resources(simulator, ledger)
    assert_vms(simulator, ledger)
    assert_masks(simulator)
    assert_observations(simulator)


def assert_resources(simulator: Simulator, ledger: Ledger) -> None:
    state, rules, free = simulator.state, simulator.rules, simulator.free.astype(np.int64)
    used, vms = ledger.used(), ledger.vms()
    capacity = rules.node.astype(np.int64)[None, :, :, None]
    serving = np.repeat(state.in_service, NODES, axis=2)[:, :, None, :].astype(np.int64)
    assert (free >= 0).all()
    np.testing.assert_array_equal(free + used, capacity * serving)
    assert (state.free[..., NODES * simulator.servers :] == 0).all()
    np.testing.assert_array_equal(state.vms_on, vms)
    np.testing.assert_array_equal(state.running, ledger.running())
    level, down = state.level, state.counts[:, :, DOWN] > 0
    np.testing.assert_array_equal(level[:, :, USED_CPU : USED_CPU + 2], used.sum(axis=3))
    np.testing.assert_array_equal(level[:, :, ACTIVE], (vms > 0).sum(axis=2))
    np.testing.assert_array_equal(level[:, :, SERVING], state.in_service.sum(axis=2))
    assert (level[:, :, SERVING] <= rules.most).all()
    np.testing.assert_array_equal(level[:, :, HELD], level[:, :, SERVING] * down)
    empty = ((vms == 0) & (state.in_service == 1)).sum(axis=2) * ~down
    np.testing.assert_array_equal(level[:, :, EMPTY], empty)
    tilt = np.abs(free[:, :, CPU, 0::2] - free[:, :, CPU, 1::2]).sum(axis=2)
    np.testing.assert_array_equal(level[:, :, TILT], tilt)
    needed = -(-used.sum(axis=3) // (NODES * rules.node.astype(np.int64)))
    np.testing.assert_array_equal(level[:, :, LOWER_BOUND], needed.max(axis=2))
    share = (free / capacity).min(axis=2)
    whole = np.repeat(share[..., 0::2] + share[..., 1::2], NODES, axis=2)
    apart = np.repeat(np.abs(share[..., 0::2] - share[..., 1::2]), NODES, axis=2)
    for row, wanted in ((OF_NODE, share), (OF_SERVER, whole), (DIFFERENCE, apart)):
        np.testing.assert_array_equal(state.share[:, :, row, : NODES * simulator.servers], wanted)
    blocks = state.free.reshape(*state.free.shape[:3], -1, BLOCK).max(axis=4)
    assert (state.most_free >= blocks).all()


def assert_vms(simulator: Simulator, ledger: Ledger) -> None:
    """A VM that was placed runs exactly up to its departure, or until an outage ended it."""
    state, rules = simulator.state, simulator.rules
    now = state.clock[:, NOW]
    assert (ledger.leaves > now[ledger.env]).all()
    gone = np.nonzero(state.placed_at == GONE)
    assert (ledger.departure(*gone) <= now[gone[0]]).all()
    assert (ledger.position < rules.tries).all()
    env, vm = np.nonzero(state.placed_at == ENDED)
    outages = rules.changes[rules.changes[:, 2] == OUTAGE, 0]
    at = state.clock[env, START][:, None] + outages[None]
    leaves, start = ledger.departure(env, vm)[:, None], ledger.start(env, vm)[:, None]
    assert ((start <= at) & (at < leaves) & (at <= now[env, None])).any(axis=1).all()
    ended = len_of((env, vm), simulator.batch)
    np.testing.assert_array_equal(ended, state.counts[:, :, KILLED].sum(axis=1))
    placed = state.counts[:, :, PLACED].sum(axis=1)
    started = (state.placed_at >= 0).sum(axis=1) + len_of(gone, simulator.batch) + ended
    np.testing.assert_array_equal(started, placed)
    np.testing.assert_array_equal(placed + state.clock[:, TURNED_AWAY], state.clock[:, OFFERED])


def len_of(where: tuple[NDArray[np.intp], ...], batch: int) -> NDArray[np.intp]:
    """How many of each environment."""
    return np.bincount(where[0], minlength=batch)


def assert_masks(simulator: Simulator) -> None:
    """The slots that fit and pass, unless it is the last in the chain that may not."""
    state, rules, clock = simulator.state, simulator.rules, simulator.state.clock
    mask, clusters = simulator.mask, np.arange(simulator.clusters)
    over = clock[:, STATUS] == TERMINATED
    rows = np.minimum(clock[:, ROW], len(simulator.trace) - 1)
    request = simulator.feed.request[rows].astype(np.int64)
    enough = (simulator.free >= request[:, None, :2, None]).all(axis=2)
    both = enough[..., 0::2] & enough[..., 1::2]
    pairs = np.stack([both, np.zeros_like(both)], axis=3).reshape(enough.shape)
    fits = np.where(request[:, HALVED, None, None] == 1, pairs, enough)
    fits &= ~(over[:, None] | (state.counts[:, :, DOWN] > 0))[..., None]
    np.testing.assert_array_equal(mask[..., :-1], fits)
    last = (clusters[None] - clock[:, HOME, None]) % simulator.clusters == rules.tries - 1
    must = last & ~over[:, None] & fits.any(axis=2) & (not rules.may_decline)
    np.testing.assert_array_equal(mask[..., -1], ~must)
    assert (mask.sum(axis=2) > 0).all()


def assert_observations(simulator: Simulator) -> None:
    """In [0, 1], and of each server what is free of it."""
    seen, parts, state = simulator.observation, simulator.layout.parts, simulator.state
    assert np.isfinite(seen).all()
    assert (seen >= 0).all()
    assert (seen <= 1).all()
    takes = (state.in_service == 1) & (state.counts[:, :, DOWN] == 0)[..., None]
    np.testing.assert_array_equal(seen[..., parts["in_service"]], takes)
    share = simulator.free / simulator.rules.node[None, :, :, None]
    share *= np.repeat(takes, NODES, axis=2)[:, :, None]
    wanted = np.moveaxis(share, 2, 3).reshape(*takes.shape[:2], -1).astype(np.float32)
    np.testing.assert_array_equal(seen[..., parts["servers"]], wanted)
    over = state.clock[:, STATUS] == TERMINATED
    for name in ("request", "chain"):
        assert (seen[over][..., parts[name]] == 0).all()
    if simulator.rules.summaries >= COARSE:
        published = seen[..., parts["summaries"]].reshape(*seen.shape[:2], -1, 5)
        for k in range(simulator.clusters):  # all are told the same, from themselves around
            np.testing.assert_array_equal(np.roll(published[:, k], k, axis=1), published[:, 0])
    else:
        assert simulator.rules.summaries == NO_SUMMARIES
        assert parts["summaries"].start == parts["summaries"].stop


def assert_transition(simulator: Simulator, before: Snap) -> None:
    """The chain was kept, time went on, and the team was paid what its clusters were."""
    state, rules, K = simulator.state, simulator.rules, simulator.clusters  # noqa: N806  # as in formulas
    ran, outcome = before.clock[:, STATUS] == RUNNING, state.outcome
    np.testing.assert_array_equal(state.team_reward, state.own_reward.sum(axis=1) / K)
    shared = rules.share * state.own_reward.mean(axis=1)[:, None]
    np.testing.assert_allclose(state.reward, shared + (1 - rules.share) * state.own_reward)
    assert (state.own_reward[~ran] == 0).all()
    np.testing.assert_array_equal(state.clock[~ran], before.clock[~ran])
    elapsed = state.clock[:, NOW] - before.clock[:, NOW]
    assert (elapsed >= 0).all()
    np.testing.assert_array_equal(outcome[:, SECONDS], elapsed * ran)
    assert (state.clock[:, ROW] <= state.clock[:, STOP]).all()
    env = np.flatnonzero(ran)
    into, slot = outcome[env, PLACED_IN], outcome[env, SLOT]
    took = into != NOBODY
    distance = (np.arange(K)[None] - before.clock[env, HOME, None]) % K
    offers = np.where(took, outcome[env, POSITION] + 1, rules.tries)
    np.testing.assert_array_equal(state.reached[env], distance < offers[:, None])
    counted = np.where(np.arange(K)[None] == into[:, None], slot[:, None], simulator.actions - 1)
    np.testing.assert_array_equal(state.effective[env], counted)
    assert (before.mask[env[took], into[took], slot[took]] == 1).all()
    assert (outcome[env[took], POSITION] == distance[took, into[took]]).all()
    lost = outcome[env, LOST_BY] != NOBODY
    if rules.turned_away == WAIT:  # the one that would wait for ever ends the episode
        assert (state.clock[env[lost], STATUS] == TERMINATED).all()
    else:
        np.testing.assert_array_equal(lost, ~took)


@dataclasses.dataclass(frozen=True)
class Snap:
    """What a transition is held against."""

    clock: NDArray[np.int64]
    mask: NDArray[np.int8]


def plans_of(player: str, simulator: Simulator, tape: np.random.Generator) -> NDArray[np.int64]:
    """(B, K) answers; an illegal pass counts as the lowest legal slot."""
    mask, pass_on = simulator.mask, simulator.actions - 1
    agents = mask.shape[:2]
    if player == "passes":
        return np.full(agents, pass_on)
    if player == "accepts":
        return mask.argmax(axis=2)
    if player == "anything":
        return tape.integers(0, pass_on + 1, agents)
    return (mask * tape.random(mask.shape)).argmax(axis=2)


def play(simulator: Simulator, player: str, seed: int, steps: int = 10_000) -> None:
    """To the end of all episodes, or some steps, with every invariant after each."""
    tape = np.random.default_rng(seed)
    assert_sound(simulator)
    for _ in range(steps):
        if not simulator.running.any():
            break
        before = Snap(simulator.state.clock.copy(), simulator.mask.copy())
        simulator.step(plans_of(player, simulator, tape))
        assert_transition(simulator, before)
        assert_sound(simulator)


@given(worlds(most=30), st.booleans(), st.sampled_from(PLAYERS), st.integers(0, 2**32 - 1))
@settings(
    max_examples=EXAMPLES,
    deadline=None,
    derandomize=True,
    suppress_health_check=[HealthCheck.too_slow],
)
def test_ten_thousand_episodes_break_nothing(
    drawn: World, crowd: bool, player: str, seed: int
) -> None:
    world = crowded(drawn) if crowd else drawn
    simulator = Simulator(
        world.rules, world.trace, batch=BATCH, length=world.length, seconds=world.seconds
    )
    tape = np.random.default_rng(seed)
    rows = len(world.trace)
    first = tape.integers(0, rows, BATCH).tolist()
    simulator.reset(
        {b: Episode(row, rows, number=b, seed=seed) for b, row in enumerate(first)},
    )
    play(simulator, player, seed)


def leaving(trace: Trace, rows: int) -> Trace:
    """Some requests that all leave, and a small one after the last has left."""
    cut = trace.rows(0, rows)
    lifetime = np.minimum(cut.departure - cut.arrival, 50_000)
    lifetime = np.where(cut.departure == NEVER, 50_000, lifetime)
    late = int((cut.arrival + lifetime).max() + lifetime.sum() + 1)
    return Trace(
        name="leaving",
        vm=np.arange(rows + 1),
        arrival=np.append(cut.arrival, late),
        departure=np.append(cut.arrival + lifetime, NEVER),
        cpu=np.append(cut.cpu, 1),
        memory=np.append(cut.memory, 1),
        start_hour=cut.start_hour,
    )


@pytest.mark.parametrize("player", ["passes", "accepts", "random"])
@pytest.mark.parametrize("name", SCENARIOS)
@pytest.mark.filterwarnings("ignore::vmagent_marl.scenario.OversizeWarning")
def test_the_shelf_conserves_resources_and_gets_all_of_them_back(name: str, player: str) -> None:
    fields: dict[str, object] = {"departures": True, "horizon": None}
    if load_scenario(name).turned_away == "end":
        fields["turned_away"] = "count"
    scenario = load_scenario(name, **fields)
    trace = leaving(scenario.load_trace(), 80)
    simulator = scenario.simulator(batch=4, trace=trace)
    simulator.reset({b: Episode(7 * b) for b in range(4)})
    play(simulator, player, 0, steps=25)
    tape = np.random.default_rng(1)
    while (simulator.state.clock[:, ROW] < 80).any():
        # those that have come to the late request hold still
        busy = simulator.state.clock[:, ROW] < 80
        held = simulator.snapshot()
        simulator.step(plans_of(player, simulator, tape))
        for array, kept in zip(simulator.state, held, strict=True):
            array[~busy] = kept[~busy]
    assert_sound(simulator)
    state = simulator.state
    assert simulator.running.all()
    assert (state.vms_on == 0).all()
    assert (state.running == 0).all()
    assert (state.level[:, :, [USED_CPU, USED_CPU + 1, ACTIVE, TILT, LOWER_BOUND]] == 0).all()
    capacity = (
        scenario.rules().node[None, :, :, None]
        * np.repeat(state.in_service, NODES, axis=2).astype(np.int64)[:, :, None]
    )
    np.testing.assert_array_equal(simulator.free, capacity)
    assert player == "passes" or (state.counts[:, :, PLACED].sum(axis=1) > 0).all()
