"""What trained policies would earn, told by recordings alone: no environment is played.

Estimated is the team's discounted return from an episode's start to its end, on the starts that
were recorded, for the networks as they are with a share of random legal answers. `fqe` is fitted Q
evaluation (Le, Voloshin & Yue 2019); `is` and `wis` are per-decision importance sampling, plain and
self-normalised (Precup, Sutton & Singh 2000); `dr` and `wdr` are doubly robust (Jiang & Li 2016;
Thomas & Brunskill 2016). All but `fqe` need a behaviour with noise, and soon wear out as episodes
get longer: the table tells how many episodes they are worth.

    python offline/estimate_value.py --dataset vmagent/region-prices/noisy-30-v0 \\
        --policies runs/bc/policy.pt runs/cql/policy.pt --epsilon 0.05
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from vmagent_marl.cli.reading import run_program


@dataclass(frozen=True, kw_only=True)
class Args:
    """What to estimate, and how."""

    dataset: tuple[str, ...]
    """Ids of Minari data sets, all of one scenario."""
    policies: tuple[Path, ...]
    """Checkpoints, trained on that scenario."""
    epsilon: float = 0.05
    """Share of random legal answers with which they are to play."""
    gamma: float = 0.99
    """Discount a request."""
    estimators: tuple[Literal["fqe", "is", "wis", "dr", "wdr"], ...] = ("fqe", "wis", "dr")
    """Which ones."""
    steps: int = 3000
    """Updates of each of the two networks that are fitted for a policy."""
    batch_size: int = 256
    """Requests an update."""
    learning_rate: float = 1e-3
    """Of Adam."""
    hidden: tuple[int, ...] = (64, 64)
    """Sizes of the hidden layers."""
    seed: int = 0
    """Of the fit and of the intervals."""
    json: Path | None = None
    """File for everything, the effective sample size of every request included."""


def main(args: Args) -> None:
    """Estimate and print a table."""
    from json import dumps

    from vmagent_marl.errors import SettingError
    from vmagent_marl.files import check_writable, replacing
    from vmagent_marl.policies.checkpoint import load_policy
    from vmagent_marl.train.estimation.estimating import as_dict, estimate_returns
    from vmagent_marl.train.estimation.fitted_q import Fit
    from vmagent_marl.train.estimation.report import print_estimates
    from vmagent_marl.train.estimation.trajectories import read_trajectories

    check_writable(args.json)
    if not args.policies:
        raise SettingError("policies: there is none: give one or more checkpoints")
    trained = [load_policy(file) for file in args.policies]
    targets = [policy.with_noise(args.epsilon) for policy in trained]
    fit = Fit(
        steps=args.steps,
        batch_size=args.batch_size,
        learning_rate=args.learning_rate,
        hidden=args.hidden,
        seed=args.seed,
    )
    found = estimate_returns(
        read_trajectories(args.dataset),
        targets,
        gamma=args.gamma,
        estimators=args.estimators,
        fit=fit,
        seed=args.seed,
        progress=True,
    )
    if args.json is not None:
        with replacing(args.json) as unfinished:
            text = dumps(as_dict(found), indent=2, allow_nan=False)
            unfinished.write_text(text + "\n", encoding="utf-8")
    print_estimates(found)
    if args.json is not None:
        print(args.json)


if __name__ == "__main__":
    run_program(main, Args, __doc__)
