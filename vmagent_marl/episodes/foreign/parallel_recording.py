"""Recording anybody's PettingZoo environment into Minari, in the layout of our own data sets.

Minari itself takes Gymnasium environments only. What a parallel environment does not tell is filled
in so that learners need no special case: see `record_parallel`.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

from vmagent_marl.episodes.foreign.parallel_play import Act, play_parallel
from vmagent_marl.episodes.views.arrays import PARALLEL
from vmagent_marl.episodes.views.derived import write_derived
from vmagent_marl.errors import DatasetError, SettingError

if TYPE_CHECKING:
    from minari.data_collector import EpisodeBuffer


def record_parallel(
    env: Any,
    policies: Act | Mapping[str, Act],
    *,
    name: str,
    episodes: int,
    seed: int = 0,
    max_steps: int | None = None,
    description: str = "",
    algorithm: str = "",
    overwrite: bool = False,
    progress: bool = True,
) -> str:
    """Record a PettingZoo `ParallelEnv` as the Minari data set `name`; the id.

    `policies`: one for all agents or one for each by name, called as
    `policy(agent, observation, mask, generator)`; the mask (A,) int8 is None where there is none,
    and all draws are to come from the generator, which depends on (seed, episode, step, agent)
    alone. It answers with an action, or with a pair of an action and its log-probability;
    `random_legal(env)` is one. Episode n begins by `env.reset(seed=...)` with a seed drawn from
    (seed, n), which stands in its metadata. `max_steps` truncates what the environment does not
    end.

    As in our own sets agents are stacked, (K, ...), in the order of `possible_agents`, and the
    scalar reward is their mean. Masks are taken from `action_mask` in the observation or the info.
    Infos are `agent_rewards`, `behavior_logp` (NaN where the policy gives none), `reached` (true
    while the agent lives), `effective_action` (the action), `seconds` (1 a step) and `component`
    (0), and beside them `agent_terminated` and `agent_truncated`, (T+1, K). Where an agent is gone
    or not there yet, its observation, action and reward are 0, its log-probability is 0, and its
    mask allows action 0 alone. The episode counts as truncated if any agent was. For spaces that
    differ between agents see `vmagent_marl.episodes.views.stacking`.

    Raises `DatasetError` for spaces that cannot be stored and a name that is taken (unless
    `overwrite`), and `PolicyError` for an answer outside of the action space or the mask.
    """
    if episodes < 1:
        raise SettingError(f"episodes: {episodes} are too few: give 1 or more")
    if max_steps is not None and max_steps < 1:
        raise SettingError(f"max_steps: {max_steps} are too few: give 1 or more")
    agents = tuple(getattr(env, "possible_agents", ()))
    if not agents:
        raise DatasetError("the environment names no possible_agents: give a ParallelEnv")
    if isinstance(policies, Mapping) and (missing := set(agents) - set(policies)):
        raise SettingError(f"policies: there is none for {', '.join(sorted(missing))}: give one")
    chosen = {a: policies[a] if isinstance(policies, Mapping) else policies for a in agents}
    stacking, lives = play_parallel(env, agents, chosen, episodes, seed, max_steps)
    kind = str(getattr(env, "metadata", {}).get("name", type(env.unwrapped).__name__))
    return write_derived(
        name,
        stacking.observation_space(),
        stacking.action_space(),
        _buffers(lives),
        count=episodes,
        about={
            "description": description or f"{kind}, recorded through PettingZoo's parallel form.",
            "algorithm_name": algorithm or "unknown",
        },
        form={
            "form": PARALLEL,
            "environment": kind,
            "agents": list(agents),
            "seed": seed,
            "max_steps": max_steps,
        },
        overwrite=overwrite,
        progress=progress,
    )


def _buffers(
    episodes: Iterator[tuple[int, dict[str, Any]]],
) -> Iterator[tuple[EpisodeBuffer, dict[str, Any]]]:
    """Episodes as Minari stores them, with their metadata."""
    from minari.data_collector import EpisodeBuffer

    for seed, played in episodes:
        rewards = played["infos"]["agent_rewards"][1:]
        buffer = EpisodeBuffer(seed=seed, **played)
        yield buffer, {"return": rewards.mean(axis=1).sum(), "agent_returns": rewards.sum(axis=0)}
