"""Implicit Q-learning for discrete actions: never asks for the value of what nobody tried.

Implicit Q-learning (Kostrikov, Nair & Levine, ICLR 2022, arXiv 2110.06169): a value network follows
an upper expectile of the target Q-values of recorded actions (equation 5), two Q-functions follow
reward and that value (equation 6), and the policy is extracted by regression on the recorded
actions, weighted by exp(sharpness x advantage), at most 100 (equation 7). d3rlpy has it for
continuous actions alone; this is `vmagent_marl.train.offline.in_torch.implicit_q`, in torch.

Differences from the paper:
- actions are discrete: the policy is a softmax over the legal ones, and acts greedily;
- agents share parameters; each learns from the requests that reached it, with the rewards between
  two of them summed (a semi-Markov process), and is told who it is by a one-hot identity;
- all three are updated from one batch, each by what the others were before;
- no dropout, no schedule of the policy's learning rate, and smaller networks;
- rewards are divided by their root mean square, and the discount is short;
- the checkpoint that is kept is the best of those validated on the scenario's validation window.

    python offline/implicit_q_learning.py --dataset vmagent/region-prices/mixed-v0 --out runs/iql
"""

from __future__ import annotations

from dataclasses import dataclass

from vmagent_marl.cli.reading import run_program
from vmagent_marl.train.offline.options import ValueArgs, learn


@dataclass(frozen=True, kw_only=True)
class Args(ValueArgs):
    """What to learn from, and how."""

    expectile: float = 0.7
    """Of the values of what was done: .5 is their mean, towards 1 their largest."""
    sharpness: float = 3.0
    """A decision weighs exp(sharpness x advantage): 0 imitates all alike."""
    tau: float = 0.005
    """Share of the Q-functions in the targets' next values."""


def main(args: Args) -> None:
    """Train, then compare the best checkpoint with the heuristics."""
    from vmagent_marl.train.offline.data.decisions import read_decisions
    from vmagent_marl.train.offline.in_torch.implicit_q import ImplicitQ, ImplicitQLearner

    decisions = read_decisions(
        args.dataset, reward=args.reward, gamma=args.gamma, reward_scale=args.reward_scale
    )
    settings = ImplicitQ(
        hidden=args.hidden,
        network=args.network,
        batch_size=args.batch_size,
        learning_rate=args.learning_rate,
        expectile=args.expectile,
        sharpness=args.sharpness,
        tau=args.tau,
    )
    learn(ImplicitQLearner(settings, decisions, seed=args.seed, device=args.device), args)


if __name__ == "__main__":
    run_program(main, Args, __doc__)
