"""`collect`: record policies into a Minari data set."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

from tyro.conf import arg

from vmagent_marl.cli.family import collect_recipes
from vmagent_marl.cli.options import (
    Changes,
    OneName,
    TraceFile,
    blaming_options,
    scenario_fields,
)
from vmagent_marl.errors import DatasetError, SettingError
from vmagent_marl.files import check_writable

OF_REPLAY = ("replay", "episodes", "seed", "window", "name")  # what goes with --replay
Window = Literal["train", "validation", "test", "all"]  # as `windows` has them


def collect(
    scenario: OneName = None,
    policy: OneName = None,
    recipe: OneName = None,
    all: bool = False,  # the option's name on the command line
    replay: Annotated[Path | None, arg(metavar="RUN")] = None,
    # None, where not given: beside a recipe nothing is given that it would not heed
    episodes: Annotated[int | None, arg(help_behavior_hint="(default: 20)")] = None,
    epsilon: Annotated[float | None, arg(help_behavior_hint="(default: 0)")] = None,
    sampled: bool = False,
    seed: Annotated[int | None, arg(help_behavior_hint="(default: 0)")] = None,
    window: Annotated[Window | None, arg(help_behavior_hint="(default: train)")] = None,
    trace: TraceFile = None,
    servers: int | None = None,
    set: Changes = (),  # the option's name on the command line
    name: OneName = None,
    workers: Annotated[
        int | None, arg(help_behavior_hint="(default: 1, or all of Ray's cores)")
    ] = None,
    ray: Annotated[str | None, arg(metavar="local|ADDRESS")] = None,
    overwrite: bool = False,
    card: Path | None = None,
    quiet: bool = False,
) -> None:
    """Record a policy on a scenario into a Minari data set, or build a recipe from the shelf.

    A run that is killed goes on where it stopped; the same recipe and seed make the same bytes.

    Args:
        scenario: a name from `vmagent-marl list`, or the path of a YAML file.
        policy: name of a heuristic or of a trained policy, or a checkpoint (.pt).
        recipe: `recovering/expert`, a file of them (`recovering`, `mine.yaml`), or one of its
            tiers (`mine.yaml/expert`); it decides everything but the trace itself.
        all: the data sets of every recipe on the shelf that are not here yet.
        replay: the folder of a run of `train`: what its agent saw while it learned, by the
            checkpoints of its validations, in order, each with the exploration of that time.
        episodes: how many.
        epsilon: probability of a random legal action in the place of the policy's.
        sampled: draw a trained policy's answers by their probabilities, where it learned such.
        seed: from which the starts and all draws come.
        window: rows of the trace from which episodes are drawn.
        trace: a trace file in the place of the scenario's or recipe's own.
        servers: of each cluster, in the place of the scenario's own.
        set: other fields of the scenario, as name=value.
        name: last part of the data set's id; named after the policy and what is changed, if none.
        workers: processes that record.
        ray: they are a Ray cluster's: `local`, started here for it, or the address of one.
        overwrite: replace a data set of the same id.
        card: also write the data set's card there (.md); of several, a page for each scenario into
            that folder.
        quiet: no progress bar.
    """
    from vmagent_marl.episodes import collect as build
    from vmagent_marl.episodes import recipe_for, write_card
    from vmagent_marl.episodes.collecting.replay import BEHAVIOUR, replay_recipe
    from vmagent_marl.episodes.storage.minari_format import dataset_folder, dataset_id

    decided = {
        "scenario": scenario,
        "policy": policy,
        "episodes": episodes,
        "epsilon": epsilon,
        "seed": seed,
        "window": window,
        "servers": servers,
        "set": set or None,
        "name": name,
        "sampled": sampled or None,
        "replay": replay,
    }
    given = [f"--{option}" for option, value in decided.items() if value is not None]
    if recipe is not None or all:
        if given:
            raise SettingError(f"{', '.join(given)}: the recipe decides: leave out all of these")
        if recipe is not None and all:
            raise SettingError("--all: is every recipe: leave out --recipe")
        collect_recipes(
            recipe,
            trace=trace,
            card=card,
            workers=workers,
            ray=ray,
            overwrite=overwrite,
            progress=not quiet,
        )
        return
    number = 20 if episodes is None else episodes
    if replay is not None:
        clash = [option for option in given if option[2:] not in OF_REPLAY]
        if clash or trace is not None:
            told = ", ".join(clash or ["--trace"])
            raise SettingError(f"{told}: the run of --replay decides: leave out all of these")
        chosen = replay_recipe(
            replay,
            episodes=number,
            behaviour=name or BEHAVIOUR,
            window=window or "train",
            seed=seed or 0,
        )
    elif scenario is None or policy is None:
        raise SettingError(
            "what to record? give --scenario and --policy, or --recipe, --replay or --all"
        )
    else:
        chosen = recipe_for(
            scenario,
            policy,
            episodes=number,
            epsilon=epsilon or 0.0,
            sampled=sampled,
            behaviour=name,
            window=window or "train",
            seed=seed or 0,
            trace=trace,
            fields=scenario_fields(None, servers, set),
        )
    check_writable(card)
    with blaming_options(trace, servers):
        played = chosen.load_scenario()
    folder = dataset_folder(dataset_id(played.name, chosen.behaviour))
    if folder.exists() and not overwrite:
        raise DatasetError(
            f"{folder}: this data set exists already: give --overwrite, or another --name"
        )
    made = build(chosen, workers=workers, ray=ray, overwrite=overwrite, progress=not quiet)
    print(made)
    if card is not None:
        write_card(made, card)
        print(card)
