"""Behaviour cloning: imitate what was recorded, among the legal actions.

Supervised learning of the recorded actions (Pomerleau, NIPS 1988; as the baseline of offline
reinforcement learning in Fu et al. 2020, arXiv 2004.07219). The loss is the cross-entropy
of the recorded action under a softmax over the legal ones.

Differences from the sources:
- illegal actions are masked in the softmax, and so in the loss and in acting;
- of many clusters it is multi-agent behaviour cloning: agents share parameters; each imitates its
  answers to the requests that reached it, and is told who it is by a one-hot identity;
- it acts greedily: of a noisy recording it plays the action recorded most often in like
  situations, and so leaves most of the noise behind;
- the checkpoint that is kept is the best of those validated on the scenario's validation window.

    python offline/behaviour_cloning.py --dataset vmagent/region-prices/mixed-v0 --out runs/bc
"""

from __future__ import annotations

from dataclasses import dataclass

from vmagent_marl.cli.reading import run_program
from vmagent_marl.train.offline.options import OfflineArgs, learn


@dataclass(frozen=True, kw_only=True)
class Args(OfflineArgs):
    """What to learn from, and how."""

    beta: float = 0.0
    """Weight of the penalty on squared logits."""


def main(args: Args) -> None:
    """Train, then compare the best checkpoint with the heuristics."""
    from vmagent_marl.train.offline.data.decisions import read_decisions
    from vmagent_marl.train.offline.on_d3rlpy.d3rlpy_learner import D3rlpyLearner
    from vmagent_marl.train.offline.on_d3rlpy.masked import NetworkFactory
    from vmagent_marl.train.offline.on_d3rlpy.masked_bc import MaskedBCConfig

    config = MaskedBCConfig(
        batch_size=args.batch_size,
        learning_rate=args.learning_rate,
        beta=args.beta,
        encoder_factory=NetworkFactory(list(args.hidden), args.network),
    )
    decisions = read_decisions(args.dataset)
    learn(D3rlpyLearner(config, decisions, seed=args.seed, device=args.device), args)


if __name__ == "__main__":
    run_program(main, Args, __doc__)
