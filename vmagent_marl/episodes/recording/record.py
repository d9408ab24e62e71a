"""Recording policies in the batch simulator, episode by episode, in the order of their numbers."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from vmagent_marl import sim
from vmagent_marl.episodes.recording.episode import Episode
from vmagent_marl.episodes.recording.play import expected_length
from vmagent_marl.errors import DatasetError, PolicyError
from vmagent_marl.policies import Policy, check_policy
from vmagent_marl.policies.heuristics import Heuristic
from vmagent_marl.policies.rollout import blank_tape, longer, roll
from vmagent_marl.scenario import Scenario
from vmagent_marl.sim import Simulator
from vmagent_marl.sim.layout import layout_of
from vmagent_marl.sim.state import SECONDS
from vmagent_marl.trace import Trace
from vmagent_marl.windows import episode_of, starts_of

BATCH = 64  # environments that play at once
AHEAD = 2  # episodes begun beyond the next to hand out, in batches: it bounds the memory
MEMORY = 256_000_000  # bytes of the tape, for episodes that are as long as expected
COMPONENT = 1  # sets the draw of the component apart from that of the episode's start


@dataclass(frozen=True)
class Mixture:
    """Policies of which each episode is played by one, drawn from (seed, number) by the weights.

    Of so many `episodes`, where they are given, nothing is drawn: each policy plays its share of
    their numbers, one after the other.
    """

    policies: tuple[Policy, ...]
    weights: tuple[float, ...]  # above 0, one a policy; only their ratios count
    episodes: int | None = None

    def __post_init__(self) -> None:
        """Refuse weights that are none."""
        if not self.policies or len(self.policies) != len(self.weights):
            raise PolicyError(
                f"a mixture of {len(self.policies)} policies and {len(self.weights)} weights: "
                "give one weight a policy"
            )
        if not all(0.0 < weight < float("inf") for weight in self.weights):
            raise PolicyError(f"weights: {self.weights} are not all above 0: leave a policy out")

    def component(self, seed: int, number: int) -> int:
        """Which of the policies plays this episode."""
        upto = np.cumsum(self.weights)
        if self.episodes is not None:
            draw = (number + 0.5) / self.episodes * upto[-1]
            return min(int(np.searchsorted(upto, draw, side="right")), len(self.policies) - 1)
        draw = np.random.default_rng((seed, number, COMPONENT)).random() * upto[-1]
        return min(int(np.searchsorted(upto, draw, side="right")), len(self.policies) - 1)


def record(
    scenario: Scenario,
    policy: Policy | Mixture,
    *,
    window: str = "train",
    episodes: int,
    first: int = 0,
    seed: int = 0,
    batch: int = BATCH,
    trace: Trace | None = None,
    length: int | None = None,
) -> Iterator[Episode]:
    """Episodes `first` to `first + episodes - 1` of a window, in order, whatever the batch.

    Where each begins, which policy of a mixture plays it and every draw in it depend on (seed,
    number) alone. What is held in memory is bounded by `AHEAD` batches of episodes. `length`: how
    many transitions to have room for at first, where the caller knows.
    """
    mixture = policy if isinstance(policy, Mixture) else Mixture((policy,), (1.0,))
    for each in mixture.policies:
        check_policy(each, scenario)
    rows = scenario.load_trace() if trace is None else trace
    starts_of(scenario, rows, window)  # refused here, not at the first episode
    if length is None:
        length = expected_length(scenario, window=window, seed=seed, trace=rows)
    row = sum(array.nbytes for array in blank_tape(layout_of(scenario.rules()), 1, 1))
    batch = max(1, min(batch, episodes, MEMORY // (row * (length + 1))))
    simulator = scenario.simulator(batch=batch, trace=rows)
    stage = _Stage(scenario, simulator, mixture, window, seed, length + 1)
    return _in_order(stage, simulator, first, first + episodes)


def _in_order(stage: _Stage, simulator: Simulator, first: int, last: int) -> Iterator[Episode]:
    """The episodes as their numbers count up; those that end early are held back."""
    upcoming = due = first
    done: dict[int, Episode] = {}
    while due < last:
        free = np.flatnonzero(~simulator.running)
        until = min(last, due + AHEAD * simulator.batch)
        begun = range(upcoming, min(until, upcoming + len(free)))
        upcoming = max(upcoming, begun.stop)
        stage.begin(dict(zip(free.tolist(), begun, strict=False)))
        for episode in stage.play():
            done[episode.played.number] = episode
        while due in done:
            yield done.pop(due)
            due += 1


class _Stage:
    """A batch of environments, what they play, and the tape of it."""

    def __init__(
        self,
        scenario: Scenario,
        simulator: Simulator,
        mixture: Mixture,
        window: str,
        seed: int,
        room: int,
    ) -> None:
        self._scenario, self._simulator, self._mixture = scenario, simulator, mixture
        self._window, self._seed = window, seed
        self._component = np.zeros(simulator.batch, np.int64)
        self._played: dict[int, sim.Episode] = {}
        self._tape = blank_tape(simulator.layout, simulator.batch, room)

    def begin(self, numbers: dict[int, int]) -> None:
        """Begin the episodes of these numbers in these environments."""
        if not numbers:
            return
        simulator = self._simulator
        episodes = {
            b: episode_of(
                self._scenario, simulator.trace, self._window, seed=self._seed, number=number
            )
            for b, number in numbers.items()
        }
        simulator.reset(episodes)
        for b, episode in episodes.items():
            if not simulator.running[b]:
                raise DatasetError(
                    f"episode {episode.number} of scenario {self._scenario.name!r} ends at row "
                    f"{episode.first} before anyone is asked: choose another window or seed"
                )
            self._played[b] = episode
            self._component[b] = self._mixture.component(self._seed, episode.number)
        which = np.fromiter(episodes, np.int64)
        self._tape.decided[which] = 0
        self._tape.observations[which, 0] = simulator.observation[which]
        self._tape.masks[which, 0] = simulator.mask[which]

    def play(self) -> Iterator[Episode]:
        """Play on until episodes end; those that do."""
        simulator = self._simulator
        live = np.flatnonzero(simulator.running)
        for component in np.unique(self._component[live]).tolist():
            which = live[self._component[live] == component]
            policy = self._mixture.policies[component]
            if isinstance(policy, Heuristic):
                while not roll(simulator, policy, which, self._tape):
                    self._tape = longer(self._tape)
        asked = np.flatnonzero(simulator.running)
        if asked.size:
            self._step(asked)
        for b in live[~simulator.running[live]].tolist():
            yield self._cut(b)

    def _step(self, live: NDArray[np.int64]) -> None:
        """One answer of each environment's own policy."""
        simulator, state, at = self._simulator, self._simulator.state, self._tape.decided[live]
        if at.max() + 1 >= self._tape.masks.shape[1]:
            self._tape = longer(self._tape)
        tape, keys = self._tape, simulator.keys()
        actions = np.zeros(keys.shape, np.int64)
        for component in np.unique(self._component[live]).tolist():
            plays = self._component[live] == component
            which = live[plays]
            planned, logp = self._mixture.policies[component].act(simulator, keys)
            actions[which] = planned[which]
            tape.behavior_logp[which, at[plays]] = logp[which]
        simulator.step(actions)
        tape.actions[live, at] = actions[live]
        tape.rewards[live, at] = simulator.team_reward[live]
        tape.agent_rewards[live, at] = simulator.own_reward[live]
        tape.reached[live, at] = state.reached[live]
        tape.effective_action[live, at] = state.effective[live]
        tape.seconds[live, at] = state.outcome[live, SECONDS]
        tape.observations[live, at + 1] = simulator.observation[live]
        tape.masks[live, at + 1] = simulator.mask[live]
        tape.decided[live] += 1

    def _cut(self, b: int) -> Episode:
        """Environment b's episode, which has ended, as arrays of its own."""
        tape, length = self._tape, int(self._tape.decided[b])
        return Episode(
            observations=tape.observations[b, : length + 1].copy(),
            masks=tape.masks[b, : length + 1].copy(),
            actions=tape.actions[b, :length].copy(),
            rewards=tape.rewards[b, :length].copy(),
            agent_rewards=tape.agent_rewards[b, :length].copy(),
            behavior_logp=tape.behavior_logp[b, :length].copy(),
            reached=tape.reached[b, :length].copy(),
            effective_action=tape.effective_action[b, :length].copy(),
            seconds=tape.seconds[b, :length].copy(),
            component=int(self._component[b]),
            terminated=bool(self._simulator.terminated[b]),
            truncated=bool(self._simulator.truncated[b]),
            played=self._played.pop(b),
            metrics=self._simulator.metrics(b),
        )
