"""Discrete CQL: Q-learning from recordings that distrusts what nobody tried, with action masks.

Conservative Q-learning (Kumar, Zhou, Tucker & Levine, NeurIPS 2020, arXiv 2006.04779), the CQL(H)
of its equation 4 in the discrete form of its appendix F, as d3rlpy has it: double DQN plus
alpha x mean(logsumexp over actions of Q - Q of the recorded action).

Differences from the paper:
- illegal actions are masked in the greedy action, the target and the logsumexp;
- agents share parameters; each learns from the requests that reached it, with the rewards between
  two of them summed (a semi-Markov process), and is told who it is by a one-hot identity;
- a mean Q-function in place of QR-DQN's quantiles, the Huber loss of d3rlpy, alpha fixed;
- rewards are divided by their root mean square, and the discount is short: on region-prices longer
  ones gained nothing;
- the checkpoint that is kept is the best of those validated on the scenario's validation window.

    python offline/discrete_cql.py --dataset vmagent/region-prices/mixed-v0 --out runs/cql
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

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
    gamma: float = 0.9
    """Discount a request."""
    alpha: float = 0.3
    """Weight of the conservative loss; 0 is double DQN."""
    target_every: int = 500
    """Updates between copies to the target network."""
    hidden: tuple[int, ...] = (64, 64)
    """Sizes of the hidden layers."""
    reward: Literal["team", "own"] = "team"
    """The team's mean, or what each cluster earns itself."""
    reward_scale: float | None = None
    """Rewards are divided by it; by default by their root mean square."""
    seed: int = 0
    """Of the first parameters and of the batches."""
    validate_every: int = 500
    """Updates between validations."""
    validation_episodes: int = 8
    """Episodes a validation plays."""
    compare: Literal["validation", "test", "no"] = "validation"
    """Window on which it is compared with the heuristics in the end."""


def main(args: Args) -> None:
    """Train, then compare the best checkpoint with the heuristics."""
    from vmagent_marl.train.comparison import print_comparison
    from vmagent_marl.train.offline.learning import train_offline
    from vmagent_marl.train.offline.masked import FeatureEncoderFactory, MaskedQFunctionFactory
    from vmagent_marl.train.offline.quiet_d3rlpy import DiscreteCQLConfig

    config = DiscreteCQLConfig(
        batch_size=args.batch_size,
        learning_rate=args.learning_rate,
        gamma=args.gamma,
        alpha=args.alpha,
        target_update_interval=args.target_every,
        encoder_factory=FeatureEncoderFactory(list(args.hidden)),
        q_func_factory=MaskedQFunctionFactory(),
    )
    file = train_offline(
        config,
        args.dataset,
        args.out,
        steps=args.steps,
        seed=args.seed,
        reward=args.reward,
        reward_scale=args.reward_scale,
        validate_every=args.validate_every,
        validation_episodes=args.validation_episodes,
    )
    if args.compare != "no":
        print_comparison(file, args.compare)
    print(f"The policy is in {file}")


if __name__ == "__main__":
    try:
        main(tyro.cli(Args, description=__doc__))
    except VmagentError as error:
        raise SystemExit(f"discrete_cql: {error}") from None
