"""How fast the simulator is, as ratios of two things timed in the same run.

python benchmarks/speed.py                                   # a table
python benchmarks/speed.py --write benchmarks/results.md     # and into the results
"""

from __future__ import annotations

import os
import platform
import subprocess
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import gymnasium
import numpy as np
import tyro
from numpy_peer import NumpyPeer
from rich.console import Console
from rich.table import Table

import vmagent_marl as vm
from vmagent_marl.scenario import load_scenario
from vmagent_marl.sim import Episode, Simulator

BATCH = 64
MARK = "<!-- speed -->"


@dataclass(frozen=True)
class Row:
    """One comparison."""

    what: str
    ours: float  # steps/s
    other: float  # steps/s
    against: str

    @property
    def ratio(self) -> float:
        """Ours over the other's."""
        return self.ours / self.other


def rate(step: Callable[[], None], steps: int, seconds: float = 1.0) -> float:
    """Steps a second of a call that makes `steps`; the median of five stretches."""
    step()
    rates = []
    for _ in range(5):
        count, began = 0, time.perf_counter()
        while time.perf_counter() - began < seconds / 5:
            step()
            count += steps
        rates.append(count / (time.perf_counter() - began))
    return float(np.median(rates))


def simulator_of(servers: int, batch: int) -> Simulator:
    """`recovering` with VMs turned away counted, so that no episode ends within the run."""
    scenario = load_scenario("recovering", servers=servers, turned_away="count")
    simulator = scenario.simulator(batch=batch)
    simulator.reset({b: Episode(100 * b) for b in range(batch)})
    return simulator


def recorded_plans(simulator: Simulator, steps: int) -> list[np.ndarray]:
    """First fit's answers, so that choosing them is not timed."""
    plans = []
    for _ in range(steps):
        plans.append(simulator.mask.argmax(axis=2))
        simulator.step(plans[-1])
    return plans


def batch_row(servers: int) -> Row:
    """Our batch against the numpy peer, playing the same plans."""
    steps = 1500 if servers < 1000 else 400
    simulator = simulator_of(servers, BATCH)
    plans = recorded_plans(simulator, steps)
    episodes = {b: Episode(100 * b) for b in range(BATCH)}

    def ours() -> None:
        simulator.reset(episodes)
        for plan in plans:
            simulator.step(plan)

    few = max(30, 3000 // servers)

    def theirs() -> None:
        peer = NumpyPeer(
            simulator.feed, simulator.rules.node[0], servers, [100 * b for b in range(BATCH)]
        )
        for plan in plans[:few]:
            peer.step(plan[:, 0])

    check = NumpyPeer(
        simulator.feed, simulator.rules.node[0], servers, [100 * b for b in range(BATCH)]
    )
    simulator.reset(episodes)
    for plan in plans[:200]:
        assert (check.mask == simulator.mask[:, 0]).all()  # the same game
        check.step(plan[:, 0])
        simulator.step(plan)
    return Row(
        f"batch of {BATCH}, {servers} servers",
        rate(ours, steps * BATCH),
        rate(theirs, few * BATCH),
        "vectorised numpy",
    )


def single_row(servers: int) -> Row:
    """One environment through Gymnasium against CartPole-v1, resets included."""

    def player(env: gymnasium.Env, act: Callable[[object], object]) -> Callable[[], None]:
        observation, _ = env.reset(seed=0)
        state = {"observation": observation}

        def play() -> None:
            for _ in range(1000):
                seen, _, terminated, truncated, _ = env.step(act(state["observation"]))
                state["observation"] = env.reset()[0] if terminated or truncated else seen

        return play

    ours = gymnasium.make("vmagent_marl/Recovering-v0", servers=servers)
    cartpole = gymnasium.make("CartPole-v1")
    actions = iter(lambda: int(time.perf_counter_ns() & 1), None)
    return Row(
        f"gymnasium.make, {servers} servers",
        rate(player(ours, lambda seen: seen["action_mask"].argmax()), 1000),
        rate(player(cartpole, lambda seen: next(actions)), 1000),
        "CartPole-v1",
    )


def parallel_row() -> Row:
    """PettingZoo's parallel form against building its five dictionaries with copied arrays."""
    env = vm.parallel_env("region-prices")
    env.reset(seed=0)
    plans = dict.fromkeys(env.possible_agents, 12)
    simulator, agents = env.game.simulator, env.possible_agents

    def ours() -> None:
        for _ in range(500):
            env.step(plans)
        env.reset(seed=0)

    def bare() -> None:
        for _ in range(500):
            {
                agent: {
                    "observation": simulator.observation[0, k].copy(),
                    "action_mask": simulator.mask[0, k].copy(),
                }
                for k, agent in enumerate(agents)
            }
            dict.fromkeys(agents, 0.0), dict.fromkeys(agents, False), dict.fromkeys(agents, False)
            {agent: {"reached": True, "seconds": 0} for agent in agents}

    return Row(
        "PettingZoo parallel, 3 clusters", rate(ours, 500), rate(bare, 500), "bare dictionaries"
    )


def measure() -> list[Row]:
    """Every comparison."""
    rows = [batch_row(servers) for servers in (5, 100, 1000)]
    rows += [single_row(servers) for servers in (5, 1000)]
    return [*rows, parallel_row()]


def main(write: Path | None = None) -> None:
    """Print the table.

    Args:
        write: a Markdown file whose part between the speed marks is replaced.
    """
    rows = measure()
    table = Table(title="Speed")
    for heading in ("what", "steps/s", "ratio", "against"):
        table.add_column(heading, justify="left" if heading in ("what", "against") else "right")
    for row in rows:
        table.add_row(row.what, f"{row.ours:,.0f}", f"{row.ratio:.2f}", row.against)
    Console().print(table)
    if write is not None:
        _write(write, rows)


def _write(file: Path, rows: list[Row]) -> None:
    commit = subprocess.run(
        ["git", "describe", "--always", "--dirty"], capture_output=True, text=True, check=False
    ).stdout.strip()
    lines = [
        MARK,
        f"`make bench` at {commit}, Python {platform.python_version()}, {os.cpu_count()} cores "
        f"({platform.machine()}); medians of five stretches, each pair in one run.",
        "",
        "| what | steps/s | other's | ratio | against |",
        "|---|---:|---:|---:|---|",
        *(
            f"| {r.what} | {r.ours:,.0f} | {r.other:,.0f} | {r.ratio:.2f} | {r.against} |"
            for r in rows
        ),
        MARK,
    ]
    before, _, rest = file.read_text(encoding="utf-8").partition(MARK)
    _, _, after = rest.partition(MARK)
    file.write_text(before + "\n".join(lines) + after, encoding="utf-8")
    print(file)


if __name__ == "__main__":
    tyro.cli(main)
