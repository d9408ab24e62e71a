"""Double DQN from recordings, with action masks: Q-learning that trusts its values everywhere.

Double deep Q-learning (van Hasselt, Guez & Silver, AAAI 2016, arXiv 1509.06461), as d3rlpy has it:
the greedy action is the learned network's, its value the target network's. Offline it is the
baseline of what goes wrong (Agarwal, Schuurmans & Norouzi, ICML 2020, arXiv 1907.04543): nothing
corrects the values of actions that were not recorded. Compare `discrete_cql` and `discrete_bcq`.

Differences from the paper:
- all data were recorded before, and none is added;
- illegal actions are masked in the greedy action and so in the target;
- agents share parameters; each learns from the requests that reached it, with the rewards between
  two of them summed (a semi-Markov process), and is told who it is by a one-hot identity;
- the Huber loss of d3rlpy, and Adam;
- rewards are divided by their root mean square, and the discount is short;
- the checkpoint that is kept is the best of those validated on the scenario's validation window.

    python offline/double_dqn.py --dataset vmagent/region-prices/mixed-v0 --out runs/double-dqn
"""

from __future__ import annotations

from dataclasses import dataclass

from vmagent_marl.cli.reading import run_program
from vmagent_marl.train.offline.options import ValueArgs, learn


@dataclass(frozen=True, kw_only=True)
class Args(ValueArgs):
    """What to learn from, and how."""

    target_every: int = 500
    """Updates between copies to the target network."""


def main(args: Args) -> None:
    """Train, then compare the best checkpoint with the heuristics."""
    from vmagent_marl.train.offline.data.decisions import read_decisions
    from vmagent_marl.train.offline.on_d3rlpy.d3rlpy_learner import D3rlpyLearner
    from vmagent_marl.train.offline.on_d3rlpy.masked import MaskedQFunctionFactory, NetworkFactory
    from vmagent_marl.train.offline.on_d3rlpy.quiet_d3rlpy import DoubleDQNConfig

    decisions = read_decisions(
        args.dataset, reward=args.reward, gamma=args.gamma, reward_scale=args.reward_scale
    )
    config = DoubleDQNConfig(
        batch_size=args.batch_size,
        learning_rate=args.learning_rate,
        gamma=args.gamma,
        target_update_interval=args.target_every,
        encoder_factory=NetworkFactory(list(args.hidden), args.network),
        q_func_factory=MaskedQFunctionFactory(),
    )
    learn(D3rlpyLearner(config, decisions, seed=args.seed, device=args.device), args)


if __name__ == "__main__":
    run_program(main, Args, __doc__)
