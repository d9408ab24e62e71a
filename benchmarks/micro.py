"""Single calls, for whoever changes one of them: pytest benchmarks/micro.py

Compare with an earlier run by pytest-benchmark's own --benchmark-save and --benchmark-compare.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from pytest_benchmark.fixture import BenchmarkFixture

import vmagent_marl as vm
from vmagent_marl.policies import make_policy
from vmagent_marl.scenario import load_scenario
from vmagent_marl.sim import Episode, Simulator
from vmagent_marl.sim.global_state import global_state


def simulator_of(servers: int, batch: int = 64) -> Simulator:
    """`recovering` with VMs turned away counted, some way into its episodes."""
    scenario = load_scenario("recovering", servers=servers, turned_away="count")
    simulator = scenario.simulator(batch=batch)
    simulator.reset({b: Episode(100 * b) for b in range(batch)})
    for _ in range(200):
        simulator.step(simulator.mask.argmax(axis=2))
    return simulator


@pytest.mark.parametrize("servers", [5, 100, 1000])
def test_step(benchmark: BenchmarkFixture, servers: int) -> None:
    """64 environments, from one state over and over."""
    simulator = simulator_of(servers)
    before, plans = simulator.snapshot(), simulator.mask.argmax(axis=2)
    benchmark.pedantic(
        simulator.step, (plans,), setup=lambda: simulator.restore(before), rounds=300
    )


def test_reset(benchmark: BenchmarkFixture) -> None:
    """64 environments of 5 servers."""
    simulator, episodes = simulator_of(5), {b: Episode(100 * b) for b in range(64)}
    benchmark(simulator.reset, episodes)


@pytest.mark.parametrize("policy", ["first-fit", "server-best-fit", "balance-fit", "random"])
@pytest.mark.parametrize("servers", [5, 1000])
def test_act(benchmark: BenchmarkFixture, policy: str, servers: int) -> None:
    """A heuristic's answers in 64 environments."""
    simulator, heuristic = simulator_of(servers), make_policy(policy)
    benchmark(heuristic.act, simulator, simulator.keys())


def test_keys(benchmark: BenchmarkFixture) -> None:
    """Random bits for 64 environments."""
    benchmark(simulator_of(5).keys)


def test_state(benchmark: BenchmarkFixture) -> None:
    """The state of the whole game, in 64 environments of three clusters."""
    simulator = load_scenario("region-prices").simulator(batch=64)
    simulator.reset({b: Episode(100 * b) for b in range(64)})
    benchmark(global_state, simulator)


def test_metrics(benchmark: BenchmarkFixture) -> None:
    """The metrics of one episode."""
    benchmark(simulator_of(5).metrics, 0)


@pytest.mark.parametrize("form", ["parallel", "aec", "gymnasium", "vector"])
def test_environment(benchmark: BenchmarkFixture, form: str) -> None:
    """A request through each interface, resets included; of three clusters, by one environment."""
    name = "region-prices"
    if form == "aec":
        env: Any = vm.env(name)
        env.reset(seed=0)

        def play() -> None:
            if not env.agents:
                env.reset()
            env.step(0)

    elif form == "parallel":
        env = vm.parallel_env(name)
        env.reset(seed=0)
        plans = dict.fromkeys(env.possible_agents, 0)

        def play() -> None:
            if not env.agents:
                env.reset()
            env.step(plans)

    elif form == "gymnasium":
        from vmagent_marl.envs.gym_env import ClusterEnv

        env = ClusterEnv(name)
        env.reset(seed=0)
        plan = np.zeros(3, np.int64)

        def play() -> None:
            _, _, terminated, truncated, _ = env.step(plan)
            if terminated or truncated:
                env.reset()

    else:
        env = vm.vector_env(name, num_envs=64)
        env.reset(seed=0)
        batch = np.zeros((64, 3), np.int64)

        def play() -> None:
            env.step(batch)

    benchmark(play)
