"""What policies reached on the same episodes, and how sure that is."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from vmagent_marl.errors import PolicyError, SettingError, unknown_name
from vmagent_marl.evaluation import statistics
from vmagent_marl.evaluation.play import Played, play
from vmagent_marl.evaluation.starts import episodes_at, episodes_in
from vmagent_marl.evaluation.statistics import Estimate, Floats
from vmagent_marl.policies import Heuristic, Policy, check_policy, make_policy
from vmagent_marl.scenario import Scenario, load_scenario
from vmagent_marl.trace import Trace

Score = Literal["return", "profit share", "wait_s"]

RANDOM = "random"  # the policy at which the normalised score is 0


@dataclass(frozen=True)
class Result:
    """One policy's episodes."""

    policy: str
    is_heuristic: bool
    played: tuple[Played, ...]

    def column(self, metric: str) -> Floats:
        """(episodes,) a field of the metrics, or `return`."""
        if metric == "return":
            return np.array([p.team_return for p in self.played])
        return np.array([getattr(p.metrics, metric) for p in self.played], np.float64)


@dataclass(frozen=True)
class Scores:
    """Policies on the same episodes of one scenario; the first policy is the baseline.

    The score is `profit share` where the reward is profit: sum of profit / sum of possible revenue
    over all episodes, never the mean of ratios; `wait_s` per episode where it is wait (less is
    better); else the team's mean return per episode. Every interval is a 95 % percentile bootstrap
    of 10,000 resamples over blocks of the trace, the same draws for all policies.
    """

    scenario: Scenario
    trace: str  # its name
    fingerprint: str  # sha256 of the trace
    window: str
    seed: int  # of the episodes and of the bootstrap
    results: tuple[Result, ...]

    @property
    def policies(self) -> list[str]:
        """Names, in the order they were given."""
        return [result.policy for result in self.results]

    @property
    def baseline(self) -> str:
        """The policy that others are compared with: the first."""
        return self.results[0].policy

    @property
    def score(self) -> Score:
        """What is compared."""
        return score_of(self.scenario)

    @property
    def less_is_better(self) -> bool:
        """Whether a lower score is the better one."""
        return self.score == "wait_s"

    @property
    def ranked(self) -> list[str]:
        """Names, the best score first."""
        sign = 1 if self.less_is_better else -1
        return sorted(self.policies, key=lambda policy: sign * self._value(policy))

    def result(self, policy: str) -> Result:
        """A policy's episodes by its name."""
        for result in self.results:
            if result.policy == policy:
                return result
        raise unknown_name("policy", policy, self.policies)

    def values(self, policy: str) -> Floats:
        """(episodes,) the score of each episode."""
        part, whole = self._parts(policy)
        return np.divide(part, whole, out=np.zeros_like(part), where=whole != 0)

    @cached_property
    def blocks(self) -> NDArray[np.int64]:
        """(episodes,) block of the trace of each episode, by the longest that any policy played."""
        first = self.results[0].column("start")
        length = np.max([result.column("requests") for result in self.results], axis=0)
        return statistics.blocks_of(first, first + np.maximum(length, 1))

    @property
    def block_count(self) -> int:
        """Blocks of the trace that the episodes cover: what an interval is drawn from."""
        return int(self.blocks.max()) + 1

    def estimate(self, policy: str) -> Estimate:
        """The score with its interval."""
        return self._estimate(self._value(policy), self._draws(policy))

    def difference(self, policy: str, baseline: str | None = None) -> Estimate:
        """Score less the baseline's on the same episodes, with the interval of the difference."""
        other = baseline or self.baseline
        draws = self._draws(policy) - self._draws(other)
        return self._estimate(self._value(policy) - self._value(other), draws)

    def improvement(self, policy: str, baseline: str | None = None) -> Estimate:
        """Probability that an episode is better than the baseline's on the same rows, ties half."""
        sign = -1 if self.less_is_better else 1
        new, old = self.values(policy), self.values(baseline or self.baseline)
        return statistics.paired_improvement(
            sign * new, sign * old, blocks=self.blocks, seed=self.seed
        )

    @property
    def reference(self) -> str | None:
        """The best heuristic played, at which the normalised score is 1, besides `random`."""
        heuristics = {r.policy for r in self.results if r.is_heuristic} - {RANDOM}
        return next((policy for policy in self.ranked if policy in heuristics), None)

    def normalised(self, policy: str, reference: str | None = None) -> Estimate | None:
        """(R - R_random) / (R_reference - R_random) on means over the same episodes.

        None, for undefined: `random` or a reference was not played, or their difference is within
        its interval of zero.
        """
        best = reference or self.reference
        if best is None or RANDOM not in self.policies:
            return None
        if self.difference(best, RANDOM).holds_zero:
            return None
        zero, one = self._value(RANDOM), self._value(best)
        zeros, ones = self._draws(RANDOM), self._draws(best)
        spread = ones - zeros
        draws = np.divide(
            self._draws(policy) - zeros, spread, out=np.full_like(spread, np.nan), where=spread != 0
        )
        return self._estimate((self._value(policy) - zero) / (one - zero), draws)

    def _parts(self, policy: str) -> tuple[Floats, Floats]:
        """(episodes,) what the score is the ratio of sums of."""
        result = self.result(policy)
        if self.score == "profit share":
            return result.column("profit"), result.column("possible_revenue")
        column = result.column(self.score)
        return column, np.ones_like(column)

    def _value(self, policy: str) -> float:
        part, whole = self._parts(policy)
        return float(part.sum() / whole.sum()) if whole.sum() else 0.0

    def _draws(self, policy: str) -> Floats:
        """(resamples,) the score over drawn blocks; the same blocks for every policy."""
        return statistics.ratio_draws(*self._parts(policy), self.blocks, self._drawn)

    @cached_property
    def _drawn(self) -> Floats:
        return statistics.draw_blocks(self.blocks, self.seed)

    def _estimate(self, value: float, draws: Floats) -> Estimate:
        """Of a single block nothing can be drawn: its interval is unknown, not of width zero."""
        if self.block_count < 2:
            return Estimate(value, float("nan"), float("nan"))
        return Estimate(value, *statistics.percentiles(draws))


def score_of(scenario: Scenario) -> Score:
    """What a scenario is scored by."""
    paid = {name for name, weight in scenario.reward.items() if weight}
    if paid == {"profit"}:
        return "profit share"
    return "wait_s" if paid == {"wait"} else "return"


def evaluate(
    scenario: Scenario | str | Path,
    policies: str | Policy | Sequence[str | Policy],
    *,
    windows: str = "validation",
    episodes: int = 20,
    seed: int = 0,
    starts: Sequence[int] | None = None,
    trace: Trace | str | Path | None = None,
    progress: bool = False,
) -> Scores:
    """Play policies on the same episodes and score them.

    >>> evaluate("recovering", ["first-fit", "server-best-fit"]).ranked
    ['server-best-fit', 'first-fit']

    `windows` names the rows of the trace from which episodes are drawn; `starts` gives rows of the
    whole trace instead, one episode each. `trace` stands in for the scenario's own. Raises
    `PolicyError` for policies that do not go with the scenario, before any is played.
    """
    played = scenario if isinstance(scenario, Scenario) else load_scenario(scenario)
    if isinstance(trace, (str, Path)):
        played, trace = played.replace(trace=str(trace)), None
    rows = played.load_trace() if trace is None else trace
    players = _players(policies)
    if starts is None:
        chosen = episodes_in(played, rows, windows, episodes=episodes, seed=seed)
    elif len(starts):
        windows, chosen = "all", episodes_at(starts, rows, seed=seed)
    else:
        raise SettingError("starts: hold no row: give one or more, or none at all for a window")
    for policy in players:
        check_policy(policy, played)
    results = tuple(
        Result(
            policy=policy.name,
            is_heuristic=isinstance(policy, Heuristic),
            played=tuple(play(played, policy, chosen, trace=rows, progress=progress)),
        )
        for policy in players
    )
    return Scores(played, rows.name, rows.fingerprint, windows, seed, results)


def _players(policies: str | Policy | Sequence[str | Policy]) -> list[Policy]:
    several = policies if isinstance(policies, Sequence) else [policies]
    given = [policies] if isinstance(policies, str) else several
    players = [make_policy(p) if isinstance(p, str) else p for p in given]
    names = [policy.name for policy in players]
    if not names:
        raise PolicyError("no policy to evaluate: name one or more")
    for name in names:
        if names.count(name) > 1:
            raise PolicyError(f"two policies are named {name!r}: give each a name of its own")
    return players
