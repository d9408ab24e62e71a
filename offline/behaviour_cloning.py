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
    compare: Literal["validation", "test", "no"] = "validation"
    """Window on which it is compared with the heuristics in the end."""


def main(args: Args) -> None:
    """Train, then compare the best checkpoint with the heuristics."""
    from vmagent_marl.train.comparison import print_comparison
    from vmagent_marl.train.offline.learning import train_offline
    from vmagent_marl.train.offline.masked import FeatureEncoderFactory, MaskedBCConfig

    config = MaskedBCConfig(
        batch_size=args.batch_size,
        learning_rate=args.learning_rate,
        beta=args.beta,
        encoder_factory=FeatureEncoderFactory(list(args.hidden)),
    )
    file = train_offline(
        config,
        args.dataset,
        args.out,
        steps=args.steps,
        seed=args.seed,
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
        raise SystemExit(f"behaviour_cloning: {error}") from None
