"""Record one heuristic (or a trained policy's checkpoint) into a Minari data set.

    python collectors/heuristic.py --scenario recovering --policy server-best-fit --episodes 200

The data set is called vmagent/<scenario>/<behaviour>-v0; `minari.load_dataset` reads it. The same
arguments make the same HDF5 file, to the byte, by any number of workers.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from vmagent_marl.cli.reading import run_program
from vmagent_marl.episodes import collect, load_episodes, recipe_for
from vmagent_marl.episodes.storage.minari_format import own_metadata
from vmagent_marl.windows import Window


@dataclass(frozen=True)
class Args:
    """Record one policy."""

    scenario: str = "recovering"
    """Scenario on the shelf, or the path of a YAML file."""
    policy: str = "server-best-fit"
    """Heuristic or trained policy by name, or the path of a checkpoint (.pt)."""
    episodes: int = 100
    """Episodes to record."""
    window: Window = "train"
    """Rows of the trace that the episodes may touch."""
    seed: int = 0
    """Decides where episodes begin, and every draw in them."""
    trace: str | None = None
    """Trace file in the place of the scenario's."""
    behaviour: str | None = None
    """Last part of the data set's id; named after the policy and the trace unless given."""
    workers: int | None = None
    """Processes that record; 1 unless given, or all cores of the Ray cluster."""
    ray: str | None = None
    """They are a Ray cluster's: `local`, started here for it, or the address of one."""
    overwrite: bool = False
    """Replace a data set of the same id."""
    progress: bool = True
    """Show a progress bar."""


def main(args: Args) -> str:
    """Record, and say what came of it; the id of the data set."""
    recipe = recipe_for(
        args.scenario,
        args.policy,
        episodes=args.episodes,
        behaviour=args.behaviour,
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
    returns = np.array([episode.total for episode in episodes])
    references = own_metadata(name)["references"]
    print(f"{name}: {len(episodes)} episodes, {sum(map(len, episodes)):,} transitions")
    print(f"return {returns.mean():.4g} +- {returns.std():.4g} (sd)")
    print(f"random play reaches {references['returns']['random']:.4g}")
    best = references["best_policy"]
    print(f"the best heuristic, {best}, reaches {references['returns'][best]:.4g}")
    return name


if __name__ == "__main__":
    run_program(main, Args, __doc__)
