"""How a learned policy compares with the heuristics, as the programs say it when they end."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from vmagent_marl.evaluation import evaluate, print_scores
from vmagent_marl.policies import Policy, policy_names
from vmagent_marl.policies.checkpoint import load_policy
from vmagent_marl.scenario import scenario_from

FLATTERED = (
    "The validation window chose among this run's checkpoints, and these episodes share rows with\n"
    "those that did: the learned policy looks better here than it is. --compare test plays rows\n"
    "that had no say."
)


def print_comparison(
    file: Path, window: Literal["validation", "test"], *, episodes: int = 20
) -> None:
    """Tables of a checkpoint and of its scenario's heuristics on the same episodes."""
    policy = load_policy(file)
    scenario = scenario_from(policy.training.scenario)
    players: list[str | Policy] = [policy, *policy_names(scenario)]
    print_scores(evaluate(scenario, players, windows=window, episodes=episodes))
    if window == "validation":
        print(FLATTERED)
