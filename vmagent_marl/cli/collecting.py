"""`collect`: record policies into a Minari data set."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from vmagent_marl.cli.options import scenario_fields
from vmagent_marl.errors import SettingError
from vmagent_marl.files import check_writable


def collect(
    scenario: str | None = None,
    policy: str | None = None,
    recipe: str | None = None,
    episodes: int = 20,
    epsilon: float = 0.0,
    seed: int = 0,
    window: Literal["train", "validation", "test", "all"] = "train",
    trace: str | None = None,
    servers: int | None = None,
    set: tuple[str, ...] = (),  # the option's name on the command line
    name: str | None = None,
    workers: int = 1,
    overwrite: bool = False,
    card: Path | None = None,
    quiet: bool = False,
) -> None:
    """Record a policy on a scenario into a Minari data set, or build a recipe from the shelf.

    A run that is killed goes on where it stopped; the same recipe and seed make the same bytes.

    Args:
        scenario: a name from `vmagent-marl list`, or the path of a YAML file.
        policy: name of a heuristic, or a checkpoint (.pt).
        recipe: a recipe's name or file, in the place of all of the above and below.
        episodes: how many.
        epsilon: probability of a random legal action in the place of the policy's.
        seed: from which the starts and all draws come.
        window: rows of the trace from which episodes are drawn.
        trace: a trace file in the place of the scenario's own.
        servers: of each cluster, in the place of the scenario's own.
        set: other fields of the scenario, as name=value.
        name: last part of the data set's id; named after the policy and what is changed, if none.
        workers: processes that record.
        overwrite: replace a data set of the same id.
        card: also write the data set's card there (.md).
        quiet: no progress bar.
    """
    from vmagent_marl.episodes import collect as build
    from vmagent_marl.episodes import load_recipe, recipe_for, write_card

    if recipe is not None:
        if scenario is not None or policy is not None:
            raise SettingError("a recipe names its scenario and policies: leave the options out")
        chosen = load_recipe(recipe)
    elif scenario is None or policy is None:
        raise SettingError("what to record? give --scenario and --policy, or --recipe")
    else:
        fields = scenario_fields(None, servers, set)
        chosen = recipe_for(
            scenario,
            policy,
            episodes=episodes,
            epsilon=epsilon,
            behaviour=name,
            window=window,
            seed=seed,
            trace=trace,
            fields=fields,
        )
    check_writable(card)
    made = build(chosen, workers=workers, overwrite=overwrite, progress=not quiet)
    print(made)
    if card is not None:
        write_card(made, card)
        print(card)
