"""The first page: everything that can be watched, and a form to play what nobody recorded."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from vmagent_marl import catalog
from vmagent_marl.policies import policy_names
from vmagent_marl.view.dashboard.library import Library
from vmagent_marl.view.dashboard.parts import button, dcc, html, link, note, panel, table
from vmagent_marl.view.dashboard.runs_page import folders, group_links
from vmagent_marl.view.dashboard.uploads import MOST_BYTES

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
    ]
    if library.titles:
        items = [html.Li(link(title, f"/watch/{key}")) for key, title in library.titles.items()]
        parts.append(panel("Episodes", html.Ul(items, className="links")))
    groups = folders(library)
    if groups:
        parts.append(panel("Runs", *(group_links(library, folder) for folder in groups)))
    parts.append(_play_form())
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


def _play_form() -> Any:
    policies = [*policy_names(), *catalog.names("checkpoints")]
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
        max_size=MOST_BYTES,
    )
    return panel("Open a file", zone, html.Div(id="upload-error"))


def _dataset_table(library: Library) -> Any:
    rows = []
    for key, dataset in library.datasets.items():
        steps = int(dataset.metadata.get("total_steps", 0))
        first = link("▶ first episode", f"/watch/{key}.0") if dataset.is_ours else "its card only"
        rows.append([link(dataset.name, f"/data/{key}"), f"{len(dataset):,}", f"{steps:,}", first])
    return table(("data set", "episodes", "transitions", "watch"), rows)
