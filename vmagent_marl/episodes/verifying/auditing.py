"""One pass over the episodes of a data set of our own game: every check that reads them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from vmagent_marl.episodes.collecting.coverage import Tally, joined, tally
from vmagent_marl.episodes.collecting.recipe import Recipe
from vmagent_marl.episodes.recording.episode import Episode
from vmagent_marl.episodes.recording.record import Mixture
from vmagent_marl.episodes.verifying.faults import Faults
from vmagent_marl.episodes.verifying.invariants import mask_faults, probability_faults, value_faults
from vmagent_marl.episodes.verifying.reading import read_episodes
from vmagent_marl.episodes.verifying.replaying import replay
from vmagent_marl.episodes.verifying.stored_form import Column, episode_from
from vmagent_marl.episodes.views.arrays import Arrays
from vmagent_marl.errors import DatasetError
from vmagent_marl.policies import Policy
from vmagent_marl.scenario import Scenario
from vmagent_marl.sim.layout import layout_of
from vmagent_marl.trace import Trace
from vmagent_marl.windows import episode_of

if TYPE_CHECKING:
    from gymnasium.spaces import Box

BATCH = 64  # episodes that are replayed side by side
MEMORY = 256_000_000  # bytes of arrays held at once, about


@dataclass(frozen=True)
class Made:
    """What the metadata say that was recorded."""

    recipe: Recipe
    scenario: Scenario
    trace: Trace
    policies: tuple[Policy | None, ...]  # None: not to be had by name
    mixture: Mixture  # of stand-ins: which component plays hangs on the weights alone
    columns: dict[str, Column]
    bounds: Box


class Auditor:
    """One pass over the episodes."""

    def __init__(self, made: Made, faults: Faults) -> None:
        self._made, self._faults = made, faults
        self._layout = layout_of(made.scenario.rules())
        self.tally: Tally | None = None
        self.episodes = self.steps = self.replayed = 0
        self.counted = 0  # episodes in the tally
        self._sound: list[Episode] = []  # to be counted, all of them among those that wait
        self._waiting: list[Episode] = []  # to be replayed

    def look(self, file: Path, metadata: Mapping[str, Any], progress: bool) -> None:
        """Check every episode."""
        columns, faults = self._made.columns, self._faults
        for k, arrays, attributes in read_episodes(
            file, metadata, columns, faults, progress=progress
        ):
            try:
                episode = episode_from(arrays, attributes)
            except DatasetError as error:
                faults.add("arrays", f"episode {k}: {error}")
            else:
                with np.errstate(all="ignore"):  # what is broken may be infinite
                    self._episode(k, episode, arrays, attributes)
        self._replay()

    def _episode(
        self, k: int, episode: Episode, arrays: Arrays, attributes: Mapping[str, Any]
    ) -> None:
        """Check one episode, and have it replayed with others."""
        self.episodes += 1
        self.steps += len(episode)
        sound = playable = True
        for name, faults in (
            ("arrays", value_faults(arrays, self._made.bounds)),
            ("arrays", _attribute_faults(attributes, episode)),
            ("masks", mask_faults(arrays, self._layout.actions, passes=True)),
            ("probabilities", probability_faults(arrays, discrete=True)),
            ("starts", self._start_faults(episode, k)),
        ):
            for told in faults:
                self._faults.add(name, f"episode {k}: {told}")
                sound = False
                playable = playable and name not in ("masks", "starts")
        if sound:
            self._sound.append(episode)
        if not playable:  # what is no play, or another one, repeats nothing
            return
        self._waiting.append(episode)
        held = sum(array.nbytes for array in episode.arrays.values()) * len(self._waiting)
        if len(self._waiting) == BATCH or 2 * held > MEMORY:
            self._replay()

    def _start_faults(self, episode: Episode, k: int) -> Iterator[str]:
        """Where it begins, and who plays it."""
        made, seed = self._made, self._made.recipe.seed
        wanted = episode_of(made.scenario, made.trace, made.recipe.window, seed=seed, number=k)
        if episode.played != wanted:
            yield f"it is {episode.played}, not {wanted}"
        component = made.mixture.component(seed, k)
        if episode.component != component:
            yield f"component {episode.component} plays it in place of {component}"

    def _replay(self) -> None:
        """Replay the episodes that wait for it."""
        if not self._waiting:
            return
        simulator = self._made.scenario.simulator(batch=len(self._waiting), trace=self._made.trace)
        for fault in replay(simulator, self._waiting, self._made.policies):
            number = self._waiting[fault.episode].played.number
            name = "policies" if fault.policy else "replay"
            self._faults.add(name, f"episode {number}: {fault.told} differs")
        self.replayed += sum(map(len, self._waiting))
        if self._sound:
            self.tally = joined(self.tally, tally(self._sound, self._layout))
            self.counted += len(self._sound)
        self._sound, self._waiting = [], []


def _attribute_faults(attributes: Mapping[str, Any], episode: Episode) -> Iterator[str]:
    """What is said of an episode beside its arrays."""
    if attributes.get("total_steps") != len(episode):
        yield f"it says that it has {attributes.get('total_steps')} steps and has {len(episode)}"
    if attributes.get("return") != episode.total:
        yield f"it says that its return is {attributes.get('return')} and it is {episode.total}"
    if not np.array_equal(attributes.get("agent_returns", np.nan), episode.agent_returns):
        yield "its agents' returns are not the sums of their rewards"
