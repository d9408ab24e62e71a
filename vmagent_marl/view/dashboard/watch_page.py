"""The page on which one episode, or two side by side, is played."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from dash import dcc, html

from vmagent_marl.view.dashboard import charts, series
from vmagent_marl.view.dashboard.parts import button, graph, note, number, panel, table
from vmagent_marl.view.dashboard.replay import Replay
from vmagent_marl.view.dashboard.series import Axis
from vmagent_marl.view.dashboard.server_map import for_page, map_figure, server_map

SPEEDS = (1, 5, 20, 100, 500, 2500)  # requests a second
GAUGES = {
    "cpu": "cpu used",
    "memory": "memory used",
    "active": "servers in use",
    "placed": "VMs placed",
    "turned_away": "turned away",
    "reward": "reward so far",
}
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
                [
                    _pane(i, key, replay, two)
                    for i, (key, replay) in enumerate(_pairs(keys, replays))
                ],
                className="panes two" if two else "panes",
            ),
            html.Div(_charts(replays, "requests", same), className="charts"),
            panel("Metrics at the end", _metrics(replays), name="metrics"),
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
        "maps": [for_page(_shape(replay)) for replay in replays],
        "most": [replay.rules.most.tolist() for replay in replays],
    }


def chart_figures(
    replays: Sequence[Replay], axis: Axis, same: bool
) -> dict[str, tuple[str, str, charts.Figure]]:
    """By name: title, what it shows, and the figure."""
    made = {
        "load": (
            "Load",
            "used share of cpu and memory of all servers in service",
            charts.load_figure(replays, axis),
        ),
        "reward": (
            "Reward",
            "sum of the team's rewards so far",
            charts.reward_figure(replays, axis),
        ),
    }
    if same:
        made["difference"] = (
            "Difference",
            "reward so far of A less that of B; above zero A is ahead",
            charts.difference_figure(replays[0], replays[1], axis),
        )
    if charts.waits(replays):
        made["queue"] = ("Queue", "VMs that wait", charts.queue_figure(replays, axis))
        made["wait"] = ("Wait", "minutes each VM waited", charts.wait_figure(replays, axis))
    if charts.priced(replays):
        made["profit"] = (
            "Profit",
            "revenue less power of each cluster so far",
            charts.profit_figure(replays, axis),
        )
        made["power"] = (
            "Power",
            "what servers in use burn, by cluster",
            charts.power_figure(replays, axis),
        )
        made["hops"] = (
            "Hops",
            "mean position in the offer chain at which VMs were taken",
            charts.hops_figure(replays, axis),
        )
    return made


def _pairs(keys: Sequence[str], replays: Sequence[Replay]) -> list[tuple[str, Replay]]:
    return list(zip(keys, replays, strict=True))


def _shape(replay: Replay) -> Any:
    return server_map(replay.rules.most.tolist(), replay.rules.power.tolist())


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
        told.append(
            note("These are not the same requests under the same rules: side by side only.")
        )
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
                    button("back", "‹", "one step back (left arrow)"),
                    button("play", "▶ Play", "play or pause (space)", name="primary"),
                    button("forward", "›", "one step on (right arrow)"),
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


def _pane(i: int, key: str, replay: Replay, two: bool) -> Any:
    recording = replay.recording
    shape = _shape(replay)
    cells = f"{sum(replay.rules.most.tolist()):,} servers of {replay.clusters} clusters"
    title = f"{charts.NAMES[i]}: {recording.policy}" if two else recording.policy
    gauges = dict(GAUGES)
    if charts.waits([replay]):
        gauges["queue"] = "VMs waiting"
    if charts.priced([replay]):
        gauges["profit"] = "profit so far"
    selected = {"cluster": 0, "server": 0}
    return html.Section(
        [
            html.Div(
                [
                    html.H2(title, className=f"name name-{i}"),
                    button(
                        {"type": "download", "key": key},
                        "Download episode",
                        f"save the episode of {recording.policy} as a small file that replays",
                        name="quiet",
                    ),
                ],
                className="pane-head",
            ),
            html.Div([_gauge(name, words) for name, words in gauges.items()], className="gauges"),
            html.Div(id=f"chain-{i}", className="chain", **{"aria-label": "The request"}),
            html.Div(
                [
                    html.H3("Servers"),
                    dcc.RadioItems(
                        id=f"quantity-{i}",
                        options=[
                            {"label": "fuller of both", "value": "both"},
                            {"label": "cpu", "value": "cpu"},
                            {"label": "memory", "value": "memory"},
                        ],
                        value="both",
                        inline=True,
                    ),
                ],
                className="row",
            ),
            graph(
                f"map-{i}",
                map_figure(shape),
                f"Heat map of {cells}: used share of each NUMA node, per cent. "
                "The last placement is outlined; a click shows one server.",
                tall="map",
            ),
            html.P(
                "Two cells a server: its NUMA nodes 0 and 1. Outlined: the last placement; dotted: "
                "where this request goes. Click a server to see its course below.",
                className="about",
            ),
            _cluster_table(i, replay),
            dcc.Store(id=f"selected-{i}", data=selected),
            html.H3(_server_title(selected), id=f"server-title-{i}"),
            graph(
                f"server-{i}",
                charts.server_figure(replay, 0, 0, "requests"),
                "Used share of one server's nodes over the episode, per cent.",
            ),
        ],
        className="pane panel",
        id=f"pane-{i}",
    )


def _server_title(selected: dict[str, int]) -> str:
    return f"Cluster {selected['cluster']}, server {selected['server']} over the episode"


def _gauge(name: str, words: str) -> Any:
    bar = (
        [html.Div(html.Div(className="fill"), className="bar")] if name in ("cpu", "memory") else []
    )
    return html.Div(
        [html.Div(words, className="words"), html.Div("–", className="value"), *bar],
        className="gauge",
        **{"data-gauge": name},
    )


def _cluster_table(i: int, replay: Replay) -> Any:
    if not charts.priced([replay]):
        return html.Div()
    head = ("cluster", "cpu", "servers in use", "VMs", "hops", "power", "profit")
    body = [html.Tr([html.Td("") for _ in head]) for _ in range(replay.clusters)]
    row = html.Tr([html.Th(cell, scope="col") for cell in head])
    inner = html.Table([html.Thead(row), html.Tbody(body, id=f"clusters-{i}")])
    return html.Div(inner, className="table", tabIndex="0")


def _charts(replays: Sequence[Replay], axis: Axis, same: bool) -> list[Any]:
    return [
        panel(
            title,
            graph({"type": "chart", "name": name}, figure, f"{title}: {about}."),
            about=f"{about[0].upper()}{about[1:]}.",
        )
        for name, (title, about, figure) in chart_figures(replays, axis, same).items()
    ]


UNITS = {
    "requests": "VMs",
    "placed": "VMs",
    "placed_large": "VMs",
    "turned_away": "VMs",
    "turned_away_large": "VMs",
    "killed": "VMs",
    "placed_cpu_s": "vCPU s",
    "turned_away_cpu_s": "vCPU s",
    "seconds": "s",
    "wait_s": "s",
    "wait_mean_s": "s",
    "wait_p95_s": "s",
    "used_cpu": "share",
    "used_memory": "share",
    "stranded_cpu": "share",
    "stranded_memory": "share",
    "numa_imbalance": "share",
    "empty_servers": "servers",
    "active_server_hours": "server h",
    "server_hours_bound": "server h",
    "capacity_hours": "server h",
    "hops": "positions",
    "fairness": "Jain's index",
    "profit": "price units",
    "possible_revenue": "price units",
}


def _metrics(replays: Sequence[Replay]) -> Any:
    """Rows of metrics, a column each, and the difference of two."""
    told = [replay.metrics.as_dict() for replay in replays]
    returns = [float(replay.reward.sum()) for replay in replays]
    head = ["metric", "unit", *(replay.recording.policy for replay in replays)]
    two = len(replays) == 2
    rows: list[list[str]] = [["return", "reward", *(number(value) for value in returns)]]
    if two:
        head.append("A less B")
        rows[0].append(_signed(returns[0] - returns[1]))
    for name, unit in UNITS.items():
        values: list[Any] = [each[name] for each in told]
        row = [name.replace("_", " "), unit, *(number(value) for value in values)]
        rows.append([*row, _signed(values[0] - values[1])] if two else row)
    return table(head, rows)


def _signed(value: float) -> str:
    return f"+{number(value)}" if value > 0 else number(value)
