"""Discrete SAC from recordings, with action masks: a policy that keeps some entropy, and twin Qs.

Soft actor-critic (Haarnoja et al. 2018, arXiv 1812.05905: twin critics, a tuned temperature) for
discrete actions (Christodoulou 2019, arXiv 1910.07207: expectations in the place of samples), as
d3rlpy has it. Nothing in it distrusts what was not recorded: it wants data that tried much.

Differences from the papers:
- all data were recorded before, and none is added;
- policy, soft values and entropies are over legal actions only, and the entropy to be kept is a
  share of the logarithm of the number of legal ones, of each state; states that leave no choice
  count neither for the policy nor for the temperature;
- targets are copied every so often, not followed by Polyak's averages, and the loss of the critics
  is Huber's;
- agents share parameters; each learns from the requests that reached it, with the rewards between
  two of them summed (a semi-Markov process; of entropy, that of the next decision counts), and is
  told who it is by a one-hot identity;
- rewards are divided by their root mean square, and the discount is short;
- what acts is the policy's likeliest action;
- the checkpoint that is kept is the best of those validated on the scenario's validation window.

    python offline/discrete_sac.py --dataset vmagent/region-prices/mixed-v0 --out runs/sac
"""

from __future__ import annotations

from dataclasses import dataclass

from vmagent_marl.cli.reading import run_program
from vmagent_marl.train.offline.options import ValueArgs, learn


@dataclass(frozen=True, kw_only=True)
class Args(ValueArgs):
    """What to learn from, and how."""

    temperature: float = 0.3
    """Worth of a nat of entropy at first, in units of the scaled reward."""
    target_entropy: float = 0.3
    """Share of the largest entropy of each state that the temperature is tuned to keep; too little
    and the policy is sure of itself before the values are, and learns no more."""
    target_every: int = 500
    """Updates between copies to the target networks."""


def main(args: Args) -> None:
    """Train, then compare the best checkpoint with the heuristics."""
    from vmagent_marl.train.offline.data.decisions import read_decisions
    from vmagent_marl.train.offline.on_d3rlpy.d3rlpy_learner import D3rlpyLearner
    from vmagent_marl.train.offline.on_d3rlpy.masked import MaskedQFunctionFactory, NetworkFactory
    from vmagent_marl.train.offline.on_d3rlpy.masked_sac import MaskedSACConfig

    decisions = read_decisions(
        args.dataset, reward=args.reward, gamma=args.gamma, reward_scale=args.reward_scale
    )
    config = MaskedSACConfig(
        batch_size=args.batch_size,
        actor_learning_rate=args.learning_rate,
        critic_learning_rate=args.learning_rate,
        temp_learning_rate=args.learning_rate,
        gamma=args.gamma,
        initial_temperature=args.temperature,
        target_entropy=args.target_entropy,
        target_update_interval=args.target_every,
        actor_encoder_factory=NetworkFactory(list(args.hidden), args.network),
        critic_encoder_factory=NetworkFactory(list(args.hidden), args.network),
        q_func_factory=MaskedQFunctionFactory(),
    )
    learn(D3rlpyLearner(config, decisions, seed=args.seed, device=args.device), args)


if __name__ == "__main__":
    run_program(main, Args, __doc__)
