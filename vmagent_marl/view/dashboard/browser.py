"""The callbacks that need no answer from here: playing, stepping, drawing, light and dark."""

from __future__ import annotations

from typing import Any

from dash import ClientsideFunction, Input, Output, State


def in_the_browser(app: Any) -> None:
    """Their code is assets/dashboard.js."""
    app.clientside_callback(
        ClientsideFunction("dashboard", "control"),
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
        ClientsideFunction("dashboard", "jump"),
        Output("position", "value", allow_duplicate=True),
        Input("jump", "n_clicks"),
        State("axis", "value"),
        State("film", "data"),
        prevent_initial_call=True,
    )
    app.clientside_callback(
        ClientsideFunction("dashboard", "rescale"),
        Output("position", "max"),
        Output("position", "value", allow_duplicate=True),
        Input("axis", "value"),
        State("film", "data"),
        State("frame", "data"),
        prevent_initial_call=True,
    )
    app.clientside_callback(
        ClientsideFunction("dashboard", "draw"),
        Output("drawn", "data"),
        Input("frame", "data"),
        State("film", "data"),
        State("axis", "value"),
    )
    for i in range(2):
        app.clientside_callback(
            ClientsideFunction("dashboard", "choose"),
            Output(f"pane-{i}", "data-chosen"),
            Input(f"quantity-{i}", "value"),
            Input(f"selected-{i}", "data"),
            State(f"pane-{i}", "id"),
        )
    app.clientside_callback(
        ClientsideFunction("dashboard", "theme"),
        Output("theme", "title"),
        Input("theme", "n_clicks"),
    )
