"""Offline algorithms over data sets and seeds, a small part of what can be compared.

python benchmarks/offline.py                                    # the tables, in some minutes
python benchmarks/offline.py --write benchmarks/results.md      # and into the results

Small data sets are recorded into a temporary folder. All of it, hours on two cores:

python offline/compare.py --seeds 5 --steps 8000 --workers 2 --out runs/compare \\
    --programs behaviour_cloning discrete_cql discrete_bcq discrete_sac double_dqn \\
        implicit_q_learning \\
    --datasets recovering fading waiting region-prices region-sizes
"""

from __future__ import annotations

import re
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import tyro
from passing import passing_datasets
from results import measured_at, write_section

from vmagent_marl import catalog
from vmagent_marl.episodes import collect, load_recipe

# The reference, one that is pessimistic, one that constrains, and one that asks for no other action
ALGORITHMS = ("behaviour_cloning", "discrete_cql", "discrete_bcq", "implicit_q_learning")
RECIPES = {"recovering/noisy-10": 60, "region-prices/mixed": 6}  # episodes, a part of the recipe's


def recorded(recipes: dict[str, int]) -> list[str]:
    """Ids of small data sets."""
    made = []
    for name, episodes in recipes.items():
        recipe = load_recipe(name)
        behaviour = f"{recipe.behaviour}-{episodes}"
        small = replace(recipe, episodes=episodes, behaviour=behaviour)
        made.append(collect(small, progress=False, overwrite=True))
    return made


def compared(words: list[str], out: Path) -> str:
    """The page that a comparison writes, its headings below those of a section."""
    program = str(catalog.find("offline", "compare"))
    command = [sys.executable, program, *words, "--out", str(out)]
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
    page = (out / "table.md").read_text(encoding="utf-8").partition("\n\n")[2]
    return re.sub(r"^## ", "### ", page, flags=re.MULTILINE)


def main(
    write: Path | None = None,
    algorithms: tuple[str, ...] = ALGORITHMS,
    seeds: int = 3,
    steps: int = 1500,
    episodes: int = 50,
    scale: float = 1.0,
    workers: int = 2,
) -> None:
    """Print the tables.

    Args:
        write: a Markdown file whose section on offline algorithms is replaced.
        algorithms: programs of the shelf `offline`.
        seeds: of each algorithm on each data set.
        steps: updates of each run.
        episodes: of the test windows.
        scale: of the data sets.
        workers: runs at once.
    """
    given = {"--seeds": seeds, "--steps": steps, "--episodes": episodes, "--workers": workers}
    given["--validate-every"] = max(1, steps // 3)
    with passing_datasets() as place:
        sizes = {name: max(2, round(scale * number)) for name, number in RECIPES.items()}
        words = ["--programs", *algorithms, "--datasets", *recorded(sizes)]
        words += [word for name, value in given.items() for word in (name, str(value))]
        page = compared(words, place / "compare")
    text = f"`make bench-offline` at {measured_at()}.\n\n{page}"
    print(text)
    if write is not None:
        write_section(write, "Offline algorithms", text)


if __name__ == "__main__":
    tyro.cli(main)
