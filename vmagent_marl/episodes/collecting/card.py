"""The card of a data set: how it was made, what it holds and how to load it, in Markdown."""

from __future__ import annotations

import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from vmagent_marl.episodes.collecting.histogram import histogram, readable
from vmagent_marl.episodes.collecting.intervals import Estimate, normalised
from vmagent_marl.episodes.collecting.loading import how_to_load
from vmagent_marl.episodes.collecting.reference import RANDOM
from vmagent_marl.files import replacing


def write_card(name: str, path: str | Path | None = None) -> str:
    """The card of a data set by its id; written to `path` where one is given."""
    from vmagent_marl.episodes.storage.minari_format import load_dataset

    text = card_of(load_dataset(name).storage.metadata)
    if path is not None:
        with replacing(path) as unfinished:
            unfinished.write_text(text, encoding="utf-8")
    return text


def card_of(metadata: Mapping[str, Any]) -> str:
    """The card from a data set's metadata."""
    from vmagent_marl.episodes.storage.minari_format import OWN

    own, name = metadata[OWN], metadata["dataset_id"]
    parts = [
        f"# {name}\n\n{metadata['description']}",
        _made(own),
        _holds(own["statistics"]),
        _scores(own["references"], own["statistics"]),
        how_to_load(name, own["statistics"]["agents"]),
    ]
    return "\n\n".join(parts) + "\n"


def score_of(own: Mapping[str, Any]) -> float | None:
    """The normalised score of a data set by what `collect` wrote about it; None: undefined."""
    return normalised_return(own["references"]["recorded_return"], own["references"])


def normalised_return(value: float, references: Mapping[str, Any]) -> float | None:
    """A return as `normalised` by the references that are stored with a data set."""
    returns, nan = references["returns"], math.nan
    known = {key: nan if x is None else x for key, x in references["best_less_random"].items()}
    best = returns[references["best_policy"]]
    return normalised(value, returns[RANDOM], best, Estimate(**known))


def _made(own: Mapping[str, Any]) -> str:
    recipe, trace, scenario = own["recipe"], own["trace"], own["scenario"]
    versions = ", ".join(f"{package} {version}" for package, version in own["versions"].items())
    return "\n".join(
        [
            "## How it was made",
            "",
            f"- Scenario `{scenario['name']}`: {scenario['description']}",
            f"- Trace `{trace['name']}` ({trace['requests']:,} requests, sha256 "
            f"`{trace['fingerprint'][:16]}`), window `{own['window']}`, seed {own['seed']}",
            f"- Recipe hash `{own['recipe_hash']}`",
            f"- sha256 of `main_data.hdf5`: `{own['sha256']}`",
            f"- Made with {versions}",
            "",
            *_players(recipe, own["statistics"]["component_episodes"]),
            *_checkpoints(own.get("checkpoints", {})),
        ]
    )


def _players(recipe: Mapping[str, Any], played: Mapping[str, int]) -> list[str]:
    """A table of who played what share of it."""
    total = sum(player["weight"] for player in recipe["policies"])
    rows = [
        f"| {i} | {_player(player)} | {player['epsilon']:g} | {player['weight'] / total:.2f} |"
        for i, player in enumerate(recipe["policies"])
    ]
    if recipe.get("per") == "step":
        head = ["| part | policy | epsilon | share |", "|---|---|---|---|"]
        return ["Each answer is given by one of these, drawn anew:", "", *head, *rows]
    rows = [f"{row} {played.get(str(i), 0)} |" for i, row in enumerate(rows)]
    head = ["| component | policy | epsilon | share | episodes |", "|---|---|---|---|---|"]
    if recipe.get("per") == "stretch":
        head = ["Each plays its share of the episodes, one after the other:", "", *head]
    return [*head, *rows]


def _player(player: Mapping[str, Any]) -> str:
    drawn = ", drawn by its probabilities" if player.get("sampled") else ""
    return f"`{player['name']}`{drawn}"


def _checkpoints(digests: Mapping[str, str]) -> list[str]:
    """What was in the files of trained policies."""
    if not digests:
        return []
    rows = [f"| `{name}` | `{digest}` |" for name, digest in digests.items()]
    return ["", "| checkpoint | sha256 |", "|---|---|", *rows]


def _holds(held: Mapping[str, Any]) -> str:
    quantiles = "; ".join(
        f"{float(share):.0%} {readable(value)}" for share, value in held["return_quantiles"].items()
    )
    most = math.log(held["actions"])
    rows = [
        ("episodes", f"{held['episodes']:,}, of which {held['terminated']:,} terminated"),
        ("transitions", f"{held['transitions']:,} of {_agents(held['agents'])}"),
        ("length", f"mean {held['length_mean']:.1f}, longest {held['length_max']:,}"),
        (
            "return (team's mean)",
            f"{readable(held['return_mean'])} ± {readable(held['return_sd'])} (sd)",
        ),
        ("return, quantiles", quantiles),
        ("return of each agent", "; ".join(map(readable, held["agent_return_mean"]))),
        ("acceptance", f"{held['acceptance']:.4f} of the VMs offered were placed"),
        ("agents reached", f"{held['reached']:.3f} of the answers counted"),
        ("mask density", f"{held['mask_density']:.3f} of the actions were legal"),
        ("action entropy", f"{held['entropy']:.3f} nats of at most {most:.3f}"),
        ("actions taken", f"{held['actions_taken']} of {held['actions']}"),
        ("state-action coverage", f"{held['coverage']:.3f} unlike pairs an answer"),
    ]
    if held["agents"] > 1:
        each = ", ".join(f"{share:.3f}" for share in held["agent_coverage"])
        rows += [
            ("coverage of each agent", f"{each} unlike pairs an answer of its own"),
            ("joint coverage", f"{held['joint_coverage']:.3f} unlike pairs a transition"),
        ]
    table = [f"| {name} | {value} |" for name, value in rows]
    note = (
        "A pair is an agent's own servers and request, shares rounded to 1/16, with its action; "
        "action entropy and coverage count the answers of agents that were reached."
    )
    if held["agents"] > 1:
        note += " A joint pair is all agents' at one request, whoever was reached."
    drawn = histogram(held["return_histogram"], held["return_min"], held["return_max"])
    picture = f"Episodes by their return:\n\n```\n{drawn}\n```"
    return "\n".join(["## What it holds", "", "| | |", "|---|---|", *table, "", note, "", picture])


def _agents(number: int) -> str:
    return "one agent" if number == 1 else f"{number} agents"


def _scores(references: Mapping[str, Any], held: Mapping[str, Any]) -> str:
    ranked = sorted(references["returns"].items(), key=lambda item: -item[1])
    recorded = references["recorded_return"]
    score = normalised_return(recorded, references)
    undefined = "undefined (random play is not told apart from the best)"
    shown = undefined if score is None else f"{round(score, 3) + 0.0:.3f}"  # no -0.000
    first = "" if references["episodes"] == held["episodes"] else f"first {references['episodes']} "
    return "\n".join(
        [
            "## Reference scores",
            "",
            f"Mean returns from the same starts as the data's {first}episodes, for every policy. "
            f"`ref_min_score` is that of random legal play, `ref_max_score` that of the best "
            f"heuristic, `{references['best_policy']}`. The data's own mean from these starts is "
            f"{readable(recorded)}, its normalised score {shown}.",
            "",
            "| policy | return |",
            "|---|---|",
            *(f"| `{name}` | {readable(value)} |" for name, value in ranked),
        ]
    )
