"""What every program of `offline/` is told, and what it does with its learner."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from vmagent_marl.train.offline.learner import OfflineLearner


@dataclass(frozen=True, kw_only=True)
class OfflineArgs:
    """What to learn from, and how."""

    dataset: tuple[str, ...]
    """Ids of Minari data sets, all of one scenario."""
    out: Path
    """Folder for policy.pt, curve.csv and config.json; a killed run goes on there."""
    steps: int = 4000
    """Updates."""
    batch_size: int = 256
    """Decisions an update."""
    learning_rate: float = 1e-3
    """Of Adam."""
    network: Literal["flat", "servers", "numbered"] = "servers"
    """`servers`: the same for every server, of any number; `numbered`: that, and told the
    server's number, as first fit is; `flat`: plain layers."""
    hidden: tuple[int, ...] = (32, 32)
    """Sizes of the hidden layers."""
    seed: int = 0
    """Of the first parameters and of the batches."""
    validate_every: int = 500
    """Updates between validations."""
    validation_episodes: int = 8
    """Episodes a validation plays."""
    device: str = "auto"
    """`cpu`, `cuda`, or `auto`: a GPU where there is one."""
    compare: Literal["validation", "test", "no"] = "validation"
    """Window on which it is compared with the heuristics in the end."""


@dataclass(frozen=True, kw_only=True)
class ValueArgs(OfflineArgs):
    """What learners of values are told besides."""

    gamma: float = 0.9
    """Discount a request."""
    reward: Literal["team", "own"] = "team"
    """The team's mean, or what each cluster earns itself."""
    reward_scale: float | None = None
    """Rewards are divided by it; by default by their root mean square."""


def learn(learner: OfflineLearner, args: OfflineArgs) -> None:
    """Train a learner as the options say, then compare its best checkpoint with the heuristics."""
    from vmagent_marl.train.comparison import print_comparison
    from vmagent_marl.train.offline.learning import train_offline

    file = train_offline(
        learner,
        args.out,
        steps=args.steps,
        validate_every=args.validate_every,
        validation_episodes=args.validation_episodes,
    )
    if args.compare != "no":
        print_comparison(file, args.compare)
    print(f"The policy is in {file}")
