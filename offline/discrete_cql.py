"""Discrete CQL: Q-learning from recordings that distrusts what nobody tried, with action masks.

Conservative Q-learning (Kumar, Zhou, Tucker & Levine, NeurIPS 2020, arXiv 2006.04779), the CQL(H)
of its equation 4 in the discrete form of its appendix F, as d3rlpy has it: double DQN plus
alpha x mean(logsumexp over actions of Q - Q of the recorded action).

Differences from the paper:
- illegal actions are masked in the greedy action, the target and the logsumexp;
- of many clusters it is independent CQL with shared parameters: each agent learns from the requests
  that reached it, with the rewards between two of them summed (a semi-Markov process), is told who
  it is by a one-hot identity, and takes the others for a part of its world;
  `value_decomposition_cql` learns one value of all;
- a mean Q-function in place of QR-DQN's quantiles, the Huber loss of d3rlpy, alpha fixed;
- rewards are divided by their root mean square, and the discount is short: on region-prices longer
  ones gained nothing;
- the checkpoint that is kept is the best of those validated on the scenario's validation window.

    python offline/discrete_cql.py --dataset vmagent/region-prices/mixed-v0 --out runs/cql
"""

from __future__ import annotations

from dataclasses import dataclass

from vmagent_marl.cli.reading import run_program
from vmagent_marl.train.offline.options import ValueArgs, learn


@dataclass(frozen=True, kw_only=True)
class Args(ValueArgs):
    """What to learn from, and how."""

    alpha: float = 0.3
    """Weight of the conservative loss; 0 is double DQN."""
    target_every: int = 500
    """Updates between copies to the target network."""


def main(args: Args) -> None:
    """Train, then compare the best checkpoint with the heuristics."""
    from vmagent_marl.train.offline.data.decisions import read_decisions
    from vmagent_marl.train.offline.on_d3rlpy.d3rlpy_learner import D3rlpyLearner
    from vmagent_marl.train.offline.on_d3rlpy.masked import MaskedQFunctionFactory, NetworkFactory
    from vmagent_marl.train.offline.on_d3rlpy.quiet_d3rlpy import DiscreteCQLConfig

    decisions = read_decisions(
        args.dataset, reward=args.reward, gamma=args.gamma, reward_scale=args.reward_scale
    )
    config = DiscreteCQLConfig(
        batch_size=args.batch_size,
        learning_rate=args.learning_rate,
        gamma=args.gamma,
        alpha=args.alpha,
        target_update_interval=args.target_every,
        encoder_factory=NetworkFactory(list(args.hidden), args.network),
        q_func_factory=MaskedQFunctionFactory(),
    )
    learn(D3rlpyLearner(config, decisions, seed=args.seed, device=args.device), args)


if __name__ == "__main__":
    run_program(main, Args, __doc__)
