"""A page about traces that needs nothing but a browser: the figure and its numbers in one file."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from html import escape
from typing import Any

from vmagent_marl.trace import Trace, describe
from vmagent_marl.trace.facts import facts
from vmagent_marl.trace.likeness import DISTANCES, likeness, unlike_ends

_STYLE = """
body { font: 15px/1.5 system-ui, sans-serif; color: #222; max-width: 1000px; margin: 2em auto;
  padding: 0 1em }
h1 { font-size: 1.4em } h2 { font-size: 1.1em; margin-top: 2em }
table { border-collapse: collapse } th, td { padding: .2em 1em .2em 0; text-align: right }
th:first-child, td:first-child { text-align: left } thead th { border-bottom: 1px solid #8a8a8a }
td { font-variant-numeric: tabular-nums } svg { width: 100%; height: auto }
"""


def trace_page(
    traces: Sequence[Trace],
    figure: str,
    *,
    servers: int | None = None,
    node: tuple[float, float] = (40.0, 90.0),
) -> str:
    """HTML of a figure (SVG) of traces, what `describe` tells of them, and how alike they are."""
    told = [describe(trace, servers=servers, node=node) for trace in traces]
    names = [trace.name for trace in traces]
    title = escape(" and ".join(names))
    parts = [
        "<!DOCTYPE html>",
        '<html lang="en"><head><meta charset="utf-8">',
        f"<title>{title}</title><style>{_STYLE}</style></head><body>",
        f"<h1>{title}</h1>",
        figure[figure.index("<svg") :],  # without what only a file of its own begins with
        "<h2>Figures</h2>",
        _table(names, _figures(told)),
    ]
    if len(traces) > 1:
        parts += [f"<h2>How like {escape(names[0])} they are</h2>", _table(names, _alike(traces))]
        parts += [f"<p>{escape(note)}</p>" for note in unlike_ends(traces)]
    return "\n".join([*parts, "</body></html>", ""])


def _figures(told: Sequence[Mapping[str, Any]]) -> dict[str, list[str]]:
    of_each = [facts(each) for each in told]
    words = max(of_each, key=len) | {row: "" for each in of_each for row in each}
    return {row: [each.get(row, "") for each in of_each] for row in words}


def _alike(traces: Sequence[Trace]) -> dict[str, list[str]]:
    measured = [likeness(traces[0], trace) for trace in traces]
    return {about: [f"{each[name]:.3f}" for each in measured] for name, about in DISTANCES.items()}


def _table(names: Sequence[str], rows: Mapping[str, Sequence[str]]) -> str:
    head = "".join(f"<th>{escape(name)}</th>" for name in ("", *names))
    body = "\n".join(
        f"<tr><td>{escape(words)}</td>{''.join(f'<td>{escape(cell)}</td>' for cell in cells)}</tr>"
        for words, cells in rows.items()
    )
    return f"<table><thead><tr>{head}</tr></thead><tbody>\n{body}\n</tbody></table>"
