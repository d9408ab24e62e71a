"""Recording policies in the batch simulator, episode by episode, in the order of their numbers."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from vmagent_marl import sim
from vmagent_marl.episodes.episode import Episode
from vmagent_marl.errors import DatasetError, PolicyError
from vmagent_marl.policies import Policy, check_policy
from vmagent_marl.scenario import Scenario
from vmagent_marl.sim import ObservationLayout, Simulator
from vmagent_marl.sim.state import SECONDS
from vmagent_marl.trace import Trace
from vmagent_marl.windows import episode_of, starts_of

BATCH = 64  # environments that play at once
AHEAD = 2  # episodes begun beyond the next to hand out, in batches: it bounds the memory
FIRST_ROOM = 256  # transitions that the tape has room for at first; doubled when needed
COMPONENT = 1  # sets the draw of the component apart from that of the episode's start


@dataclass(frozen=True)
class Mixture:
    """Policies of which each episode is played by one, drawn from (seed, number) by the weights."""

    policies: tuple[Policy, ...]
    weights: tuple[float, ...]  # above 0, one a policy; only their ratios count

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
) -> Iterator[Episode]:
    """Episodes `first` to `first + episodes - 1` of a window, in order, whatever the batch.

    Where each begins, which policy of a mixture plays it and every draw in it depend on (seed,
    number) alone. What is held in memory is bounded by `AHEAD` batches of episodes.
    """
    mixture = policy if isinstance(policy, Mixture) else Mixture((policy,), (1.0,))
    for each in mixture.policies:
        check_policy(each, scenario)
    simulator = scenario.simulator(batch=max(1, min(batch, episodes)), trace=trace)
    starts_of(scenario, simulator.trace, window)  # refused here, not at the first episode
    stage = _Stage(scenario, simulator, mixture, window, seed)
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
        for episode in stage.step():
            done[episode.played.number] = episode
        while due in done:
            yield done.pop(due)
            due += 1


class _Stage:
    """A batch of environments, what they play, and the tape of it."""

    def __init__(
        self, scenario: Scenario, simulator: Simulator, mixture: Mixture, window: str, seed: int
    ) -> None:
        self._scenario, self._simulator, self._mixture = scenario, simulator, mixture
        self._window, self._seed = window, seed
        self._component = np.zeros(simulator.batch, np.int64)
        self._played: dict[int, sim.Episode] = {}
        whole = scenario.horizon if isinstance(scenario.horizon, int) else FIRST_ROOM
        self._tape = _Tape(simulator.batch, simulator.layout, whole + 1)

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
        self._tape.begin(np.fromiter(episodes, np.int64), simulator)

    def step(self) -> Iterator[Episode]:
        """Step every running environment; the episodes that ended with it."""
        simulator = self._simulator
        live = np.flatnonzero(simulator.running)
        actions, logp = self._act(live)
        simulator.step(actions)
        self._tape.add(live, simulator, actions, logp)
        for b in live[~simulator.running[live]].tolist():
            yield self._tape.cut(b, simulator, self._played.pop(b), int(self._component[b]))

    def _act(self, live: NDArray[np.int64]) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
        """Answers of each environment's own policy and their log-probabilities, (B, K)."""
        keys = self._simulator.keys()
        chosen = np.unique(self._component[live]).tolist()
        actions, logp = self._mixture.policies[chosen[0]].act(self._simulator, keys)
        for component in chosen[1:]:
            others, other_logp = self._mixture.policies[component].act(self._simulator, keys)
            plays = (self._component == component)[:, None]
            actions = np.where(plays, others, actions)
            logp = np.where(plays, other_logp, logp)
        return actions, logp


class _Tape:
    """Arrays (B, transitions, ...) that fill up as the environments play."""

    def __init__(self, batch: int, layout: ObservationLayout, room: int) -> None:
        clusters = layout.clusters
        self._length = np.zeros(batch, np.int64)  # (B,) transitions so far
        shapes: dict[str, tuple[type[np.generic], tuple[int, ...]]] = {
            "observations": (np.float32, (clusters, layout.size)),
            "masks": (np.int8, (clusters, layout.actions)),
            "actions": (np.int64, (clusters,)),
            "rewards": (np.float64, ()),
            "agent_rewards": (np.float64, (clusters,)),
            "behavior_logp": (np.float64, (clusters,)),
            "reached": (np.bool_, (clusters,)),
            "effective_action": (np.int64, (clusters,)),
            "seconds": (np.int64, ()),
        }
        self._arrays: dict[str, NDArray[np.generic]] = {
            name: np.empty((batch, room, *shape), kind) for name, (kind, shape) in shapes.items()
        }

    def begin(self, which: NDArray[np.int64], simulator: Simulator) -> None:
        """The first observations of new episodes."""
        self._length[which] = 0
        self._arrays["observations"][which, 0] = simulator.observation[which]
        self._arrays["masks"][which, 0] = simulator.mask[which]

    def add(
        self,
        live: NDArray[np.int64],
        simulator: Simulator,
        actions: NDArray[np.int64],
        logp: NDArray[np.float64],
    ) -> None:
        """A transition of every environment that was running."""
        at, state = self._length[live], simulator.state
        if at.max() + 1 >= self._arrays["observations"].shape[1]:
            self._arrays = {name: _doubled(array) for name, array in self._arrays.items()}
        arrays = self._arrays
        arrays["actions"][live, at] = actions[live]
        # the mean as the Gymnasium environment takes it, so that it repeats to the last bit
        arrays["rewards"][live, at] = simulator.reward[live].mean(axis=1)
        arrays["agent_rewards"][live, at] = simulator.own_reward[live]
        arrays["behavior_logp"][live, at] = logp[live]
        arrays["reached"][live, at] = state.reached[live]
        arrays["effective_action"][live, at] = state.effective[live]
        arrays["seconds"][live, at] = state.outcome[live, SECONDS]
        arrays["observations"][live, at + 1] = simulator.observation[live]
        arrays["masks"][live, at + 1] = simulator.mask[live]
        self._length[live] += 1

    def cut(self, b: int, simulator: Simulator, played: sim.Episode, component: int) -> Episode:
        """Environment b's episode, which has ended, as arrays of its own."""
        length = int(self._length[b])
        rows = {"observations": length + 1, "masks": length + 1}
        arrays = {
            name: array[b, : rows.get(name, length)].copy() for name, array in self._arrays.items()
        }
        return Episode(
            **arrays,  # type: ignore[arg-type]  # named and typed as the fields are
            component=component,
            terminated=bool(simulator.terminated[b]),
            truncated=bool(simulator.truncated[b]),
            played=played,
            metrics=simulator.metrics(b),
        )


def _doubled(array: NDArray[np.generic]) -> NDArray[np.generic]:
    """The same with room for twice the transitions."""
    wide = np.empty((array.shape[0], 2 * array.shape[1], *array.shape[2:]), array.dtype)
    wide[:, : array.shape[1]] = array
    return wide
