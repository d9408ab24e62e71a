"""Small Minari data sets in the form that this project records."""

from __future__ import annotations

import warnings
from collections.abc import Iterable, Iterator
from typing import Any

import minari
import numpy as np
from gymnasium.spaces import Box, Dict, Discrete, MultiDiscrete, Space
from minari.data_collector import EpisodeBuffer
from numpy.typing import NDArray

from vmagent_marl import windows
from vmagent_marl.episodes.storage.minari_format import OWN
from vmagent_marl.policies import Policy
from vmagent_marl.scenario import Scenario, load_scenario
from vmagent_marl.sim.global_state import global_state


def spaces(clusters: int, features: int, actions: int) -> tuple[Dict, Space[Any]]:
    lead = () if clusters == 1 else (clusters,)
    observation = Dict(
        observation=Box(0, 1, (*lead, features), np.float32),
        action_mask=Box(0, 1, (*lead, actions), np.int8),
    )
    return observation, Discrete(actions) if clusters == 1 else MultiDiscrete([actions] * clusters)


def buffer(
    number: int,
    *,
    observation: NDArray[np.float32],  # (T + 1, K, F)
    mask: NDArray[np.int8],  # (T + 1, K, A)
    action: NDArray[np.int64],  # (T, K)
    own: NDArray[np.float64],  # (T, K)
    reached: NDArray[np.bool_],  # (T, K)
    terminated: bool,
    state: NDArray[np.float32] | None = None,  # (T + 1, S)
) -> EpisodeBuffer:
    """One episode; unreached answers are recorded as whatever they were and count as pass."""
    steps, clusters = action.shape
    ends = np.arange(steps) == steps - 1
    passed = mask.shape[2] - 1

    def lead(rows: NDArray[Any]) -> NDArray[Any]:
        return rows[:, 0] if clusters == 1 else rows

    def after(rows: NDArray[Any]) -> NDArray[Any]:
        return np.concatenate([np.zeros((1, clusters), rows.dtype), rows])

    return EpisodeBuffer(
        id=number,
        observations={"observation": lead(observation), "action_mask": lead(mask)},
        actions=lead(action),
        rewards=list(own.mean(axis=1)),
        terminations=list(ends & terminated),
        truncations=list(ends & (not terminated)),
        infos={
            "agent_rewards": after(own),
            "behavior_logp": after(np.zeros_like(own)),
            "reached": after(reached.astype(np.int8)),
            "effective_action": after(np.where(reached, action, passed)),
            **({} if state is None else {"state": state}),
        },
    )


def save(
    name: str, episodes: Iterable[EpisodeBuffer], scenario: Scenario, sizes: tuple[int, int, int]
) -> str:
    """Write a data set for (clusters, features, actions) and return its id."""
    observation_space, action_space = spaces(*sizes)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # Minari misses an environment and an author
        data = minari.create_dataset_from_buffers(
            name,
            iter(episodes),
            observation_space=observation_space,
            action_space=action_space,
        )
        data.storage.update_metadata({OWN: {"scenario": scenario.as_dict()}})
    return name


def record(name: str, scenario: Scenario, policies: list[Policy], episodes: int) -> str:
    """Play a scenario's training window, `episodes` for each policy, and save it."""
    simulator = scenario.simulator(batch=episodes)
    layout = simulator.layout
    recorded: list[EpisodeBuffer] = []
    for policy in policies:
        recorded.extend(_played(scenario, simulator, policy, len(recorded)))
    return save(name, recorded, scenario, (layout.clusters, layout.size, layout.actions))


def _played(
    scenario: Scenario, simulator: Any, policy: Policy, first: int
) -> Iterator[EpisodeBuffer]:
    batch = range(simulator.batch)
    simulator.reset(
        {
            b: windows.episode_of(scenario, simulator.trace, "train", seed=0, number=first + b)
            for b in batch
        }
    )
    names = ("observation", "mask", "action", "own", "reached", "state")
    rows: dict[str, list[NDArray[Any]]] = {name: [] for name in names}
    length = np.zeros(simulator.batch, np.int64)
    while simulator.running.any():
        length += simulator.running
        actions, _ = policy.act(simulator, simulator.keys())
        rows["observation"].append(simulator.observation.copy())
        rows["mask"].append(simulator.mask.copy())
        rows["state"].append(global_state(simulator))
        simulator.step(actions)
        rows["action"].append(actions.copy())
        rows["own"].append(simulator.own_reward.copy())
        rows["reached"].append(simulator.state.reached.astype(np.bool_))
    rows["observation"].append(simulator.observation.copy())
    rows["mask"].append(simulator.mask.copy())
    rows["state"].append(global_state(simulator))
    stacked = {name: np.array(rows[name]) for name in names}
    for b in batch:
        steps = int(length[b])
        yield buffer(
            first + b,
            terminated=bool(simulator.terminated[b]),
            **{
                name: values[: steps + (name in ("observation", "mask", "state")), b]
                for name, values in stacked.items()
            },
        )


def tagged(
    number: int, *, clusters: int, steps: int, terminated: bool, features: int, actions: int
) -> EpisodeBuffer:
    """An episode whose every number tells where it stands: (episode, step, agent)."""
    draw = np.random.default_rng((7, number))
    observation = np.zeros((steps + 1, clusters, features), np.float32)
    observation[:, :, 0] = number / 100
    observation[:, :, 1] = (np.arange(steps + 1) / 100)[:, None]
    observation[:, :, 2] = np.arange(clusters) / 100
    mask = draw.integers(0, 2, (steps + 1, clusters, actions)).astype(np.int8)
    mask[:, :, -1] = 1
    legal = draw.random((steps, clusters, actions)) * mask[:-1]
    return buffer(
        number,
        observation=observation,
        mask=mask,
        action=legal.argmax(axis=2),
        own=1000.0 * number + np.arange(steps)[:, None] + 0.1 * np.arange(clusters),
        reached=draw.random((steps, clusters)) < (1.0 if clusters == 1 else 0.4),
        terminated=terminated,
    )


def small_region(**fields: Any) -> Scenario:
    """Three clusters on a few requests, episodes of 30."""
    requests = [[second, 1 + second % 7, 1 + second % 3, 1 + second % 3] for second in range(40)]
    settings: dict[str, Any] = {
        "trace": {"requests": requests, "repeat": 20, "every": 50},
        "servers": 2,
        "node_cpu": 6,
        "node_memory": 6,
        "horizon": 30,
    }
    return load_scenario("region-prices", **{**settings, **fields})
