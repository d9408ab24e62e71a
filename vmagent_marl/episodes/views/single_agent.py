"""A data set of many agents as one agent lived it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import numpy as np

from vmagent_marl.episodes.views.arrays import (
    AGENT,
    FORM,
    LIVES,
    ROWS,
    Arrays,
    agents_of,
    iterate_arrays,
    opened,
)
from vmagent_marl.episodes.views.derived import flat, shifted, with_suffix, write_derived
from vmagent_marl.errors import DatasetError, unknown_name

if TYPE_CHECKING:
    from minari import MinariDataset

SHARED = ("rewards", "terminations", "truncations", "seconds", "component")  # by all agents
INFOS = ("behavior_logp", "reached", "effective_action", "seconds", "component")


def agent_episodes(dataset: str | MinariDataset, agent: str | int) -> Iterator[Arrays]:
    """Each episode as one agent lived it, named (`cluster_0`) or numbered; one at a time in memory.

    As `iterate_arrays` gives them without the axis of agents; but `rewards` (T,) are its own and
    `team_rewards` (T,) the team's mean, and where agents end one by one an episode is the agent's
    own life. Rows that did not reach it are there, marked by `reached`: its action counted for
    nothing in them.
    """
    k = _number(agents_of(dataset), agent)
    return (_of_agent(arrays, k) for arrays in iterate_arrays(dataset))


def write_agent_datasets(
    name: str, *, overwrite: bool = False, progress: bool = False
) -> list[str]:
    """A Minari data set for each agent of data set `name`, with rewards of its own; their ids.

    They have the form of a data set of one cluster, and `-cluster_0` and so on before the version.
    No environment has one of the agents alone, so none can be recovered from them.
    """
    data = opened(name)
    agents = agents_of(data)
    if len(agents) == 1:
        raise DatasetError(f"data set {name!r} has one agent: it is its own view")
    return [_write(data, agents, k, overwrite, progress) for k in range(len(agents))]


def _write(data: Any, agents: tuple[str, ...], k: int, overwrite: bool, progress: bool) -> str:
    """The data set of agent k."""
    from minari.data_collector import EpisodeBuffer

    from vmagent_marl.episodes.views.stacking import agent_space

    metadata, agent = data.storage.metadata, agents[k]

    def episodes() -> Iterator[tuple[EpisodeBuffer, dict[str, Any]]]:
        described = data.storage.get_episode_metadata(data.episode_indices)
        for about, arrays in zip(described, agent_episodes(data, k), strict=True):
            if not arrays["rewards"].size:
                continue  # an episode that it had no part in
            infos = {name: arrays[name] for name in INFOS} | {"agent_rewards": arrays["rewards"]}
            seen = {"observation": arrays["observations"]}
            if "masks" in arrays:
                seen["action_mask"] = arrays["masks"]
            total = float(arrays["rewards"].sum())
            buffer = EpisodeBuffer(
                seed=about["seed"],
                options=about.get("options"),
                observations=seen,
                actions=arrays["actions"],
                rewards=arrays["rewards"],
                terminations=arrays["terminations"],
                truncations=arrays["truncations"],
                infos={name: shifted(values[:, None]) for name, values in infos.items()},
            )
            own = {"return": total, "agent_returns": np.array([total])}
            yield buffer, own | flat({"metrics": about.get("metrics", {})})

    sha256 = (metadata.get(FORM) or metadata["vmagent_marl"])["sha256"]
    return write_derived(
        with_suffix(data.id, agent),
        agent_space(data.observation_space, k),
        agent_space(data.action_space, k),
        episodes(),
        count=data.total_episodes,
        about={
            "description": f"{agent} of {data.id}: its own rewards. {metadata['description']}",
            "algorithm_name": metadata["algorithm_name"],
        },
        form={"form": AGENT, "source": data.id, "source_sha256": sha256, "agents": [agent]},
        overwrite=overwrite,
        progress=progress,
    )


def _of_agent(arrays: Arrays, k: int) -> Arrays:
    """Agent k's part of an episode."""
    own = {
        name: values if name in SHARED else values[:, k]
        for name, values in arrays.items()
        if name not in LIVES
    }
    own["team_rewards"], own["rewards"] = own["rewards"], own.pop("agent_rewards")
    if LIVES[0] not in arrays:
        return own
    for mine, theirs in zip(("terminations", "truncations"), LIVES, strict=True):
        own[mine] = arrays[theirs][:, k]
    lived = np.flatnonzero(own["reached"])
    first, stop = (int(lived[0]), int(lived[-1]) + 1) if lived.size else (0, 0)
    return {
        name: values[first : stop + 1 if name in ROWS else stop] for name, values in own.items()
    }


def _number(agents: tuple[str, ...], agent: str | int) -> int:
    """An agent's place on the axis."""
    if isinstance(agent, str):
        if agent not in agents:
            raise unknown_name("agent", agent, agents)
        return agents.index(agent)
    if not 0 <= agent < len(agents):
        raise DatasetError(f"there is no agent {agent}: give 0 to {len(agents) - 1}")
    return agent
