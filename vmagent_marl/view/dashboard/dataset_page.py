"""The page of a data set: its card, and its episodes to click on."""

from __future__ import annotations

from typing import Any

from vmagent_marl.errors import VmagentError
from vmagent_marl.sim import Metrics
from vmagent_marl.view.dashboard.library import Library
from vmagent_marl.view.dashboard.parts import dcc, html, link, note, number, panel, table
from vmagent_marl.view.dashboard.stored import StoredEpisodes

SHOWN = 200  # episodes in the table


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


def _pick(key: str, dataset: StoredEpisodes) -> Any:
    last = len(dataset) - 1
    beside = f"/watch/{key}.0/{key}.{last}"
    first = link("▶ the first episode", f"/watch/{key}.0")
    return html.P([first, "  ", link("▶ the first and the last side by side", beside)])


def _episode_row(key: str, k: int, metrics: Metrics) -> list[Any]:
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
