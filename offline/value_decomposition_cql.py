"""VDN-CQL and QMIX-CQL: clusters learn one value of their team from recordings, conservatively.

Value decomposition networks (Sunehag et al., AAMAS 2018, arXiv 1706.05296) with `--mixing sum`,
QMIX (Rashid et al., ICML 2018, arXiv 1803.11485) with `--mixing monotonic`, and the conservative
loss of CQL (Kumar, Zhou, Tucker & Levine, NeurIPS 2020, arXiv 2006.04779) for each agent by itself
while the others keep to what was recorded, as in CFCQL (Shao et al., NeurIPS 2023, arXiv
2309.12696). It is for data sets of many clusters, each of which acts alone in the end.

Differences from the papers:
- illegal actions are masked in the greedy action, the target and the logsumexp;
- the conservative loss is the mean over the agents that a request reached: what others answered
  decided nothing. All agents count alike, where CFCQL weighs them by how far they have moved;
- agents take part with their recorded answer also where no request reached it: "if it reaches me";
  `--unreached pass` puts the pass in its place that it amounted to, so that taking is only ever
  seen beside the others' pass;
- one network for all agents, told who is asked by a one-hot identity; it remembers nothing. Values
  that are summed are duelling (Wang et al., ICML 2016), as in VDN;
- QMIX's mixer reads the state of the whole game, found again by replaying the recording;
- the Huber loss, alpha fixed, rewards divided by their root mean square and a short discount, all
  as in `discrete_cql`;
- the checkpoint that is kept is the best of those validated on the scenario's validation window.

    python offline/value_decomposition_cql.py --dataset vmagent/region-prices/mixed-v0 --out runs/q
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from vmagent_marl.cli.reading import run_program
from vmagent_marl.train.offline.options import OfflineArgs, learn


@dataclass(frozen=True, kw_only=True)
class Args(OfflineArgs):
    """What to learn from, and how."""

    mixing: Literal["sum", "monotonic"] = "sum"
    """`sum`: VDN; `monotonic`: QMIX."""
    unreached: Literal["answer", "pass"] = "answer"
    """What an agent that no request reached did, as its team sees it."""
    gamma: float = 0.9
    """Discount a request."""
    alpha: float = 0.3
    """Weight of the conservative loss; 0 is VDN or QMIX from recordings."""
    reward_scale: float | None = None
    """The team's rewards are divided by it; by default by their root mean square."""
    target_every: int = 500
    """Updates between copies to the target networks."""
    mixer_width: int = 32
    """Width of QMIX's mixer."""


def main(args: Args) -> None:
    """Train, then compare the best checkpoint with the heuristics."""
    from vmagent_marl.train.offline.data.joint_decisions import read_joint_decisions
    from vmagent_marl.train.offline.in_torch.joint_cql import JointCQL, JointCQLLearner

    config = JointCQL(
        mixing=args.mixing,
        batch_size=args.batch_size,
        learning_rate=args.learning_rate,
        gamma=args.gamma,
        alpha=args.alpha,
        target_every=args.target_every,
        mixer_width=args.mixer_width,
        network=args.network,
        hidden=args.hidden,
    )
    decisions = read_joint_decisions(
        args.dataset,
        unreached=args.unreached,
        reward_scale=args.reward_scale,
        state=args.mixing == "monotonic",
    )
    learn(JointCQLLearner(config, decisions, seed=args.seed, device=args.device), args)


if __name__ == "__main__":
    run_program(main, Args, __doc__)
