"""The callbacks of the player that need the replay: what is shown at a position, and files."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import dash
from dash import ALL, Input, Output, State

from vmagent_marl.view.dashboard import charts, series
from vmagent_marl.view.dashboard.episode_file import episode_bytes, file_name
from vmagent_marl.view.dashboard.frame import frame
from vmagent_marl.view.dashboard.library import Library
from vmagent_marl.view.dashboard.parts import dcc
from vmagent_marl.view.dashboard.series import Axis
from vmagent_marl.view.dashboard.server_map import server_at
from vmagent_marl.view.dashboard.watch_charts import chart_figures
from vmagent_marl.view.dashboard.watch_pane import server_title, shape_of
from vmagent_marl.view.replay import Replay


def player(app: dash.Dash, library: Library) -> None:
    """Frames, charts, servers and downloads."""

    def replays(film: dict[str, Any]) -> list[Replay]:
        return [library.replay(key) for key in film["keys"]]

    @app.callback(
        Output("frame", "data"),
        Input("position", "value"),
        Input("axis", "value"),
        State("film", "data"),
    )
    def move(position: float, axis: Axis, film: dict[str, Any]) -> Any:
        """What is shown at a position: every recording's own step."""
        shown = replays(film)
        steps = [series.step_at(replay, position or 0, axis) for replay in shown]
        per, _ = charts.scale(shown, axis)
        return {
            "position": position,
            "x": (position or 0) / per,
            "frames": [frame(replay, t) for replay, t in zip(shown, steps, strict=True)],
            "steps": [len(replay) for replay in shown],
        }

    @app.callback(
        Output({"type": "chart", "name": ALL}, "figure"),
        Input("axis", "value"),
        State({"type": "chart", "name": ALL}, "id"),
        State("film", "data"),
        prevent_initial_call=True,
    )
    def turn(axis: Axis, ids: list[dict[str, str]], film: dict[str, Any]) -> Any:
        """Every chart over requests, or over time."""
        shown = replays(film)
        same = any(each["name"] == "difference" for each in ids)
        figures = chart_figures(shown, axis, same)
        return [figures[each["name"]][2] for each in ids]

    for i in range(2):
        _server(app, replays, i)

    @app.callback(
        Output("download", "data"),
        Input({"type": "download", "key": ALL}, "n_clicks"),
        prevent_initial_call=True,
    )
    def save(clicks: list[int]) -> Any:
        """The episode as a file."""
        asked = dash.ctx.triggered_id
        if not any(clicks) or not isinstance(asked, dict):
            return dash.no_update
        recording = library.replay(str(asked["key"])).recording
        return dcc.send_bytes(episode_bytes(recording), file_name(recording))


def _server(app: dash.Dash, replays: Callable[[dict[str, Any]], list[Replay]], i: int) -> None:
    @app.callback(
        Output(f"server-{i}", "figure"),
        Output(f"server-title-{i}", "children"),
        Output(f"selected-{i}", "data"),
        Input(f"map-{i}", "clickData"),
        Input("axis", "value"),
        State(f"selected-{i}", "data"),
        State("film", "data"),
        prevent_initial_call=True,
    )
    def look(
        click: dict[str, Any] | None, axis: Axis, selected: dict[str, int], film: dict[str, Any]
    ) -> Any:
        """One server's course, of the one that was clicked last."""
        replay = replays(film)[i]
        k, server = selected["cluster"], selected["server"]
        if click is not None:
            point = click["points"][0]
            k, server = server_at(shape_of(replay), point["x"], point["y"]) or (k, server)
        if not (0 <= k < replay.clusters and 0 <= server < replay.rules.most[k]):
            return dash.no_update, dash.no_update, dash.no_update
        chosen = {"cluster": k, "server": server}
        return charts.server_figure(replay, k, server, axis), server_title(chosen), chosen
