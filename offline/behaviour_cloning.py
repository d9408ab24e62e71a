"""Behaviour cloning: imitate what was recorded, among the legal actions.

Supervised learning of the recorded actions (Pomerleau, NIPS 1988; as the baseline of offline
reinforcement learning in Fu et al. 2020, arXiv 2004.07219). The loss is the cross-entropy
of the recorded action under a softmax over the legal ones.

Differences from the sources:
- illegal actions are masked in the softmax, and so in the loss and in acting;
- agents share parameters; each imitates its answers to the requests that reached it, and is told
  who it is by a one-hot identity;
- it acts greedily: of a noisy recording it plays the action recorded most often in like
  situations, and so leaves most of the noise behind;
- the checkpoint that is kept is the best of those validated on the scenario's validation window.

    python offline/behaviour_cloning.py --dataset vmagent/region-prices/mixed-v0 --out runs/bc
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from pathlib import Path

import tyro

from vmagent_marl.errors import VmagentError


@dataclass(frozen=True)
class Args:
    """What to learn from, and how."""

    dataset: tuple[str, ...]
    """Ids of Minari data sets, all of one scenario."""
    out: Path
    """Folder for policy.pt, curve.csv and config.json; a killed run goes on there."""
    steps: int = 4000
    """Updates."""
    batch_size: int = 256
    """Decisions an update."""
    learning_rate: float = 3e-4
    """Of Adam."""
    beta: float = 0.0
    """Weight of the penalty on squared logits."""
    hidden: tuple[int, ...] = (64, 64)
    """Sizes of the hidden layers."""
    seed: int = 0
    """Of the first parameters and of the batches."""
    validate_every: int = 500
    """Updates between validations."""
    validation_episodes: int = 8
    """Episodes a validation plays."""


def main(args: Args) -> None:
    """Train, then compare with the heuristics on validation episodes that chose no checkpoint."""
    from vmagent_marl.evaluation import evaluate, print_scores
    from vmagent_marl.policies import policy_names
    from vmagent_marl.policies.checkpoint import load_policy
    from vmagent_marl.scenario import scenario_from
    from vmagent_marl.train import train_offline
    from vmagent_marl.train.validation import CHOSEN_ON

    file = train_offline("bc", **asdict(args))
    scenario = scenario_from(load_policy(file).training.scenario)
    players = [str(file), *policy_names(scenario)]
    print_scores(evaluate(scenario, players, episodes=args.validation_episodes, seed=CHOSEN_ON + 1))
    print(f"The policy is in {file}")


if __name__ == "__main__":
    try:
        main(tyro.cli(Args, description=__doc__))
    except VmagentError as error:
        raise SystemExit(f"behaviour_cloning: {error}") from None
