"""Two scores that make returns of a scenario comparable: random play and the best heuristic."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from vmagent_marl.episodes.collecting.intervals import Estimate, Floats, blocks_of, mean_interval
from vmagent_marl.episodes.recording.play import episodes_of, expected_length, play
from vmagent_marl.policies import make_policy, policy_names
from vmagent_marl.scenario import Scenario
from vmagent_marl.trace import Trace

RANDOM = "random"  # the policy at which a normalised score is 0
TRANSITIONS = 100_000  # of each policy, about
FEWEST, MOST = 8, 256  # episodes


@dataclass(frozen=True)
class References:
    """Mean returns over the same episodes: the first of a seed, as a data set of it has them."""

    returns: dict[str, float]  # of every heuristic that goes with the scenario
    best_policy: str  # the heuristic with the highest mean return
    spread: Estimate  # its return less that of random play
    episodes: int  # of each
    window: str
    seed: int

    @property
    def random(self) -> float:
        """Mean return of random legal play."""
        return self.returns[RANDOM]

    @property
    def best(self) -> float:
        """Mean return of the best heuristic."""
        return self.returns[self.best_policy]

    def as_dict(self) -> dict[str, Any]:
        """Plain values for JSON; the ends of an interval that is unknown are None."""
        spread = {k: None if np.isnan(x) else x for k, x in asdict(self.spread).items()}
        return {
            "returns": self.returns,
            "best_policy": self.best_policy,
            "best_less_random": spread,
            "episodes": self.episodes,
            "window": self.window,
            "seed": self.seed,
        }


@dataclass(frozen=True)
class Outcomes:
    """What one policy's episodes came to, one after the other."""

    returns: Floats  # (episodes,) of the team
    first: NDArray[np.int64]  # (episodes,) row of the trace
    requests: NDArray[np.int64]  # (episodes,) rows from there on


@dataclass(frozen=True)
class ReferenceGame:
    """The episodes that references play; a worker process can be handed it."""

    scenario: Scenario
    window: str
    seed: int
    episodes: int

    @property
    def policies(self) -> list[str]:
        """The decentralised heuristics that go with the scenario."""
        names = policy_names(self.scenario)
        return [name for name in names if make_policy(name).needs != "everything"]

    def played(self, policy: str, trace: Trace | None = None) -> Outcomes:
        """Every episode, by one of the policies."""
        rows = self.scenario.load_trace() if trace is None else trace
        drawn = episodes_of(self.scenario, rows, self.window, self.seed, self.episodes)
        played = play(self.scenario, make_policy(policy), drawn, trace=rows)
        return Outcomes(
            returns=np.array([each.team_return for each in played]),
            first=np.array([each.metrics.start for each in played]),
            requests=np.array([each.metrics.requests for each in played]),
        )

    def references(self, outcomes: Mapping[str, Outcomes]) -> References:
        """What the outcomes of every policy come to."""
        returns = {name: float(each.returns.mean()) for name, each in outcomes.items()}
        best = max(returns, key=lambda name: returns[name])
        spread = _spread(outcomes[best], outcomes[RANDOM])
        return References(returns, best, spread, self.episodes, self.window, self.seed)


def reference_scores(
    scenario: Scenario,
    *,
    window: str = "train",
    seed: int = 0,
    episodes: int | None = None,
    trace: Trace | None = None,
) -> References:
    """Play every decentralised heuristic on the same episodes of a window.

    `episodes`: of each; None: about `TRANSITIONS` of them, and `FEWEST` to `MOST`.
    """
    rows = scenario.load_trace() if trace is None else trace
    if episodes is None:
        length = expected_length(scenario, window=window, seed=seed, trace=rows)
        episodes = enough_episodes(length)
    game = ReferenceGame(scenario, window, seed, episodes)
    return game.references({name: game.played(name, rows) for name in game.policies})


def enough_episodes(length: int) -> int:
    """Of so many transitions, to tell a mean."""
    return int(np.clip(TRANSITIONS // length, FEWEST, MOST))


def _spread(best: Outcomes, random: Outcomes) -> Estimate:
    """Difference of the mean returns on the same episodes; what overlaps is counted once."""
    length = np.maximum(np.maximum(best.requests, random.requests), 1)
    blocks = blocks_of(best.first, best.first + length)
    return mean_interval(best.returns - random.returns, blocks=blocks)
