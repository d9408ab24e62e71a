"""The Dash app: pages by address, and the callbacks between what is clicked and what is shown."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, cast
from urllib.parse import unquote

import dash
from dash import ALL, Input, Output, State, dcc, html
from flask import Flask

from vmagent_marl.errors import VmagentError
from vmagent_marl.view.dashboard import charts, other_pages, series
from vmagent_marl.view.dashboard.episode_file import episode_bytes, file_name
from vmagent_marl.view.dashboard.frame import frame
from vmagent_marl.view.dashboard.library import Library
from vmagent_marl.view.dashboard.parts import button, note
from vmagent_marl.view.dashboard.replay import Replay
from vmagent_marl.view.dashboard.safety import guard
from vmagent_marl.view.dashboard.series import Axis
from vmagent_marl.view.dashboard.watch_page import chart_figures, watch_page

ASSETS = Path(__file__).with_name("assets")
TITLE = "vmagent_marl"


def make_app(library: Library, port: int | None = None) -> dash.Dash:
    """The app on a library; with a port it answers to this machine's names alone."""
    server = Flask("vmagent_marl.view")
    guard(server, port)
    app = dash.Dash(
        TITLE,
        server=server,
        assets_folder=str(ASSETS),
        serve_locally=True,
        suppress_callback_exceptions=True,  # a page's parts come and go
        title=TITLE,
        update_title="",
        add_log_handler=False,
        compress=False,
        meta_tags=[{"name": "viewport", "content": "width=device-width, initial-scale=1"}],
        **_closed(),
    )
    app.layout = _frame_of_pages
    _pages(app, library)
    _player(app, library)
    _forms(app, library)
    return app


def _closed() -> dict[str, Any]:
    """Doors of newer Dashes that nobody here goes through."""
    import inspect

    known = inspect.signature(dash.Dash).parameters
    doors = {"enable_mcp": False, "websocket_callbacks": False}
    return {name: value for name, value in doors.items() if name in known}


def _frame_of_pages() -> Any:
    return html.Div(
        [
            dcc.Location(id="url"),
            dcc.Download(id="download"),
            html.Nav(
                [
                    dcc.Link("vmagent_marl", href="/", className="brand"),
                    button("theme", "◐", "switch between light and dark", name="quiet"),
                ]
            ),
            dcc.Loading(
                html.Main(id="page"), delay_show=300, type="dot", parent_className="loading"
            ),
        ]
    )


def _pages(app: dash.Dash, library: Library) -> None:
    @app.callback(Output("page", "children"), Input("url", "pathname"))
    def show(path: str | None) -> Any:
        words = [unquote(word) for word in (path or "/").split("/") if word]
        try:
            return _page(library, words)
        except VmagentError as error:
            return other_pages.error_page(str(error))


def _page(library: Library, words: list[str]) -> Any:
    nothing = "there is no such page here"
    match words:
        case []:
            return other_pages.home_page(library)
        case ["watch", *keys] if 1 <= len(keys) <= 2:
            return watch_page(keys, [library.replay(key) for key in keys])
        case ["data", key] if key in library.datasets:
            return other_pages.dataset_page(library, key)
        case ["runs", place] if place.isdecimal() and len(place) < 10:
            folders = other_pages.folders(library)
            if int(place) < len(folders):
                return other_pages.runs_page(library, folders[int(place)])
    return other_pages.error_page(nothing)


def _player(app: dash.Dash, library: Library) -> None:
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
        send = cast(Callable[..., Any], dcc.send_bytes)
        return send(episode_bytes(recording), file_name(recording))

    _in_the_browser(app)


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
        if click and click["points"][0].get("customdata"):
            k, server, _ = (int(value) for value in click["points"][0]["customdata"])
        if not (0 <= k < replay.clusters and 0 <= server < replay.rules.most[k]):
            return dash.no_update, dash.no_update, dash.no_update
        title = f"Cluster {k}, server {server} over the episode"
        figure = charts.server_figure(replay, k, server, axis)
        return figure, title, {"cluster": k, "server": server}


def _in_the_browser(app: dash.Dash) -> None:
    """What needs no answer from here: playing, stepping and drawing (assets/dashboard.js)."""
    app.clientside_callback(
        dash.ClientsideFunction("dashboard", "control"),
        Output("position", "value"),
        Output("playing", "data"),
        Output("clock", "disabled"),
        Output("play", "children"),
        [Input(id, "n_clicks") for id in ("first", "back", "play", "forward", "last")],
        Input("clock", "n_intervals"),
        State("position", "value"),
        State("position", "max"),
        State("playing", "data"),
        State("speed", "value"),
        State("axis", "value"),
        State("film", "data"),
        State("drawn", "data"),
        prevent_initial_call=True,
    )
    app.clientside_callback(
        dash.ClientsideFunction("dashboard", "jump"),
        Output("position", "value", allow_duplicate=True),
        Input("jump", "n_clicks"),
        State("axis", "value"),
        State("film", "data"),
        prevent_initial_call=True,
    )
    app.clientside_callback(
        dash.ClientsideFunction("dashboard", "rescale"),
        Output("position", "max"),
        Output("position", "value", allow_duplicate=True),
        Input("axis", "value"),
        State("film", "data"),
        State("frame", "data"),
        prevent_initial_call=True,
    )
    app.clientside_callback(
        dash.ClientsideFunction("dashboard", "draw"),
        Output("drawn", "data"),
        Input("frame", "data"),
        State("film", "data"),
        State("axis", "value"),
    )
    for i in range(2):
        app.clientside_callback(
            dash.ClientsideFunction("dashboard", "choose"),
            Output(f"pane-{i}", "data-chosen"),
            Input(f"quantity-{i}", "value"),
            Input(f"selected-{i}", "data"),
            State(f"pane-{i}", "id"),
        )
    app.clientside_callback(
        dash.ClientsideFunction("dashboard", "theme"),
        Output("theme", "title"),
        Input("theme", "n_clicks"),
    )


def _forms(app: dash.Dash, library: Library) -> None:
    @app.callback(
        Output("url", "pathname"),
        Output("form-error", "children"),
        Input("form-play", "n_clicks"),
        State("form-scenario", "value"),
        State("form-one", "value"),
        State("form-two", "value"),
        State("form-number", "value"),
        prevent_initial_call=True,
    )
    def play(clicks: int, scenario: str, one: str, two: str | None, number: int | None) -> Any:
        """Play what was chosen, and go where it is shown."""
        if not clicks:
            return dash.no_update, dash.no_update
        try:
            keys = [
                library.add_named(str(scenario), str(name), int(number or 0))
                for name in dict.fromkeys((one, two))
                if name
            ]
            for key in keys:
                library.replay(key)  # what cannot be played is told of here
        except VmagentError as error:
            return dash.no_update, note(str(error), bad=True)
        return f"/watch/{'/'.join(keys)}", ""

    @app.callback(
        Output("url", "pathname", allow_duplicate=True),
        Output("upload-error", "children"),
        Input("upload", "contents"),
        State("upload", "filename"),
        prevent_initial_call=True,
    )
    def upload(contents: str | None, name: str | None) -> Any:
        """Open what was dropped, or say why not."""
        if not contents:
            return dash.no_update, dash.no_update
        shown = Path(str(name or "file").replace("\\", "/")).name[:120]
        try:
            page = library.upload(shown, contents)
            if page.startswith("/watch/"):
                library.replay(page.removeprefix("/watch/"))
        except VmagentError as error:
            return dash.no_update, note(str(error), bad=True)
        return page, ""
