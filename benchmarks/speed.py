"""How fast the simulator is: every figure beside its target.

python benchmarks/speed.py                                   # a table, in two minutes or so
python benchmarks/speed.py --write benchmarks/results.md     # and into the results
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import gymnasium
import numba
import numpy as np
import tyro
from numpy.typing import NDArray
from numpy_peer import NumpyPeer
from results import measured_at, write_section
from starts import start_rows
from timing import Row, least, least_wall, markdown, paired, show

import vmagent_marl as vm
from vmagent_marl.policies import make_policy
from vmagent_marl.policies.rollout import blank_tape, roll
from vmagent_marl.scenario import load_scenario
from vmagent_marl.sim import Episode, Simulator
from vmagent_marl.sim.fit import lowest_slot

BATCH = 64
MILLION = 1e6

NOTE = """\
CPU time of one thread, the best of several stretches; what is compared takes turns in one process.
*Steps*: requests decided, with observation and mask written, first fit's recorded answers as
actions. *Events*: arrivals and departures of the month of {requests:,} VMs, in a rollout inside the
kernel. *numpy*: `benchmarks/numpy_peer.py`, the same game vectorised over the batch, held to the
same masks and observations."""


def simulator_of(servers: int, batch: int, threads: int = 1) -> Simulator:
    """`recovering` with VMs turned away counted, so that no episode ends within the run."""
    scenario = load_scenario("recovering", servers=servers, turned_away="count")
    simulator = scenario.simulator(batch=batch, threads=threads)
    simulator.reset(episodes_of(batch))
    return simulator


def episodes_of(batch: int) -> dict[int, Episode]:
    """One episode for each environment, begun at rows of their own."""
    return {b: Episode(100 * (b % 256)) for b in range(batch)}


def recorded_plans(simulator: Simulator, steps: int) -> list[NDArray[np.int64]]:
    """First fit's answers, so that choosing them is not timed."""
    plans = []
    for _ in range(steps):
        plans.append(simulator.mask.argmax(axis=2))
        simulator.step(plans[-1])
    return plans


def batches() -> list[Row]:
    """Batches of 64, alone and against the numpy peer that plays the same plans."""
    rows = []
    goals = {5: (10, 60), 100: (6, None), 1000: (2, 30), 10_000: (None, None)}
    for servers, (steps_goal, times_goal) in goals.items():
        steps = max(20, min(1500, 400_000 // servers))
        simulator = simulator_of(servers, BATCH)
        plans = recorded_plans(simulator, steps)
        few = max(5, min(100, 3000 // servers))

        def ours(simulator: Simulator = simulator, plans: list[NDArray[np.int64]] = plans) -> None:
            simulator.reset(episodes_of(BATCH))
            for plan in plans:
                simulator.step(plan)

        def peer(
            simulator: Simulator = simulator,
            plans: list[NDArray[np.int64]] = plans[:few],
            servers: int = servers,
        ) -> NumpyPeer:
            peer = NumpyPeer(simulator, servers, [e.first for e in episodes_of(BATCH).values()])
            for plan in plans:
                peer.step(plan[:, 0])
            return peer

        simulator.reset(episodes_of(BATCH))
        for plan in plans[:few]:
            simulator.step(plan)
        peer().check(simulator)
        seconds, peer_seconds = paired(ours, peer, stretches=5)
        name, rate = f"batch of {BATCH}, {servers:,} servers", steps * BATCH / seconds
        times = rate / (few * BATCH / peer_seconds)
        rows.append(Row(name, rate / MILLION, "M steps/s", steps_goal))
        rows.append(Row(f"{name}, over numpy", times, "times", times_goal))
    return rows


def singles() -> list[Row]:
    """One environment through Gymnasium against CartPole-v1, resets included.

    Its answer is always 0, which is first fit's where that is illegal: choosing is not timed.
    """
    rows = []
    for servers, goal in ((5, 0.6), (1000, 0.8)):
        ours = gymnasium.make("vmagent_marl/Recovering-v0", servers=servers)
        calls = [player(ours, (0, 0)), player(gymnasium.make("CartPole-v1"), (0, 1))]
        mine, cartpole = paired(*calls)
        name = f"gymnasium.make, {servers:,} servers, over CartPole-v1"
        rows.append(Row(name, mine / cartpole, "of its cost", goal, at_most=True))
        rows.append(Row(f"gymnasium.make, {servers:,} servers", 2 / mine, "k steps/s"))
    return rows


def player(env: gymnasium.Env, actions: tuple[int, int]) -> Callable[[], None]:
    """Two thousand steps, with the resets that they need."""
    env.reset(seed=0)

    def play() -> None:
        for _ in range(1000):
            for action in actions:
                _, _, terminated, truncated, _ = env.step(action)
                if terminated or truncated:
                    env.reset()

    return play


def parallel() -> Row:
    """PettingZoo's parallel form against building its five dictionaries with copied arrays."""
    env = vm.parallel_env("region-prices")
    agents, plans = env.possible_agents, dict.fromkeys(env.possible_agents, 12)
    simulator = env.game.simulator
    seen, mask = simulator.observation[0], simulator.mask[0]
    env.reset(seed=0)

    def ours() -> None:
        for _ in range(500):
            env.step(plans)
        env.reset(seed=0)

    def bare() -> None:
        for _ in range(500):
            {
                agent: {"observation": seen[k].copy(), "action_mask": mask[k].copy()}
                for k, agent in enumerate(agents)
            }
            dict.fromkeys(agents, 0.0), dict.fromkeys(agents, False), dict.fromkeys(agents, False)
            {
                agent: {
                    "reached": True,
                    "effective_action": 0,
                    "illegal": False,
                    "agent_reward": 0.0,
                    "seconds": 0,
                }
                for agent in agents
            }

    mine, theirs = paired(ours, bare)
    name = "PettingZoo parallel, 3 clusters, over its bare dictionaries"
    return Row(name, mine / theirs, "of their cost", 1.5, at_most=True)


def rollouts() -> list[Row]:
    """The month under first fit, and under server best fit, inside the kernel."""
    rows = []
    for policy, goals in (
        ("first-fit", {5: 25, 10: 25, 20: 25, 40: 25, 1000: 15}),
        ("server-best-fit", {5: None, 40: None, 1000: None}),
    ):
        for servers, goal in goals.items():
            events, seconds = month_of(policy, servers)
            name = f"{policy} inside the kernel, {servers:,} servers"
            rows.append(Row(name, events / seconds / MILLION, "M events/s", goal))
            if servers == 40 and policy == "first-fit":
                rows.append(Row(f"{name}, the month", 1e3 * seconds, "ms", 10, at_most=True))
    return rows


def month_of(policy: str, servers: int) -> tuple[int, float]:
    """Events of the month, and the CPU seconds of a rollout through it."""
    scenario = load_scenario("recovering", servers=servers, turned_away="count")
    simulator, heuristic, which = scenario.simulator(), make_policy(policy), np.array([0])

    def play() -> None:
        roll(simulator, heuristic, which, blank_tape(simulator.layout, 1))

    play()  # makes room for the month's VMs
    seconds = least(play, stretches=5, before=lambda: simulator.reset({0: Episode(0)}))
    return simulator.feed.events.size, seconds


@numba.njit(nogil=True)  # type: ignore[untyped-decorator]  # numba is not typed
def _search(
    request: NDArray[np.int32],
    free: NDArray[np.int32],
    most_free: NDArray[np.int32],
    times: int,
    forget: bool,
) -> int:
    """First fit's search over and over; where it forgets, no block is known to be full."""
    found = 0
    for _ in range(times):
        if forget:
            most_free[:] = 1_000_000
        found += lowest_slot(request, free, most_free)
    return found


@numba.njit(nogil=True)  # type: ignore[untyped-decorator]  # numba is not typed
def _read(values: NDArray[np.int32], times: int) -> int:
    """Reads the values over and over, as fast as the machine can."""
    total = np.int32(0)
    for _ in range(times):
        for i in range(values.size):
            total = max(total, values[i])
        values[0] = total  # or the machine's compiler reads them once
    return total


def searches() -> list[Row]:
    """First fit over slots of which only the last fits."""

    def nanoseconds(slots: int, forget: bool) -> float:
        free = np.zeros((2, -(-slots // 64) * 64), np.int32)
        free[:, slots - 1] = 1000
        most_free = np.full((2, free.shape[1] // 64), 1_000_000, np.int32)
        request = np.array([1000, 1000, 1000, 0], np.int32)
        assert _search(request, free, most_free, 1, True) == slots - 1
        return 1e9 * least(lambda: _search(request, free, most_free, 1000, forget)) / 1000

    table = np.zeros(2 * 2048, np.int32)
    _read(table, 1)
    bandwidth = 1000 * table.nbytes / least(lambda: _read(table, 1000)) / 1e9  # GB/s
    blind = nanoseconds(2000, True)
    known = {slots: nanoseconds(slots, False) for slots in (2_000, 10_000, 100_000, 1_000_000)}
    reached = table.nbytes / blind / bandwidth
    return [
        Row("first fit, 2,000 slots, only the last fits", blind / 1e3, "us", 0.25, at_most=True),
        Row("... as a share of what reading the same bytes reaches", 100 * reached, "%"),
        Row("... blocks known to be full, 2,000 slots", known[2_000], "ns"),
        *(
            Row(
                f"... {slots:,} slots over {slots // 10:,}",
                known[slots] / known[slots // 10],
                "times, for ten times the slots",
                10,
                at_most=True,
            )
            for slots in (100_000, 1_000_000)
        ),
    ]


def threads() -> list[Row]:
    """Two threads against one: wall time, and the same arrays."""
    rows = []
    for servers, batch in ((5, 16_384), (1000, 2048)):
        simulators = [simulator_of(servers, batch, threads) for threads in (1, 2)]
        plans = recorded_plans(simulators[0], 40)
        walls = []
        for simulator in simulators:

            def play(simulator: Simulator = simulator, plans: list[object] = plans) -> None:
                for plan in plans:
                    simulator.step(plan)

            simulator.reset(episodes_of(batch))
            walls.append(least_wall(play, stretches=8))
        one, two = (simulator.state for simulator in simulators)
        assert all((a == b).all() for a, b in zip(one, two, strict=True))
        name = f"two threads over one, batch of {batch:,}, {servers:,} servers"
        rows.append(Row(name, walls[0] / walls[1], "times, same arrays", 1.7))
    return rows


def main(write: Path | None = None) -> None:
    """Print the table.

    Args:
        write: the page of results, whose section on speed is replaced.
    """
    rows = [*batches(), *singles(), parallel(), *rollouts(), *searches(), *threads(), *start_rows()]
    show("Speed", rows)
    if write is not None:
        requests = len(load_scenario("recovering").load_trace())
        text = f"`make bench` at {measured_at()}.\n\n{NOTE.format(requests=requests)}\n\n"
        write_section(write, "Speed", text + markdown(rows))


if __name__ == "__main__":
    tyro.cli(main)
