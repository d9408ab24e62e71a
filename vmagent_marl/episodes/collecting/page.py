"""The page of a scenario's data sets: its tiers side by side, where each alone has its card."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from vmagent_marl.episodes.collecting.card import score_of
from vmagent_marl.episodes.collecting.histogram import readable, sparkline
from vmagent_marl.files import replacing

BINS = 48  # of the histograms, which share their ends


@dataclass(frozen=True)
class Figures:
    """A data set in a row of a table."""

    name: str  # id
    tier: str
    scenario: str
    episodes: int
    transitions: int
    megabytes: float
    mean: float  # return
    sd: float
    score: float | None  # normalised; None: undefined
    own: Mapping[str, Any]  # what `collect` wrote
    returns: tuple[float, ...]  # of every episode
    description: str


def figures_of(name: str) -> Figures:
    """What a data set by its id comes to."""
    from vmagent_marl.episodes.storage.minari_format import load_dataset, own_metadata

    data = load_dataset(name)
    own, storage = own_metadata(data), data.storage
    held = own["statistics"]
    return Figures(
        name=name,
        tier=own["recipe"]["behaviour"],
        scenario=own["scenario"]["name"],
        episodes=held["episodes"],
        transitions=held["transitions"],
        megabytes=float(storage.metadata["dataset_size"]),
        mean=held["return_mean"],
        sd=held["return_sd"],
        score=score_of(own),
        own=own,
        returns=tuple(
            float(about["return"]) for about in storage.get_episode_metadata(data.episode_indices)
        ),
        description=storage.metadata["description"],
    )


def write_pages(names: Sequence[str], folder: str | Path) -> list[Path]:
    """A page for each scenario of these data sets, `<scenario>.md` in `folder`; the files."""
    by_scenario: dict[str, list[Figures]] = {}
    for figures in map(figures_of, names):
        by_scenario.setdefault(figures.scenario, []).append(figures)
    files = []
    for scenario, tiers in by_scenario.items():
        files.append(Path(folder) / f"{scenario}.md")
        with replacing(files[-1]) as unfinished:
            unfinished.write_text(page_of(tiers), encoding="utf-8")
    return files


def page_of(tiers: Sequence[Figures]) -> str:
    """The page of a scenario's data sets, in Markdown."""
    first = tiers[0].own
    scenario, trace = first["scenario"], first["trace"]
    agents = first["statistics"]["agents"]
    of_agents = "" if agents == 1 else f"A transition holds the answers of {agents} agents. "
    versions = ", ".join(f"{package} {version}" for package, version in first["versions"].items())
    parts = [
        f"# The data sets of `{scenario['name']}`",
        str(scenario["description"]),
        f"Recorded on trace `{trace['name']}` ({trace['requests']:,} requests, sha256 "
        f"`{trace['fingerprint'][:16]}`) with {versions}. Each has a card of its own beside the "
        f"data: `vmagent-marl dataset show {tiers[-1].name}`.",
        "\n".join(f"- `{tier.tier}`: {tier.description}" for tier in tiers),
        _table(tiers),
        f"{of_agents}The return is the team's, with its standard deviation over episodes; the "
        "score is 0 at random legal play and 1 at the best heuristic from the same starts; "
        "coverage is unlike pairs of situation and action an answer, entropy that of the actions "
        "taken, in nats.",
        _returns(tiers),
        "## Reference scores",
        *_references(tiers),
        "## Digests",
        _digests(tiers),
    ]
    return "\n\n".join(parts) + "\n"


def shown_score(score: float | None) -> str:
    """As tables have it."""
    return "undefined" if score is None else f"{round(score, 3) + 0.0:.3f}"  # no -0.000


def _table(tiers: Sequence[Figures]) -> str:
    rows = [
        f"| `{tier.tier}` | {tier.episodes:,} | {tier.transitions:,} | {tier.megabytes:.1f} "
        f"| {readable(tier.mean)} ± {readable(tier.sd)} | {shown_score(tier.score)} "
        f"| {tier.own['statistics']['coverage']:.3f} | {tier.own['statistics']['entropy']:.3f} |"
        for tier in tiers
    ]
    head = "| tier | episodes | transitions | MB | return | score | coverage | entropy |"
    return "\n".join([head, "|---|---|---|---|---|---|---|---|", *rows])


def _returns(tiers: Sequence[Figures]) -> str:
    """Histograms one below the other, on one scale."""
    ends = [end for tier in tiers for end in (min(tier.returns), max(tier.returns))]
    low, high = min(ends), max(ends)
    width = max(len(tier.tier) for tier in tiers)
    bars = [
        f"{tier.tier:{width}}  "
        f"{sparkline(np.histogram(tier.returns, BINS, (low, high))[0].tolist())}"
        for tier in tiers
    ]
    axis = f"{'':{width}}  {readable(low):<{BINS // 2}}{readable(high):>{BINS - BINS // 2}}"
    return "\n".join(["Episodes by their return:", "", "```", *bars, axis, "```"])


def _references(tiers: Sequence[Figures]) -> list[str]:
    """A table for all tiers that were held against the same episodes."""
    groups: list[tuple[Mapping[str, Any], list[str]]] = []
    for tier in tiers:
        references = tier.own["references"]
        for others, members in groups:
            if all(others[key] == references[key] for key in ("returns", "episodes", "seed")):
                members.append(tier.tier)
                break
        else:
            groups.append((references, [tier.tier]))
    parts = []
    for references, members in groups:
        of = "" if len(groups) == 1 else f" of {', '.join(f'`{member}`' for member in members)}"
        ranked = sorted(references["returns"].items(), key=lambda item: -item[1])
        parts.append(
            f"Mean returns from the first {references['episodes']} starts{of}, window "
            f"`{references['window']}`, seed {references['seed']}; the best heuristic there is "
            f"`{references['best_policy']}`."
        )
        rows = [f"| `{name}` | {readable(value)} |" for name, value in ranked]
        parts.append("\n".join(["| policy | return |", "|---|---|", *rows]))
    return parts


def _digests(tiers: Sequence[Figures]) -> str:
    rows = [
        f"| `{tier.name}` | `{tier.own['sha256']}` | `{tier.own['recipe_hash'][:16]}` |"
        for tier in tiers
    ]
    head = "| data set | sha256 of `main_data.hdf5` | recipe hash |"
    return "\n".join([head, "|---|---|---|", *rows])
