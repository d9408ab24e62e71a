"""Record a heuristic at several levels of noise into one Minari data set.

    python collectors/noisy_heuristic.py --policy best-fit --epsilons 0 0.1 0.3 1

Offline learners need answers beside the best ones to learn what those are worth. Each episode is
played at one level, drawn from its number; `component` in the infos says at which, and
`behavior_logp` is the log-probability of each answer at that level.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from vmagent_marl.cli.reading import run_program
from vmagent_marl.episodes import Player, Recipe, collect, load_episodes
from vmagent_marl.episodes.collecting.recipe import behaviour_name
from vmagent_marl.windows import Window


@dataclass(frozen=True)
class Args:
    """Record a heuristic at several levels of noise."""

    scenario: str = "recovering"
    """Scenario on the shelf, or the path of a YAML file."""
    policy: str = "server-best-fit"
    """Heuristic by name."""
    epsilons: tuple[float, ...] = (0.0, 0.1, 0.3, 1.0)
    """Probabilities of a random legal answer, each as likely to play an episode."""
    episodes: int = 100
    """Episodes to record."""
    window: Window = "train"
    """Rows of the trace that the episodes may touch."""
    seed: int = 0
    """Decides where episodes begin, and every draw in them."""
    trace: str | None = None
    """Trace file in the place of the scenario's."""
    behaviour: str | None = None
    """Last part of the data set's id; `noisy-<policy>` (and `-on-<trace>`) unless given."""
    workers: int | None = None
    """Processes that record; 1 unless given, or all cores of the Ray cluster."""
    ray: str | None = None
    """They are a Ray cluster's: `local`, started here for it, or the address of one."""
    overwrite: bool = False
    """Replace a data set of the same id."""
    progress: bool = True
    """Show a progress bar."""


def main(args: Args) -> str:
    """Record, and show what noise costs; the id of the data set."""
    named = behaviour_name(args.policy, epsilon=max(args.epsilons), trace=args.trace)
    recipe = Recipe(
        scenario=args.scenario,
        behaviour=args.behaviour or named,
        policies=tuple(Player(args.policy, epsilon=epsilon) for epsilon in args.epsilons),
        episodes=args.episodes,
        description=f"{args.policy} with a share of random legal answers, by episode.",
        window=args.window,
        seed=args.seed,
        trace=args.trace,
    )
    name = collect(
        recipe,
        workers=args.workers,
        ray=args.ray,
        overwrite=args.overwrite,
        progress=args.progress,
    )
    episodes = load_episodes(name)
    print(f"{name}: {len(episodes)} episodes, {sum(map(len, episodes)):,} transitions")
    for component, epsilon in enumerate(args.epsilons):
        returns = [episode.total for episode in episodes if episode.component == component]
        shown = f"{np.mean(returns):.4g}" if returns else "none"
        print(f"epsilon {epsilon:<5g} {len(returns):5d} episodes, mean return {shown}")
    return name


if __name__ == "__main__":
    run_program(main, Args, __doc__)
