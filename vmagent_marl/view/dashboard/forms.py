"""The callbacks of the first page: a form to play now, and files that are dropped."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import dash
from dash import Input, Output, State

from vmagent_marl.errors import VmagentError
from vmagent_marl.view.dashboard.library import Library
from vmagent_marl.view.dashboard.parts import note


def forms(app: dash.Dash, library: Library) -> None:
    """Play what was chosen, open what was dropped."""

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
