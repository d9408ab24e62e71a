"""What policies reached on the same episodes, and how sure that is."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from vmagent_marl.episodes.collecting import intervals
from vmagent_marl.episodes.collecting.intervals import Estimate, Floats
from vmagent_marl.episodes.collecting.reference import RANDOM
from vmagent_marl.episodes.recording.play import Played
from vmagent_marl.errors import unknown_name
from vmagent_marl.evaluation import statistics
from vmagent_marl.evaluation.bounds import Bound
from vmagent_marl.scenario import Scenario

Score = Literal["return", "profit share", "wait_s"]


@dataclass(frozen=True)
class Result:
    """One policy's episodes."""

    policy: str
    is_heuristic: bool  # a decentralised one
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
    rows: tuple[int, int] | None = None  # of the trace, from which to before which the window is
    given_starts: bool = False  # whether the episodes begin at rows that were given
    chosen: str | None = None  # the best heuristic, where validation episodes were played for it
    bound: Bound | None = None  # on the score of any policy
    lost_bound: Bound | None = None  # on the share of the cpu-seconds that are turned away

    @property
    def where(self) -> str:
        """Which rows of the trace were played, in words."""
        if self.given_starts:
            return "given rows"
        if self.window == "all":
            return "whole trace"
        rows = f", rows {self.rows[0]:,} to {self.rows[1] - 1:,}" if self.rows else ""
        return f"{self.window} window{rows}"

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
        return intervals.blocks_of(first, first + np.maximum(length, 1))

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
        """The best heuristic besides `random`, at which the normalised score is 1.

        The one `chosen` on validation episodes; without it the best one on these.
        """
        if self.chosen is not None:
            return self.chosen
        heuristics = {r.policy for r in self.results if r.is_heuristic} - {RANDOM}
        return next((policy for policy in self.ranked if policy in heuristics), None)

    def normalised(self, policy: str, reference: str | None = None) -> Estimate | None:
        """See `intervals.normalised`; None also where `random` or a reference was not played."""
        best = reference or self.reference
        if best is None or not {best, RANDOM} <= set(self.policies):
            return None
        zero, one = self._value(RANDOM), self._value(best)
        spread = self.difference(best, RANDOM)
        value = intervals.normalised(self._value(policy), zero, one, spread)
        if value is None:
            return None
        zeros, ones = self._draws(RANDOM), self._draws(best)
        apart = ones - zeros
        draws = np.divide(
            self._draws(policy) - zeros, apart, out=np.full_like(apart, np.nan), where=apart != 0
        )
        return self._estimate(value, draws)

    @property
    def bound_estimate(self) -> Estimate | None:
        """The bound on the score of any policy over these episodes, where one is known."""
        if self.bound is None:
            return None
        return self._estimate(self.bound.value, self._bound_draws(self.bound))

    def gap(self, policy: str) -> Estimate | None:
        """Share that a policy's score is short of the bound, 1 - score / bound.

        Where less is better, the share of it that is beyond the bound: 1 - bound / score. None
        where there is no bound, or nothing above 0 to take a share of, and for a policy whose queue
        stood still for good: the waits of those who stand in it end nowhere.
        """
        stuck = self.less_is_better and self.result(policy).column("turned_away").any()
        if self.bound is None or stuck:
            return None
        value, most = self._value(policy), self.bound.value
        draws, most_draws = self._draws(policy), self._bound_draws(self.bound)
        if self.less_is_better:
            value, most, draws, most_draws = most, value, most_draws, draws
        if most <= 0.0:
            return None
        over = np.divide(draws, most_draws, out=np.full_like(draws, np.nan), where=most_draws > 0)
        return self._estimate(1.0 - value / most, 1.0 - over)

    def lost_cpu(self, policy: str) -> float:
        """Share of the cpu-seconds of all VMs up to their episode's end that was turned away."""
        result = self.result(policy)
        lost, placed = (result.column(f"{what}_cpu_s").sum() for what in ("turned_away", "placed"))
        return float(lost / (lost + placed)) if lost else 0.0

    def _bound_draws(self, bound: Bound) -> Floats:
        return intervals.ratio_draws(bound.part, bound.whole, self.blocks, self._drawn)

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
        return intervals.ratio_draws(*self._parts(policy), self.blocks, self._drawn)

    @cached_property
    def _drawn(self) -> Floats:
        return intervals.draw_blocks(self.blocks, self.seed)

    def _estimate(self, value: float, draws: Floats) -> Estimate:
        """Of a single block nothing can be drawn: its interval is unknown, not of width zero."""
        if self.block_count < 2:
            return Estimate(value, float("nan"), float("nan"))
        return Estimate(value, *intervals.percentiles(draws))


def score_of(scenario: Scenario) -> Score:
    """What a scenario is scored by."""
    paid = {name for name, weight in scenario.reward.items() if weight}
    if paid == {"profit"}:
        return "profit share"
    return "wait_s" if paid and paid <= {"wait", "wait_hours"} else "return"
