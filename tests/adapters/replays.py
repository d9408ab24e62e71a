"""The episodes that our own PettingZoo form plays, to hold the adapters' against."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

import vmagent_marl as vm

# One cluster until the first VM is turned away, and three until the horizon
ENDS: list[tuple[str, dict[str, Any]]] = [
    ("recovering", {"servers": 1}),
    ("region-prices", {"horizon": 25, "share": 0.5}),
]


@dataclass(frozen=True)
class Transition:
    """What is seen before a request, and what its answers bring."""

    seen: NDArray[np.float32]  # (K, F)
    mask: NDArray[np.int8]  # (K, A)
    state: NDArray[np.float32]
    reward: NDArray[np.float64]  # (K,)
    terminated: bool
    truncated: bool
    seen_after: NDArray[np.float32]  # (K, F)


def plans_for(number: int, request: int, mask: Any) -> NDArray[np.int64]:
    """(K,) legal answers, by the episode's number and the request's in it alone."""
    rng = np.random.default_rng((number, request))
    return np.array([rng.choice(np.flatnonzero(row)) for row in np.atleast_2d(mask)])


def replay(name: str, seed: int, number: int, **fields: Any) -> Iterator[Transition]:
    """Episode `number` of a seed under `plans_for`, as `parallel_env` plays it."""
    env = vm.parallel_env(name, **fields)
    env.reset(seed=seed, options={"number": number})
    request = 0
    while env.agents:
        simulator = env.game.simulator
        seen, mask = simulator.observation[0].copy(), simulator.mask[0].copy()
        state, plans = env.state(), plans_for(number, request, mask)
        _, rewards, _, _, _ = env.step(dict(zip(env.agents, plans.tolist(), strict=True)))
        after = simulator.observation[0].copy()
        paid = np.array(list(rewards.values()))
        yield Transition(seen, mask, state, paid, *env.game.ends, after)
        request += 1


class Numbers:
    """Which episode every environment of a batch plays, and at which request it is."""

    def __init__(self, batch: int) -> None:
        self.number, self.request, self.following = list(range(batch)), [0] * batch, batch

    def advance(self, over: NDArray[np.bool_]) -> None:
        """A step later; whoever ended plays the next number, the lower environment first."""
        for b, ended in enumerate(over.tolist()):
            self.request[b] += 1
            if ended:
                self.number[b], self.request[b] = self.following, 0
                self.following += 1


class Replays:
    """Transitions of `replay`, in any order of asking."""

    def __init__(self, name: str, seed: int, **fields: Any) -> None:
        self._of = lambda number: list(replay(name, seed, number, **fields))
        self._known: dict[int, list[Transition]] = {}

    def at(self, number: int, request: int) -> Transition:
        """The transition of a request."""
        if number not in self._known:
            self._known[number] = self._of(number)
        return self._known[number][request]
