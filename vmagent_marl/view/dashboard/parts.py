"""Small parts that pages are made of: panels, tables, links, notes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import dash

# Dash's generated signatures know no `aria-...` and `data-...`, which it takes in every element.
html: Any = dash.html
dcc: Any = dash.dcc

CONFIG: Any = {"displaylogo": False, "responsive": True, "displayModeBar": False}


def panel(title: str, *children: Any, about: str = "", name: str = "") -> Any:
    """A titled box."""
    words = [html.P(about, className="about")] if about else []
    return html.Section([html.H2(title), *words, *children], className=f"panel {name}".strip())


def graph(id: Any, figure: Mapping[str, Any], alt: str, *, name: str = "chart") -> Any:
    """A figure that screen readers are told about, as high as it says or as the style sheet has."""
    plot = dcc.Graph(id=id, figure=dict(figure), config=CONFIG, responsive=True)
    height = figure["layout"].get("height")
    style = {} if height is None else {"height": f"{height}px"}
    return html.Div(plot, className=name, style=style, role="figure", **{"aria-label": alt})


def button(id: Any, words: str, about: str, *, name: str = "") -> Any:
    """A button that says what it does."""
    return html.Button(
        words, id=id, n_clicks=0, title=about, className=name, **{"aria-label": about}
    )


def note(words: str, *, bad: bool = False) -> Any:
    """A line that stands out; a bad one is read out at once."""
    return html.P(words, className="note bad" if bad else "note", role="alert" if bad else "note")


def table(head: Sequence[str], rows: Sequence[Sequence[Any]]) -> Any:
    """A table that scrolls by itself where it is too wide."""
    return html.Div(
        html.Table(
            [
                html.Thead(html.Tr([html.Th(cell, scope="col") for cell in head])),
                html.Tbody([html.Tr([html.Td(cell) for cell in row]) for row in rows]),
            ]
        ),
        className="table",
        tabIndex="0",
    )


def link(words: str, path: str) -> Any:
    """To another page."""
    return dcc.Link(words, href=path)


def number(value: float | None, digits: int = 4) -> str:
    """A figure for a table."""
    if value is None:
        return "-"
    if isinstance(value, int) or (float(value).is_integer() and abs(value) < 1e12):
        return f"{int(value):,}"
    return f"{value:,.{digits}g}" if abs(value) < 10**digits - 0.5 else f"{value:,.0f}"


def error_page(words: str) -> Any:
    """What went wrong, and the way back."""
    return html.Div(
        [note(words, bad=True), html.P(link("Back to the first page", "/"))], className="home"
    )
