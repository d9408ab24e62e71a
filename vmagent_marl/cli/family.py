"""What `collect --recipe` and `collect --all` do: the data sets of recipes, and a table of them."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rich.console import Console
from rich.table import Table

from vmagent_marl.cli.options import blaming_options
from vmagent_marl.errors import SettingError
from vmagent_marl.files import check_writable

if TYPE_CHECKING:
    from vmagent_marl.episodes.collecting.family import Outcome

WIDTH = 84  # of the table: no figure is cut off


def collect_recipes(
    recipe: str | None, *, trace: str | None, card: Path | None, **options: Any
) -> None:
    """Build a recipe, all of a file, or, without one, the whole shelf; `options` are `collect`'s.

    One data set has a card, several have a page for each scenario in the folder `card`.
    """
    from vmagent_marl.episodes import collect_all, load_recipes, recipe_names, write_card
    from vmagent_marl.episodes.collecting.page import write_pages

    names = recipe_names() if recipe is None else [recipe]
    recipes = [each for name in names for each in load_recipes(name)]
    if trace is not None:
        recipes = [dataclasses.replace(each, trace=trace) for each in recipes]
    alone = len(recipes) == 1
    if alone:
        check_writable(card)
    elif card is not None and card.is_file():
        raise SettingError(
            f"--card {card}: is a file, and there are {len(recipes)} data sets: name a folder"
        )
    with blaming_options(trace, None):
        outcomes = collect_all(recipes, **options)
    made = []
    for outcome in outcomes:
        unchanged = ": there already, unchanged" if outcome.seconds is None else ""
        print(f"{outcome.name}{unchanged}", flush=True)
        made.append(outcome)
    if not alone:
        console = Console()
        console.print(_table(made), width=max(console.width, WIDTH))
    if card is None:
        return
    if alone:
        write_card(made[0].name, card)
        print(card)
        return
    for file in write_pages([outcome.name for outcome in made], card):
        print(file)


def _table(outcomes: Sequence[Outcome]) -> Table:
    from vmagent_marl.episodes.collecting.histogram import readable
    from vmagent_marl.episodes.collecting.page import figures_of, shown_score

    table = Table(box=None, pad_edge=False, collapse_padding=True)
    table.add_column("data set", style="cyan", no_wrap=True)
    for heading in ("transitions", "MB", "return", "score", "s"):
        table.add_column(heading, justify="right", no_wrap=True)
    for outcome in outcomes:
        held = figures_of(outcome.name)
        table.add_row(
            outcome.name,
            f"{held.transitions:,}",
            f"{held.megabytes:,.1f}",
            f"{readable(held.mean)} ± {readable(held.sd)}",
            shown_score(held.score),
            "-" if outcome.seconds is None else f"{outcome.seconds:.1f}",
        )
    return table
