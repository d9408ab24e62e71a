"""Episodes of a PettingZoo parallel environment as arrays with an axis of agents."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from vmagent_marl.episodes.views.derived import shifted
from vmagent_marl.episodes.views.stacking import MASK, Stacking, padded, stacking_of
from vmagent_marl.errors import DatasetError, PolicyError

# (agent, observation, mask or None, generator) -> action, or (action, its log-probability)
Act = Callable[[str, Any, NDArray[np.int8] | None, np.random.Generator], Any]
Parts = dict[str, Any]  # an episode, by the names of Minari's EpisodeBuffer


def random_legal(env: Any) -> Act:
    """A policy for `record_parallel`: any legal action of this environment, each as likely."""
    from gymnasium import spaces

    def act(
        agent: str, observation: Any, mask: NDArray[np.int8] | None, generator: np.random.Generator
    ) -> tuple[Any, float]:
        space = env.action_space(agent)
        if isinstance(space, spaces.Discrete):
            legal = np.arange(space.n) if mask is None else np.flatnonzero(mask)
            return int(generator.choice(legal)), -math.log(legal.size)
        if not np.isfinite([space.low, space.high]).all():
            raise PolicyError(f"{agent} acts in {space}, without bounds: give another policy")
        drawn = generator.uniform(space.low, space.high).astype(space.dtype)
        return drawn, -float(np.log(space.high - space.low, dtype=np.float64).sum())

    return act


def play_parallel(
    env: Any,
    agents: tuple[str, ...],
    policies: Mapping[str, Act],
    episodes: int,
    seed: int,
    max_steps: int | None,
) -> tuple[Stacking, Iterator[tuple[int, Parts]]]:
    """How the agents are stacked, and the episodes, each with the seed it began by."""
    begun = _begin(env, seed, 0)
    _, seen, infos = begun
    masked = any(MASK in infos.get(agent, {}) for agent in seen)
    stacking = stacking_of(
        agents,
        {agent: env.observation_space(agent) for agent in agents},
        {agent: env.action_space(agent) for agent in agents},
        masked=masked,
    )

    def played() -> Iterator[tuple[int, Parts]]:
        for number in range(episodes):
            start = begun if number == 0 else _begin(env, seed, number)
            stage = _Stage(env, stacking, policies, (seed, number))
            yield start[0], stage.play(start[1], start[2], max_steps)

    return stacking, played()


def _begin(env: Any, seed: int, number: int) -> tuple[int, Any, Any]:
    """Episode `number` of a seed: the environment's own seed, and what it answers."""
    own = int(np.random.SeedSequence((seed, number)).generate_state(1)[0] >> 1)  # 31 bits: MT's
    seen, infos = env.reset(seed=own)
    if not env.agents:
        raise DatasetError(f"the environment has no agents after reset(seed={own})")
    return own, seen, infos


class _Stage:
    """One episode of an environment, written down row by row."""

    def __init__(
        self, env: Any, stacking: Stacking, policies: Mapping[str, Act], key: tuple[int, int]
    ) -> None:
        self._env, self._stacking, self._policies, self._key = env, stacking, policies, key
        self._seen: list[NDArray[Any]] = []  # (K, ...) a row
        self._masks: list[NDArray[np.int8]] = []  # (K, A)
        self._rows: dict[str, list[NDArray[Any]]] = {}  # (K, ...) a transition

    def play(self, seen: Any, infos: Any, max_steps: int | None) -> Parts:
        """Play to the end, or for `max_steps`."""
        env, agents = self._env, self._stacking.agents
        self._look(seen, infos)
        while env.agents:
            alive = [agent in env.agents for agent in agents]
            plans = self._ask(seen, alive)
            seen, rewards, terminated, truncated, infos = env.step(plans)
            steps = len(self._seen)
            stop = max_steps is not None and steps >= max_steps
            on = [agent in env.agents for agent in agents]
            ended = [bool(terminated.get(agent, False)) for agent in agents]
            cut = [
                not over and (bool(truncated.get(agent, False)) or (stop and still))
                for agent, over, still in zip(agents, ended, on, strict=True)
            ]
            self._note("agent_rewards", [float(rewards.get(agent, 0.0)) for agent in agents])
            self._note("agent_terminated", ended)
            self._note("agent_truncated", cut)
            self._note("reached", alive)
            self._look(seen, infos)
            if stop:
                break
        return self._parts()

    def _ask(self, seen: Any, alive: list[bool]) -> dict[str, Any]:
        """Every living agent's action, checked; gone ones are noted with zeros."""
        stacking, answers = self._stacking, {}
        step = len(self._seen) - 1
        actions = np.zeros((len(alive), *stacking.action_shape), stacking.action_type)
        logp = np.zeros(len(alive))
        for k, agent in enumerate(stacking.agents):
            if not alive[k]:
                continue
            given = seen[agent]
            whole = given["observation"] if isinstance(given, Mapping) else given
            space = self._env.action_space(agent)
            mask = self._masks[-1][k, : int(space.n)] if stacking.masked else None
            generator = np.random.default_rng((*self._key, step, k))
            answer = self._policies[agent](agent, whole, mask, generator)
            action, logp[k] = answer if isinstance(answer, tuple) else (answer, np.nan)
            if not space.contains(action) or (mask is not None and not mask[action]):
                raise PolicyError(
                    f"{agent} answered {action!r} at step {step} of episode {self._key[1]}, which "
                    f"{space} or its mask forbids: mend its policy"
                )
            actions[k] = padded(action, stacking.action_shape)
            answers[agent] = action
        self._note("actions", actions)
        self._note("behavior_logp", logp)
        return answers

    def _look(self, seen: Any, infos: Any) -> None:
        """Note a row of observations and masks; copies, since environments reuse their arrays."""
        stacking, living = self._stacking, set(self._env.agents)
        row = np.zeros((len(stacking.agents), *stacking.seen_shape), stacking.observations[0].dtype)
        masks = np.zeros((len(stacking.agents), stacking.action_count), np.int8)
        for k, agent in enumerate(stacking.agents):
            masks[k, :1] = agent not in living
            if agent not in seen:
                continue
            given, told = seen[agent], infos.get(agent, {}).get(MASK)
            if isinstance(given, Mapping):
                told, given = given.get(MASK, told), given["observation"]
            row[k] = padded(given, stacking.seen_shape)
            if stacking.masked and agent in living:
                own = int(self._env.action_space(agent).n)
                masks[k, :own] = 1 if told is None else np.asarray(told).astype(bool)
                if not masks[k].any():
                    raise DatasetError(
                        f"{agent}'s mask allows no action at step {len(self._seen)} of episode "
                        f"{self._key[1]}: mend the environment"
                    )
        self._seen.append(row)
        self._masks.append(masks)

    def _note(self, name: str, values: Any) -> None:
        self._rows.setdefault(name, []).append(np.asarray(values))

    def _parts(self) -> Parts:
        """The episode as Minari's buffer has it; with one agent its axis is left out there."""
        rows = {name: np.stack(values) for name, values in self._rows.items()}
        agents: Any = 0 if len(self._stacking.agents) == 1 else slice(None)
        actions = rows.pop("actions")
        steps = len(actions)
        cut = bool(rows["agent_truncated"].any())
        seen = {"observation": np.stack(self._seen)[:, agents]}
        if self._stacking.masked:
            seen[MASK] = np.stack(self._masks)[:, agents]
        last = np.arange(steps) == steps - 1
        rows["effective_action"] = actions
        rows["seconds"] = np.ones((steps, 1), np.int64)
        rows["component"] = np.zeros((steps, 1), np.int64)
        return {
            "observations": seen,
            "actions": actions[:, agents],
            "rewards": rows["agent_rewards"].mean(axis=1),
            "terminations": last & (not cut),
            "truncations": last & cut,
            "infos": {name: shifted(values) for name, values in rows.items()},
        }
