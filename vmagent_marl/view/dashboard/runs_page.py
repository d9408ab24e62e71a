"""The page of a folder of runs: learning curves, tables of scores, and what to watch."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any
from urllib.parse import quote

from vmagent_marl.policies import policy_names
from vmagent_marl.view.dashboard import runs
from vmagent_marl.view.dashboard.curve_chart import curve_figure
from vmagent_marl.view.dashboard.library import Library
from vmagent_marl.view.dashboard.parts import graph, html, link, number, panel, table
from vmagent_marl.view.dashboard.runs import Run, Score

CURVES = 6  # on a page
REFERENCE = "server-best-fit"  # beside which a policy is watched, where no scores tell a better one


def runs_page(library: Library, folder: Path) -> Any:
    """Learning curves, tables of scores, and what these policies do on an episode."""
    here = {key: run for key, run in library.runs.items() if run.folder.parent == folder}
    scores = [score for score in library.scores if score.file.parent == folder]
    told: list[Any] = [html.Header(html.H1(folder.name), className="heading")]
    watch = _watch_links(library, here, scores)
    if watch:
        told.append(panel("Watch", html.Ul(watch, className="links")))
    members = list(here.values())
    curves = []
    for column in runs.columns(members)[:CURVES]:
        made = runs.bands(members, column)
        seeds = any(band.seeds > 1 for band in made)
        words = column.replace("_", " ")
        about = "Mean over seeds, and its 95 % bootstrap interval." if seeds else ""
        alt = f"Learning curve: {words} over training steps."
        figure = curve_figure(made, column)
        curves.append(panel(words.capitalize(), graph(f"curve-{column}", figure, alt), about=about))
    if curves:
        told.append(html.Div(curves, className="charts"))
    told += [_score_panel(score) for score in scores]
    return html.Div(told, className="home")


def folders(library: Library) -> list[Path]:
    """Those that hold runs or scores; a page is about one of them, by its place here."""
    found = {run.folder.parent for run in library.runs.values()}
    return sorted(found | {score.file.parent for score in library.scores})


def group_links(library: Library, folder: Path) -> Any:
    """Links to a folder's page and to the episodes of its policies."""
    here = {key: run for key, run in library.runs.items() if run.folder.parent == folder}
    scores = [score for score in library.scores if score.file.parent == folder]
    place = folders(library).index(folder)
    names = ", ".join(run.name for run in here.values())
    line = link(
        f"{folder.name}: curves and tables{f' of {names}' if names else ''}", f"/runs/{place}"
    )
    return html.Ul([html.Li(line), *_watch_links(library, here, scores)], className="links")


def _watch_links(library: Library, here: dict[str, Run], scores: Sequence[Score]) -> list[Any]:
    known = set(policy_names())
    told = (score.reference for score in scores)
    reference = next((name for name in told if name in known), REFERENCE)
    episode = f"{library.choices.window} episode {library.choices.number}"
    return [
        html.Li(
            link(
                f"▶ Watch {run.name} beside {reference} on {episode}",
                f"/watch/{key}/{key}.{quote(reference)}",
            )
        )
        for key, run in here.items()
        if run.policy is not None
    ]


def _score_panel(score: Score) -> Any:
    summaries = [(str(doc["policy"]), doc["summary"]) for doc in score.documents]
    less = bool(summaries[0][1].get("less_is_better"))
    ranked = sorted(summaries, key=lambda each: _mean(each[1]) * (1 if less else -1))
    kind = str(summaries[0][1].get("score", "score"))
    head = ("policy", kind, "95 % interval", "less the baseline", "P(better)", "normalised", "gap")
    rows = [
        [
            policy,
            number(told.get("mean")),
            _interval(told.get("interval")),
            _estimate(told.get("difference")),
            _estimate(told.get("probability_of_improvement")),
            _estimate(told.get("normalised")),
            _estimate(told.get("gap")),
        ]
        for policy, told in ranked
    ]
    first = score.documents[0]
    about = (
        f"{first.get('window', '')} window of trace {first.get('trace', '')}, "
        f"{summaries[0][1].get('episodes', '?')} episodes; {'less' if less else 'more'} is better; "
        f"the baseline is {summaries[0][1].get('baseline', '?')}."
    )
    return panel(f"Scores on {score.scenario}", table(head, rows), about=about)


def _mean(told: dict[str, Any]) -> float:
    value = told.get("mean")
    return float(value) if isinstance(value, int | float) else 0.0


def _interval(ends: Any) -> str:
    if not isinstance(ends, list) or len(ends) != 2 or None in ends:
        return "-"
    return f"{number(ends[0])} to {number(ends[1])}"


def _estimate(told: Any) -> str:
    if not isinstance(told, dict) or told.get("value") is None:
        return "-"
    return number(told["value"], 3)
