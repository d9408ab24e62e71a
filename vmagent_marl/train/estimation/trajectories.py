"""Joint trajectories of data sets: what estimators read, request by request."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from vmagent_marl.episodes.collecting.intervals import blocks_of
from vmagent_marl.episodes.collecting.recipe import Player
from vmagent_marl.episodes.recording.episode import Episode
from vmagent_marl.episodes.storage.hdf5_reader import load_episodes
from vmagent_marl.episodes.storage.minari_format import load_dataset, own_metadata
from vmagent_marl.errors import DatasetError
from vmagent_marl.scenario import scenario_from
from vmagent_marl.sim.layout import layout_of
from vmagent_marl.train.data_sets import ids_of, one_scenario


@dataclass(frozen=True, eq=False)
class Trajectories:
    """M requests of E episodes of K agents, the episodes one behind the other.

    What was seen has N = M + E rows: after an episode's last request one more. An agent answered
    where it was reached, and counts as passing elsewhere.
    """

    observation: NDArray[np.float32]  # (N, K, F)
    mask: NDArray[np.int8]  # (N, K, A) 1 = legal; the last action is pass
    place: NDArray[np.int64]  # (N, K) in the chain of offers; `tries` or more: no offer
    lengths: NDArray[np.int64]  # (E,) requests
    action: NDArray[np.int64]  # (M, K) as it counted
    reward: NDArray[np.float64]  # (M,) the team's mean
    reached: NDArray[np.bool_]  # (M, K)
    behavior_logp: NDArray[np.float64]  # (M, K) log-probability of the answer, NaN: unknown
    component: NDArray[np.int64]  # (E,) of the behaviour, which played the episode
    blocks: NDArray[np.int64]  # (E,) of the trace: episodes of two blocks share few rows or none
    tries: int  # offers that a request has
    components: tuple[str, ...] = ("the behaviour",)  # their names
    bare: frozenset[int] = frozenset()  # components that are known to leave legal actions out
    dataset: tuple[str, ...] = ()  # ids
    scenario: dict[str, Any] | None = None  # as `scenario_from` takes it

    @property
    def episode(self) -> NDArray[np.int64]:
        """(M,) the episode of each request."""
        return np.repeat(np.arange(self.lengths.size), self.lengths)

    @property
    def step(self) -> NDArray[np.int64]:
        """(M,) how many requests of its episode came before."""
        begun = np.cumsum(self.lengths) - self.lengths
        return np.arange(self.reward.size) - np.repeat(begun, self.lengths)

    @property
    def seen(self) -> NDArray[np.int64]:
        """(M,) the row that each request was answered on; the next row is what came of it."""
        return np.arange(self.reward.size) + self.episode

    @property
    def horizon(self) -> int:
        """H, requests of the longest episode."""
        return int(self.lengths.max())

    def padded(self, values: NDArray[np.float64]) -> NDArray[np.float64]:
        """Values (M,) as (E, H), zero where an episode has ended."""
        table = np.zeros((self.lengths.size, self.horizon))
        table[self.episode, self.step] = values
        return table


def read_trajectories(dataset: str | Sequence[str]) -> Trajectories:
    """The trajectories of one or several Minari data sets of one scenario, by their ids.

    Raises `UnknownNameError` for an id that is not here, and `DatasetError` for data that this
    package did not record or that do not go together, and `SettingError` for no id at all.
    """
    ids = ids_of(dataset)
    sets = [load_dataset(name) for name in ids]
    plain = one_scenario(ids, sets)
    episodes: list[Episode] = []
    component: list[int] = []
    names: list[str] = []
    bare: set[int] = set()
    for name, data in zip(ids, sets, strict=True):
        loaded = load_episodes(name)
        _check(name, loaded)
        component += [len(names) + episode.component for episode in loaded]
        known, left_out = _components(
            own_metadata(data), 1 + max(episode.component for episode in loaded)
        )
        bare |= {len(names) + number for number in left_out}
        names += known
        episodes += loaded
    scenario = scenario_from(plain, where=ids[0])
    rules = scenario.rules()
    observation = np.concatenate([episode.observations for episode in episodes])
    distance = observation[:, :, layout_of(rules).parts["chain"].start]
    first = np.array([episode.played.first for episode in episodes])
    lengths = np.array([len(episode) for episode in episodes])
    return Trajectories(
        observation=observation,
        mask=np.concatenate([episode.masks for episode in episodes]),
        place=np.rint(distance * (scenario.clusters - 1)).astype(np.int64),
        lengths=lengths,
        action=np.concatenate([episode.effective_action for episode in episodes]),
        reward=np.concatenate([episode.rewards for episode in episodes]),
        reached=np.concatenate([episode.reached for episode in episodes]).astype(np.bool_),
        behavior_logp=np.concatenate([episode.behavior_logp for episode in episodes]),
        component=np.array(component),
        blocks=blocks_of(first, first + lengths),
        tries=int(rules.tries),
        components=tuple(names),
        bare=frozenset(bare),
        dataset=ids,
        scenario=plain,
    )


def _check(name: str, episodes: Sequence[Episode]) -> None:
    """Raise `DatasetError` for answers that counted as others: their probability is not theirs."""
    if not episodes:
        raise DatasetError(f"data set {name!r} holds no episode: record it anew")
    for episode in episodes:
        wrong = (episode.actions != episode.effective_action) & (episode.reached > 0)
        for t, k in np.argwhere(wrong)[:1]:
            raise DatasetError(
                f"data set {name!r}: the answer of cluster_{k} in episode "
                f"{episode.played.number}, row {t} is illegal and counted as another: record it "
                "with a policy that keeps to the mask"
            )


def _components(own: dict[str, Any], count: int) -> tuple[list[str], list[int]]:
    """Names of a data set's components, and which of them are known to play without noise."""
    recipe = own.get("recipe")
    if recipe is None:
        return [f"component {number}" for number in range(count)], []
    players = [Player(**player) for player in recipe["policies"]]
    if recipe["per"] == "step":  # one component, whose every answer is any player's
        bare = [] if any(player.is_noisy for player in players) else [0]
        return [" or ".join(player.name for player in players)], bare
    bare = [i for i, player in enumerate(players) if not player.is_noisy]
    return [player.name for player in players], bare
