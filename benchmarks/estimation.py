"""How well estimates from recordings rank policies whose true returns are known.

python benchmarks/estimation.py                                   # a table, in some minutes
python benchmarks/estimation.py --write benchmarks/results.md     # and into the results

On each data set ten policies are estimated: networks of behaviour cloning and of CQL at several
stages of a short training, with more and less noise. Their true discounted returns are played out
in the simulator, from the very starts that were recorded, several times each.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from textwrap import fill
from typing import Any

import numpy as np
import tyro
from passing import passing_datasets
from results import measured_at, write_section

from vmagent_marl.episodes import Recipe, collect
from vmagent_marl.episodes.collecting.recipe import Player
from vmagent_marl.episodes.storage.hdf5_reader import load_episodes
from vmagent_marl.policies.network_policy import NetworkPolicy, one_thread
from vmagent_marl.scenario import Scenario, load_scenario
from vmagent_marl.sim import Episode
from vmagent_marl.train.estimation.estimating import (
    ESTIMATORS,
    PolicyEstimates,
    ReturnEstimates,
    estimate_returns,
)
from vmagent_marl.train.estimation.fitted_q import Fit
from vmagent_marl.train.estimation.ranking import regret_at_1, spearman
from vmagent_marl.train.estimation.trajectories import read_trajectories
from vmagent_marl.train.offline.data.decisions import read_decisions
from vmagent_marl.train.offline.learner import training_of
from vmagent_marl.train.offline.on_d3rlpy.d3rlpy_learner import D3rlpyLearner
from vmagent_marl.train.offline.on_d3rlpy.masked import MaskedQFunctionFactory, NetworkFactory
from vmagent_marl.train.offline.on_d3rlpy.masked_bc import MaskedBCConfig
from vmagent_marl.train.offline.on_d3rlpy.quiet_d3rlpy import DiscreteCQLConfig

NOTE = """\
Ten policies a data set: networks of behaviour cloning and of CQL at stages of a short training,
with a share of .05 or .4 of random answers; {episodes}. Estimated is the team's discounted return
(.99 a request), against the mean of plays from each recorded start. *Rank*: Spearman's
correlation of the estimates with the true returns, 1 is best. *Regret*: what choosing the highest
estimate costs, as a share of best less worst. *Error*: root mean square, in the same share. *as
recorded* stands for all ten alike: an estimate that is worse in error tells less than the
behaviour's mean. *Effective*: episodes that the weights are worth, mean over discounted requests
and policies."""


@dataclass(frozen=True)
class Case:
    """A data set, and from what."""

    name: str
    scenario: str
    players: tuple[Player, ...]
    episodes: int
    plays: int  # of each start for a true return
    fields: dict[str, Any]


CASES = (
    Case(
        "tiny, 11 requests",
        "tiny",
        (Player("first-fit", 0.6), Player("worst-fit", 0.6)),
        600,
        20,
        {"horizon": 11},
    ),
    Case(
        "region-prices, 8 requests",
        "region-prices",
        (Player("cheapest-first", 0.5), Player("accept-always", 0.5)),
        600,
        20,
        {"servers": 3, "horizon": 8},
    ),
    Case(
        "region-prices, 1,000 requests",
        "region-prices",
        (Player("cheapest-first", 0.3), Player("accept-always", 0.3)),
        60,
        4,
        {"servers": 3, "horizon": 1000},
    ),
)
STAGES = {"bc": (0, 300), "cql": (50, 200, 800)}  # updates
NOISE = (0.05, 0.4)
GAMMA = 0.99


@dataclass(frozen=True)
class Row:
    """One estimator on one data set."""

    case: str
    estimator: str
    rank: float
    regret: float
    error: float
    effective: float  # NaN without weights


def made(case: Case) -> str:
    """Record a case's data set, where Minari's folder is; its id."""
    recipe = Recipe(
        scenario=case.scenario,
        behaviour="benchmark-" + "-".join(map(str, case.fields.values())),
        policies=case.players,
        episodes=case.episodes,
        fields=case.fields,
    )
    return collect(recipe, progress=False)


def policies(dataset: str, stages: dict[str, Sequence[int]]) -> list[Any]:
    """Networks at the stages of their training, each with every share of noise."""
    network = NetworkFactory([64, 64])
    configs: dict[str, Any] = {
        "bc": MaskedBCConfig(batch_size=128, learning_rate=3e-3, encoder_factory=network),
        "cql": DiscreteCQLConfig(
            batch_size=128,
            learning_rate=3e-3,
            gamma=0.9,
            alpha=0.05,
            target_update_interval=50,
            encoder_factory=network,
            q_func_factory=MaskedQFunctionFactory(),
        ),
    }
    found = []
    for name, upto in stages.items():
        decisions = read_decisions(dataset, gamma=configs[name].gamma, reward_scale=None)
        learner = D3rlpyLearner(configs[name], decisions, device="cpu")
        training = training_of(decisions, algorithm=learner.algorithm, gamma=learner.gamma)
        for stage in upto:
            while learner.step < stage:
                learner.update()
            trained = NetworkPolicy(f"{name}-{stage}", learner.network, training)
            found += [trained.with_noise(epsilon) for epsilon in NOISE]
    return found


def true_return(scenario: Scenario, policy: Any, starts: Sequence[Episode], plays: int) -> float:
    """Mean discounted return of the team from these starts, each played so often."""
    simulator = scenario.simulator(batch=len(starts))
    total = 0.0
    for play in range(plays):
        simulator.reset({b: replace(start, seed=1000 + play) for b, start in enumerate(starts)})
        discount = 1.0
        while simulator.running.any():
            actions, _ = policy.act(simulator, simulator.keys())
            simulator.step(actions)
            total += discount * float(simulator.team_reward.sum())
            discount *= GAMMA
    return total / (plays * len(starts))


def rows_of(
    case: Case, fit: Fit, stages: dict[str, Sequence[int]], estimators: Sequence[str]
) -> list[Row]:
    """How each estimator does on a case."""
    dataset = made(case)
    scenario = load_scenario(case.scenario, **case.fields)
    targets = policies(dataset, stages)
    starts = [episode.played for episode in load_episodes(dataset)]
    begun = time.monotonic()
    true = [true_return(scenario, target, starts, case.plays) for target in targets]
    told = time.monotonic()
    found = estimate_returns(
        read_trajectories(dataset), targets, gamma=GAMMA, estimators=estimators, fit=fit
    )
    seconds = time.monotonic() - told
    print(f"{case.name}: {told - begun:.0f} s of play, {seconds:.0f} s of estimating")
    for target, value, each in zip(targets, true, found.policies, strict=True):
        guesses = ", ".join(f"{key} {one.value:.3f}" for key, one in each.estimates.items())
        print(f"  {target.name}: {value:.3f}; {guesses}")
    return _rows(case.name, found, np.array(true), estimators)


def _rows(
    case: str, found: ReturnEstimates, true: np.ndarray, estimators: Sequence[str]
) -> list[Row]:
    spread = float(true.max() - true.min()) or 1.0
    effective = float(np.mean([_effective(each, found.gamma) for each in found.policies]))
    rows = []
    for name in estimators:
        guess = np.array([each.estimates[name].value for each in found.policies])
        error = float(np.sqrt(np.mean((guess - true) ** 2))) / spread
        worth = float("nan") if name == "fqe" else effective
        rows.append(Row(case, name, spearman(guess, true), regret_at_1(guess, true), error, worth))
    error = float(np.sqrt(np.mean((found.recorded.value - true) ** 2))) / spread
    nan = float("nan")
    return [*rows, Row(case, "as recorded", nan, nan, error, nan)]


def _effective(each: PolicyEstimates, gamma: float) -> float:
    return float("nan") if each.weights is None else each.weights.effective_mean(gamma)


def markdown(rows: Sequence[Row]) -> str:
    """The table."""
    lines = [
        "| data set | by | rank | regret | error | effective |",
        "|---|---|---:|---:|---:|---:|",
    ]
    for row in rows:
        figures = (row.rank, row.regret, row.error, row.effective)
        cells = [
            "" if np.isnan(value) else f"{value:.{digits}f}"
            for value, digits in zip(figures, (2, 2, 2, 1), strict=True)
        ]
        lines.append(f"| {row.case} | {row.estimator} | {' | '.join(cells)} |")
    return "\n".join(lines)


def main(
    steps: int = 600,
    estimators: tuple[str, ...] = ESTIMATORS,
    write: Path | None = None,
) -> None:
    """Print the table.

    Args:
        steps: updates of each network of fitted Q evaluation.
        estimators: which ones.
        write: the page of results, whose section on estimates is replaced.
    """
    text = measured(CASES, Fit(steps=steps), STAGES, estimators)
    print(text)
    if write is not None:
        write_section(write, "Estimates", text)


def measured(
    cases: Sequence[Case],
    fit: Fit,
    stages: dict[str, Sequence[int]],
    estimators: Sequence[str],
) -> str:
    """The section, by data sets that are gone afterwards."""
    with passing_datasets(), one_thread():
        rows = [row for case in cases for row in rows_of(case, fit, stages, estimators)]
    recorded = "; ".join(
        f"{case.episodes} episodes of {case.name}, played {case.plays} times" for case in cases
    )
    note = fill(" ".join(NOTE.format(episodes=recorded).split()), 100)
    return f"`make bench-offline` at {measured_at()}.\n\n{note}\n\n{markdown(rows)}"


if __name__ == "__main__":
    tyro.cli(main)
