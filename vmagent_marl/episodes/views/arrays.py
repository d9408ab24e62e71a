"""The arrays of a data set with an axis of agents, episode by episode, whichever game it is of."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from vmagent_marl.errors import DatasetError

if TYPE_CHECKING:
    from minari import MinariDataset

Arrays = dict[str, NDArray[Any]]
FORM = "vmagent_marl_form"  # key in the metadata of sets that no recipe makes
PARALLEL, AGENT, TORCHRL = "parallel", "agent", "torchrl"  # what stands there as `form`
LIVES = ("agent_terminated", "agent_truncated")  # infos of games whose agents end one by one
TOGETHER = 16  # episodes read before the file is opened anew; HDF5 keeps memory while it is open
ROWS = ("observations", "masks")  # have a row more than there are transitions


def iterate_arrays(dataset: str | MinariDataset) -> Iterator[Arrays]:
    """The arrays of each episode in order, by name; one episode at a time is held in memory.

    observations  (T+1, K, ...)    masks         (T+1, K, A) int8, where the game has any
    actions       (T, K, ...)      rewards       (T,) the team's mean
    terminations  (T,) bool        truncations   (T,) bool
    agent_rewards, behavior_logp, reached, effective_action  (T, K, ...)
    seconds, component             (T,) int64

    and `agent_terminated`, `agent_truncated` (T, K) where agents end one by one. Raises
    `DatasetError` for a data set that this package did not write.
    """
    data = opened(dataset)
    indices = list(data.episode_indices)
    return (
        _stacked(episode, data.id)
        for first in range(0, len(indices), TOGETHER)
        for episode in data.iterate_episodes(indices[first : first + TOGETHER])
    )


def opened(dataset: str | MinariDataset) -> Any:
    """A data set of agents stacked, by its id; raises `DatasetError` for the form of TorchRL."""
    from vmagent_marl.episodes.storage.minari_format import load_dataset

    data = load_dataset(dataset) if isinstance(dataset, str) else dataset
    form = data.storage.metadata.get(FORM, {})
    if form.get("form") == TORCHRL:
        raise DatasetError(f"data set {data.id!r} is in TorchRL's form: read {form['source']!r}")
    return data


def agents_of(dataset: str | MinariDataset) -> tuple[str, ...]:
    """Names of the agents, in the order of their axis."""
    from vmagent_marl.episodes.storage.minari_format import own_metadata

    data = opened(dataset)
    form = data.storage.metadata.get(FORM)
    if form is not None:
        return tuple(form["agents"])
    return tuple(f"cluster_{k}" for k in range(own_metadata(data)["statistics"]["agents"]))


def _stacked(episode: Any, name: str) -> Arrays:
    """One episode of Minari's."""
    try:
        infos = {key: values[1:] for key, values in episode.infos.items()}
        single = infos["reached"].shape[1] == 1
        observations = episode.observations["observation"]
        masks = episode.observations.get("action_mask")
        seconds, component = infos.pop("seconds")[:, 0], infos.pop("component")[:, 0]
    except (KeyError, IndexError, TypeError, AttributeError) as error:
        raise DatasetError(
            f"data set {name!r} was not written by vmagent_marl ({error} in episode "
            f"{episode.id}): read it with minari.load_dataset"
        ) from None

    def with_agents(values: NDArray[Any]) -> NDArray[Any]:
        return values[:, None] if single else values

    arrays = {
        "observations": with_agents(observations),
        "actions": with_agents(np.asarray(episode.actions)),
        "rewards": episode.rewards,
        "terminations": episode.terminations,
        "truncations": episode.truncations,
        "seconds": seconds,
        "component": component,
        **infos,
    }
    return arrays if masks is None else arrays | {"masks": with_agents(masks)}
