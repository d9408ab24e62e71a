"""The page on which one episode, or two side by side, is played."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from vmagent_marl.view.dashboard import charts, series
from vmagent_marl.view.dashboard.parts import button, dcc, html, note, panel
from vmagent_marl.view.dashboard.server_map import for_page
from vmagent_marl.view.dashboard.watch_charts import chart_panels, metrics_table
from vmagent_marl.view.dashboard.watch_pane import pane, shape_of
from vmagent_marl.view.replay import Replay

SPEEDS = (1, 5, 20, 100, 500, 2500)  # requests a second
KEYS = "Keys: space plays, ← → step, Page ↑ ↓ ten steps, Home and End."


def watch_page(keys: Sequence[str], replays: Sequence[Replay]) -> Any:
    """The whole page of one or two replays."""
    two = len(replays) == 2
    same = two and series.same_window(*replays)
    parting = series.first_parting(*replays) if same else None
    return html.Div(
        [
            dcc.Store(id="film", data=film(keys, replays, parting)),
            dcc.Store(id="frame"),
            dcc.Store(id="drawn"),
            dcc.Store(id="playing", data=False),
            dcc.Interval(id="clock", interval=100, disabled=True),
            _heading(replays, same, parting),
            _transport(replays, parting),
            html.Div(
                [pane(i, keys[i], replay, two) for i, replay in enumerate(replays)],
                className="panes two" if two else "panes",
            ),
            html.Div(chart_panels(replays, "requests", same), className="charts"),
            panel("Metrics at the end", metrics_table(replays), name="metrics"),
        ],
        className="watch",
    )


def film(keys: Sequence[str], replays: Sequence[Replay], parting: int | None) -> dict[str, Any]:
    """What the page keeps of the recordings: lengths, spans, and where cells lie."""
    per, _ = charts.scale(replays, "time")
    return {
        "keys": list(keys),
        "steps": max(len(replay) for replay in replays),
        "seconds": max(int(replay.second[-1]) for replay in replays),
        "per": per,
        "parting": parting,
        "parting_second": None if parting is None else int(replays[0].second[parting]),
        "maps": [for_page(shape_of(replay)) for replay in replays],
        "most": [replay.rules.most.tolist() for replay in replays],
    }


def _heading(replays: Sequence[Replay], same: bool, parting: int | None) -> Any:
    first = replays[0].recording
    scenario = first.scenario
    names = " and ".join(replay.recording.policy for replay in replays)
    told = [html.H1(f"{scenario.name}: {names}")]
    where = f"{scenario.description} Trace {first.trace.name}, from row {first.played.first:,}."
    told.append(html.P(where, className="about"))
    for replay in replays:
        recorded = replay.recording.metrics
        if recorded is not None and recorded != replay.metrics:
            told.append(
                note(f"{replay.recording.policy}: it replays otherwise than recorded.", bad=True)
            )
    if len(replays) == 2 and not same:
        told.append(note("Other requests, or other rules: side by side, and not compared."))
    elif same and parting is None:
        told.append(note("Both decide alike from the first request to the last."))
    return html.Header(told, className="heading")


def _transport(replays: Sequence[Replay], parting: int | None) -> Any:
    jump = [] if parting is None else [button("jump", "First difference", _parts(parting))]
    end = max(len(replay) for replay in replays)
    return html.Div(
        [
            html.Div(
                [
                    button("first", "|◀", "to the beginning (Home)"),
                    button("back", "◀", "one step back (left arrow)"),
                    button("play", "▶ Play", "play or pause (space)", name="primary"),
                    button("forward", "▶", "one step on (right arrow)"),
                    button("last", "▶|", "to the end (End)"),
                    *jump,
                ],
                className="buttons",
            ),
            html.Div(
                dcc.Slider(
                    id="position",
                    min=0,
                    max=end,
                    step=1,
                    value=0,
                    marks=None,
                    updatemode="drag",
                    allow_direct_input=False,
                    included=True,
                ),
                className="slider",
                title=KEYS,
            ),
            html.Output("", id="where", className="where", **{"aria-live": "off"}),
            html.Div(
                [
                    html.Label("Speed", htmlFor="speed"),
                    dcc.Dropdown(
                        id="speed",
                        options=[{"label": f"{s:,} a second", "value": s} for s in SPEEDS],
                        value=5 if end < 2000 else 100,
                        clearable=False,
                        searchable=False,
                    ),
                    dcc.RadioItems(
                        id="axis",
                        options=[
                            {"label": "by request", "value": "requests"},
                            {"label": "by time", "value": "time"},
                        ],
                        value="requests",
                        inline=True,
                    ),
                ],
                className="options",
            ),
        ],
        className="transport",
        role="group",
        **{"aria-label": f"Playback. {KEYS}"},
    )


def _parts(parting: int) -> str:
    return f"jump to request {parting + 1:,}, the first that they decide otherwise"
