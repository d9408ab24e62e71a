"""The pages beside the player: what there is, a data set, the runs of a folder, and errors."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any
from urllib.parse import quote

from dash import dcc, html

from vmagent_marl import catalog
from vmagent_marl.errors import VmagentError
from vmagent_marl.policies import policy_names
from vmagent_marl.view.dashboard import charts, runs
from vmagent_marl.view.dashboard.library import Library
from vmagent_marl.view.dashboard.parts import button, graph, link, note, number, panel, table
from vmagent_marl.view.dashboard.runs import Run, Score
from vmagent_marl.view.dashboard.stored import StoredEpisodes

SHOWN = 200  # episodes in a table
CURVES = 6  # learning curves on a page
FIRST, SECOND = "first-fit", "server-best-fit"  # what a newcomer compares


def home_page(library: Library) -> Any:
    """Everything that can be watched, and a form to play what nobody has recorded."""
    parts = [
        html.Header(
            [
                html.H1("What would you like to watch?"),
                html.P(
                    "An episode step by step, two policies on the same requests, "
                    "or how a training went.",
                    className="about",
                ),
            ],
            className="heading",
        ),
        _play_form(),
    ]
    if library.titles:
        items = [html.Li(link(title, f"/watch/{key}")) for key, title in library.titles.items()]
        parts.append(panel("Episodes", html.Ul(items, className="links")))
    groups = folders(library)
    if groups:
        parts.append(panel("Runs", *(_group_links(library, folder) for folder in groups)))
    if library.datasets:
        parts.append(panel("Data sets", _dataset_table(library)))
    if not (groups or library.datasets or library.titles):
        parts.append(
            note(
                "No data set and no run is here yet: `vmagent-marl collect` records one, "
                "`vmagent-marl demo` makes both."
            )
        )
    parts.append(_upload())
    return html.Div(parts, className="home")


def dataset_page(library: Library, key: str) -> Any:
    """A data set's card, and its episodes to click on."""
    dataset = library.datasets[key]
    parts: list[Any] = [html.Header(html.H1(dataset.name), className="heading")]
    try:
        rows = [_episode_row(key, k, metrics) for k, metrics in dataset.rows(SHOWN)]
        head = ("episode", "requests", "placed", "turned away", "cpu used", "profit", "hours")
        shown = f"The first {SHOWN} of {len(dataset):,}. " if len(dataset) > SHOWN else ""
        parts.append(
            panel("Episodes", _pick(key, dataset), table(head, rows), about=f"{shown}Click one.")
        )
    except VmagentError as error:
        parts.append(note(str(error), bad=True))
    parts.append(panel("Card", dcc.Markdown(_card(dataset), className="card"), name="wide"))
    return html.Div(parts, className="home")


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
        alt = f"Learning curve: {words} over updates."
        figure = charts.curve_figure(made, column)
        curves.append(panel(words.capitalize(), graph(f"curve-{column}", figure, alt), about=about))
    if curves:
        told.append(html.Div(curves, className="charts"))
    told += [_score_panel(score) for score in scores]
    return html.Div(told, className="home")


def error_page(words: str) -> Any:
    """What went wrong, and the way back."""
    return html.Div(
        [note(words, bad=True), html.P(link("Back to the first page", "/"))], className="home"
    )


def folders(library: Library) -> list[Path]:
    """Those that hold runs or scores; a page is about one of them, by its place here."""
    found = {run.folder.parent for run in library.runs.values()}
    return sorted(found | {score.file.parent for score in library.scores})


def _play_form() -> Any:
    policies = [name for name in policy_names()]
    return panel(
        "Play now",
        html.Div(
            [
                _field("Scenario", "form-scenario", catalog.names("scenarios"), "recovering"),
                _field("Policy A", "form-one", policies, FIRST),
                _field("Policy B", "form-two", policies, SECOND, clearable=True),
                html.Div(
                    [
                        html.Label("Episode", htmlFor="form-number"),
                        dcc.Input(id="form-number", type="number", min=0, step=1, value=0),
                    ],
                    className="field small",
                ),
                button("form-play", "Play", "play these policies now", name="primary"),
            ],
            className="form",
        ),
        html.Div(id="form-error"),
        about="Two policies on the same requests; leave B empty to watch one alone.",
    )


def _field(words: str, id: str, options: Sequence[str], value: str, clearable: bool = False) -> Any:
    choose = dcc.Dropdown(id=id, options=list(options), value=value, clearable=clearable)
    return html.Div([html.Label(words, htmlFor=id), choose], className="field")


def _upload() -> Any:
    zone = dcc.Upload(
        id="upload",
        children=html.Div(
            [
                html.Strong("Drop an episode file or a zipped data set here"),
                html.Span("or click to choose: *.episode.npz, *.zip, up to 200 MB"),
            ],
            className="drop",
        ),
        multiple=False,
        max_size=200 * 2**20,
    )
    return panel("Open a file", zone, html.Div(id="upload-error"))


def _group_links(library: Library, folder: Path) -> Any:
    here = {key: run for key, run in library.runs.items() if run.folder.parent == folder}
    scores = [score for score in library.scores if score.file.parent == folder]
    place = folders(library).index(folder)
    names = ", ".join(run.name for run in here.values())
    line = link(
        f"{folder.name}: curves and tables{f' of {names}' if names else ''}", f"/runs/{place}"
    )
    return html.Ul([html.Li(line), *_watch_links(library, here, scores)], className="links")


def _watch_links(library: Library, here: dict[str, Run], scores: Sequence[Score]) -> list[Any]:
    reference = next((score.reference for score in scores if score.reference), SECOND)
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


def _dataset_table(library: Library) -> Any:
    rows = []
    for key, dataset in library.datasets.items():
        steps = int(dataset.metadata.get("total_steps", 0))
        first = link("▶ first episode", f"/watch/{key}.0")
        rows.append([link(dataset.name, f"/data/{key}"), f"{len(dataset):,}", f"{steps:,}", first])
    return table(("data set", "episodes", "transitions", "watch"), rows)


def _pick(key: str, dataset: StoredEpisodes) -> Any:
    last = len(dataset) - 1
    beside = f"/watch/{key}.0/{key}.{last}"
    first = link("▶ the first episode", f"/watch/{key}.0")
    return html.P([first, "  ", link("▶ the first and the last side by side", beside)])


def _episode_row(key: str, k: int, metrics: Any) -> list[Any]:
    return [
        link(f"▶ {k}", f"/watch/{key}.{k}"),
        number(metrics.requests),
        number(metrics.placed),
        number(metrics.turned_away),
        f"{metrics.used_cpu:.1%}",
        number(metrics.profit),
        number(metrics.seconds / 3600),
    ]


def _card(dataset: StoredEpisodes) -> str:
    from vmagent_marl.episodes.collecting.card import card_of

    try:
        return card_of(dataset.metadata)
    except (LookupError, TypeError, ValueError, AttributeError, VmagentError):
        return str(dataset.metadata.get("description", "It has no card."))


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
        return "–"
    return f"{number(ends[0])} to {number(ends[1])}"


def _estimate(told: Any) -> str:
    if not isinstance(told, dict) or told.get("value") is None:
        return "–"
    return number(told["value"], 3)
