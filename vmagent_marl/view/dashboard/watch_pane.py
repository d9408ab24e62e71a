"""One recording in the player: gauges, the offer chain, the servers, and one of them."""

from __future__ import annotations

from typing import Any

from vmagent_marl.view.dashboard import charts
from vmagent_marl.view.dashboard.parts import button, dcc, graph, html
from vmagent_marl.view.dashboard.server_map import ServerMap, map_figure, server_map
from vmagent_marl.view.replay import Replay

GAUGES = {
    "cpu": "cpu used",
    "memory": "memory used",
    "active": "servers in use",
    "placed": "VMs placed",
    "turned_away": "turned away",
    "reward": "reward so far",
}


def pane(i: int, key: str, replay: Replay, two: bool) -> Any:
    """Pane `i`, of the recording by this key; named A or B where there are two."""
    recording = replay.recording
    shape = shape_of(replay)
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
            html.Div(
                [_gauge(name, words) for name, words in gauges.items()],
                className=f"gauges by-{3 if len(gauges) == 6 else 4}",
            ),
            html.Div(
                id=f"chain-{i}",
                className="chain long" if replay.clusters > 2 and two else "chain",
                role="group",
                **{"aria-label": "The request and its offer chain"},
            ),
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
                name="map",
            ),
            html.P(
                "Two cells a server: its NUMA nodes 0 and 1. Outlined: the last placement; dotted: "
                "where this request goes. Click a server to see its course below.",
                className="about",
            ),
            _cluster_table(i, replay),
            dcc.Store(id=f"selected-{i}", data=selected),
            html.H3(server_title(selected), id=f"server-title-{i}"),
            graph(
                f"server-{i}",
                charts.server_figure(replay, 0, 0, "requests"),
                "Used share of one server's nodes over the episode, per cent.",
            ),
        ],
        className="pane panel",
        id=f"pane-{i}",
    )


def shape_of(replay: Replay) -> ServerMap:
    """Where a replay's servers are shown."""
    return server_map(replay.rules.most.tolist(), replay.rules.power.tolist())


def server_title(selected: dict[str, int]) -> str:
    """Above the course of the server that was chosen."""
    return f"Cluster {selected['cluster']}, server {selected['server']} over the episode"


def _gauge(name: str, words: str) -> Any:
    bar = (
        [html.Div(html.Div(className="fill"), className="bar")] if name in ("cpu", "memory") else []
    )
    return html.Div(
        [html.Div(words, className="words"), html.Div("-", className="value"), *bar],
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
