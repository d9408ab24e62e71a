"""Two scores that make returns of a scenario comparable: random play and the best heuristic."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from vmagent_marl.episodes.intervals import Estimate, Floats, blocks_of, mean_interval
from vmagent_marl.episodes.play import Played, play
from vmagent_marl.policies import make_policy, policy_names
from vmagent_marl.scenario import Scenario
from vmagent_marl.sim import Episode
from vmagent_marl.trace import Trace
from vmagent_marl.windows import episode_of

RANDOM = "random"  # the policy at which a normalised score is 0
SEED = 0  # references belong to the scenario, whatever seed a data set is drawn with
TRANSITIONS = 100_000  # of each policy, about
FEWEST, MOST = 8, 64  # episodes


@dataclass(frozen=True)
class References:
    """Mean returns over the same episodes."""

    returns: dict[str, float]  # of every heuristic that goes with the scenario
    best_policy: str  # the heuristic with the highest mean return
    spread: Estimate  # its return less that of random play
    episodes: int  # of each
    window: str
    seed: int = SEED

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


def reference_scores(
    scenario: Scenario,
    *,
    window: str = "train",
    episodes: int | None = None,
    trace: Trace | None = None,
) -> References:
    """Play every decentralised heuristic on the same episodes of a window.

    `episodes`: of each; None: about `TRANSITIONS` of them, and `FEWEST` to `MOST`.
    """
    rows = scenario.load_trace() if trace is None else trace
    if episodes is None:
        length = expected_length(scenario, window=window, seed=SEED, trace=rows)
        episodes = int(np.clip(TRANSITIONS // length, FEWEST, MOST))
    drawn = _episodes(scenario, rows, window, SEED, episodes)
    policies = [make_policy(name) for name in policy_names(scenario)]
    played = {
        policy.name: play(scenario, policy, drawn, trace=rows)
        for policy in policies
        if policy.needs != "everything"
    }
    returns = {name: float(_returns(each).mean()) for name, each in played.items()}
    best = max(returns, key=lambda name: returns[name])
    return References(returns, best, _spread(played[best], played[RANDOM]), episodes, window)


def expected_length(scenario: Scenario, *, window: str, seed: int, trace: Trace) -> int:
    """Transitions of an episode: its horizon, else the longest of a few under first fit."""
    if isinstance(scenario.horizon, int):
        return scenario.horizon
    drawn = _episodes(scenario, trace, window, seed, FEWEST)
    played = play(scenario, make_policy("first-fit"), drawn, trace=trace)
    return max(1, *(each.transitions for each in played))


def _episodes(
    scenario: Scenario, trace: Trace, window: str, seed: int, number: int
) -> list[Episode]:
    return [episode_of(scenario, trace, window, seed=seed, number=i) for i in range(number)]


def _returns(played: list[Played]) -> Floats:
    """(episodes,) of the team."""
    return np.array([each.team_return for each in played])


def _spread(best: list[Played], random: list[Played]) -> Estimate:
    """Difference of the mean returns on the same episodes; what overlaps is counted once."""
    pairs = list(zip(best, random, strict=True))
    first = np.array([each.metrics.start for each in best])
    length = np.array([max(a.metrics.requests, b.metrics.requests, 1) for a, b in pairs])
    blocks = blocks_of(first, first + length)
    return mean_interval(_returns(best) - _returns(random), blocks=blocks, seed=SEED)
