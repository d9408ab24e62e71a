"""Recorded actions played again in the simulator, many episodes side by side, bit by bit."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from vmagent_marl.episodes.recording.episode import Episode
from vmagent_marl.policies import Policy
from vmagent_marl.sim import Simulator
from vmagent_marl.sim.state import SECONDS

Drawn = NDArray[np.int64]


@dataclass(frozen=True)
class Fault:
    """The first place where an episode and its replay part."""

    episode: int  # its place among those given
    policy: bool  # the policy answers otherwise, and not the environment
    told: str


def replay(
    simulator: Simulator, episodes: Sequence[Episode], policies: Sequence[Policy | None]
) -> Iterator[Fault]:
    """Play up to a batch of episodes again; the first fault of each, and of its policy.

    What is seen, allowed, paid, reached, how actions count, the seconds, the end and the metrics
    are compared bit by bit; where the episode's policy is known, also its action and the action's
    log-probability. Actions are to lie in the action space.
    """
    simulator.reset({b: episode.played for b, episode in enumerate(episodes)})
    lengths = np.array([len(episode) for episode in episodes])
    played = _Played(simulator, episodes)
    parted: set[tuple[int, bool]] = set()

    def first(which: Any, policy: bool, told: str) -> Iterator[Fault]:
        for b in np.asarray(which).tolist():
            if (b, policy) not in parted:
                parted.add((b, policy))
                yield Fault(b, policy, told)

    for t in range(int(lengths.max()) + 1):
        live = np.flatnonzero(lengths >= t)
        for name, wrong in played.seen(live, t):
            yield from first(live[wrong], False, f"{name} of row {t}")
        live = np.flatnonzero(lengths > t)
        if not live.size:
            break
        over = ~simulator.running[live]
        yield from first(live[over], False, f"the game, which ends before transition {t},")
        for which, wrong in played.answers(live, t, policies):
            yield from first(which[wrong], True, f"answer or probability of transition {t}")
        simulator.step(played.plans(live, t))
        for name, wrong in played.outcome(live, t):
            yield from first(live[wrong], False, f"{name} of transition {t}")
        last = live[lengths[live] == t + 1]
        for name, wrong in played.ends(last):
            yield from first(last[wrong], False, name)


class _Played:
    """The arrays of episodes, stacked so that one indexing compares them all."""

    def __init__(self, simulator: Simulator, episodes: Sequence[Episode]) -> None:
        self._simulator, self._episodes = simulator, episodes
        self._component = np.array([episode.component for episode in episodes])
        self._plans = np.zeros((simulator.batch, simulator.clusters), np.int64)
        names = episodes[0].arrays
        self._rows = {name: _stacked([each.arrays[name] for each in episodes]) for name in names}

    def _at(self, name: str, live: Drawn, t: int) -> NDArray[Any]:
        """Row t of an array of the live episodes."""
        rows: NDArray[Any] = self._rows[name][t, live]
        return rows

    def seen(self, live: Drawn, t: int) -> Iterator[tuple[str, NDArray[np.bool_]]]:
        """What is seen of row t and is not what was recorded."""
        simulator = self._simulator
        yield "observation", _differ(self._at("observations", live, t), simulator.observation[live])
        yield "mask", _differ(self._at("masks", live, t), simulator.mask[live])

    def plans(self, live: Drawn, t: int) -> NDArray[np.int64]:
        """What was answered."""
        self._plans[live] = self._at("actions", live, t)
        return self._plans

    def answers(
        self, live: Drawn, t: int, policies: Sequence[Policy | None]
    ) -> Iterator[tuple[Drawn, NDArray[np.bool_]]]:
        """Where the policies, asked again, answer otherwise or with another probability."""
        keys = self._simulator.keys()
        for component in np.unique(self._component[live]).tolist():
            policy = policies[component]
            if policy is None:
                continue
            which = live[self._component[live] == component]
            actions, logp = policy.act(self._simulator, keys)
            yield which, _differ(self._at("actions", which, t), actions[which])
            yield which, _differ(self._at("behavior_logp", which, t), logp[which])

    def outcome(self, live: Drawn, t: int) -> Iterator[tuple[str, NDArray[np.bool_]]]:
        """What transition t came to and was recorded otherwise."""
        simulator, state = self._simulator, self._simulator.state
        for name, values in (
            ("rewards", simulator.team_reward),
            ("agent_rewards", simulator.own_reward),
            ("reached", state.reached),
            ("effective_action", state.effective),
            ("seconds", state.outcome[:, SECONDS]),
        ):
            yield name, _differ(self._at(name, live, t), values[live])

    def ends(self, last: Drawn) -> Iterator[tuple[str, NDArray[np.bool_]]]:
        """Episodes that were to end here and did not, or otherwise."""
        simulator = self._simulator
        for name, values in (
            ("terminated", simulator.terminated),
            ("truncated", simulator.truncated),
        ):
            recorded = np.array([getattr(self._episodes[b], name) for b in last.tolist()], np.bool_)
            yield f"the end ({name})", recorded != values[last]
        unlike = [self._episodes[b].metrics != simulator.metrics(b) for b in last.tolist()]
        yield "the metrics", np.array(unlike, np.bool_)


def _stacked(arrays: Sequence[NDArray[Any]]) -> NDArray[Any]:
    """(rows, episodes, ...), the longest one's rows."""
    whole = np.zeros((max(map(len, arrays)), len(arrays), *arrays[0].shape[1:]), arrays[0].dtype)
    for i, array in enumerate(arrays):
        whole[: len(array), i] = array
    return whole


def _differ(recorded: NDArray[Any], played: NDArray[Any]) -> NDArray[np.bool_]:
    """(episodes,) whether anything differs; NaN is like NaN, and 0 not like -0."""
    left = np.ascontiguousarray(recorded).view(np.uint8).reshape(len(recorded), -1)
    right = np.ascontiguousarray(played).astype(recorded.dtype, copy=False)
    same = left == right.view(np.uint8).reshape(len(recorded), -1)
    unlike: NDArray[np.bool_] = ~same.all(axis=1)
    return unlike
