"""Discrete BCQ: Q-learning among the actions that the recordings make likely, with action masks.

Batch-constrained deep Q-learning (Fujimoto, Meger & Precup, ICML 2019, arXiv 1812.02900) in its
discrete form (Fujimoto, Conti, Ghavamzadeh & Pineau 2019, arXiv 1910.01708), as d3rlpy has it:
double DQN, whose greedy action is the best of those that an imitator gives at least `flexibility`
times the probability of the likeliest, in play and in the target alike.

Differences from the paper:
- illegal actions are masked in the values and in the imitator's probabilities, so that the
  likeliest legal one is always left to take, and the penalty on its logits counts legal ones alone;
- the penalty is d3rlpy's, on the logarithms of the probabilities;
- imitator and values share no layers, and targets are copied, not followed by Polyak's averages;
- agents share parameters; each learns from the requests that reached it, with the rewards between
  two of them summed (a semi-Markov process), and is told who it is by a one-hot identity;
- rewards are divided by their root mean square, and the discount is short;
- what acts takes the best likely action always, where the paper's draws one in a thousand;
- the checkpoint that is kept is the best of those validated on the scenario's validation window.

    python offline/discrete_bcq.py --dataset vmagent/region-prices/mixed-v0 --out runs/bcq
"""

from __future__ import annotations

from dataclasses import dataclass

from vmagent_marl.cli.reading import run_program
from vmagent_marl.train.offline.options import ValueArgs, learn


@dataclass(frozen=True, kw_only=True)
class Args(ValueArgs):
    """What to learn from, and how."""

    flexibility: float = 0.3
    """Least probability of an action, in shares of the likeliest's: 0 is double DQN, 1 imitates."""
    beta: float = 0.01
    """Weight of the penalty on the imitator's squared logits."""
    target_every: int = 500
    """Updates between copies to the target network."""


def main(args: Args) -> None:
    """Train, then compare the best checkpoint with the heuristics."""
    from vmagent_marl.train.offline.data.decisions import read_decisions
    from vmagent_marl.train.offline.on_d3rlpy.d3rlpy_learner import D3rlpyLearner
    from vmagent_marl.train.offline.on_d3rlpy.masked import MaskedQFunctionFactory, NetworkFactory
    from vmagent_marl.train.offline.on_d3rlpy.masked_bcq import MaskedBCQConfig

    decisions = read_decisions(
        args.dataset, reward=args.reward, gamma=args.gamma, reward_scale=args.reward_scale
    )
    config = MaskedBCQConfig(
        batch_size=args.batch_size,
        learning_rate=args.learning_rate,
        gamma=args.gamma,
        action_flexibility=args.flexibility,
        beta=args.beta,
        target_update_interval=args.target_every,
        encoder_factory=NetworkFactory(list(args.hidden), args.network),
        q_func_factory=MaskedQFunctionFactory(),
    )
    learn(D3rlpyLearner(config, decisions, seed=args.seed, device=args.device), args)


if __name__ == "__main__":
    run_program(main, Args, __doc__)
