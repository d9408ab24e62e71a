"""Record the data set of a recipe: one on the shelf by name, or of a YAML file by its path.

    python collectors/from_recipe.py region-prices/mixed --workers 2

A run that was killed goes on where it stopped when the same command is given again; until the last
moment nothing has the data set's name.
"""

from __future__ import annotations

import time
from dataclasses import dataclass, replace
from pathlib import Path

import tyro

from vmagent_marl.cli.reading import run_program
from vmagent_marl.episodes import collect, load_recipe, write_card
from vmagent_marl.episodes.storage.minari_format import dataset_folder, own_metadata


@dataclass(frozen=True)
class Args:
    """Record the data set of a recipe."""

    recipe: tyro.conf.Positional[str]
    """`recovering/expert` from the shelf (see `vmagent-marl list`), or `mine.yaml/expert`."""
    episodes: int | None = None
    """Episodes, in the place of the recipe's; the id then ends in -<episodes>-v0."""
    card: Path | None = None
    """Where to write a copy of the data set's card."""
    workers: int | None = None
    """Processes that record; 1 unless given, or all cores of the Ray cluster."""
    ray: str | None = None
    """They are a Ray cluster's: `local`, started here for it, or the address of one."""
    overwrite: bool = False
    """Replace a data set of the same id."""
    progress: bool = True
    """Show a progress bar."""


def main(args: Args) -> str:
    """Record, and say where it is; the id of the data set."""
    recipe = load_recipe(args.recipe)
    if args.episodes is not None:
        behaviour = f"{recipe.behaviour}-{args.episodes}"
        recipe = replace(recipe, episodes=args.episodes, behaviour=behaviour)
    begun = time.monotonic()
    name = collect(
        recipe,
        workers=args.workers,
        ray=args.ray,
        overwrite=args.overwrite,
        progress=args.progress,
    )
    seconds = time.monotonic() - begun
    card = write_card(name, args.card)
    own = own_metadata(name)
    held = own["statistics"]
    print(card.splitlines()[0].removeprefix("# "))
    print(f"{held['episodes']} episodes, {held['transitions']:,} transitions in {seconds:.1f} s")
    print(f"mean return {held['return_mean']:.4g}, sha256 {own['sha256']}")
    print(f"in {dataset_folder(name)}, with its card in README.md")
    return name


if __name__ == "__main__":
    run_program(main, Args, __doc__)
