"""The Dash app: pages by address, and the callbacks between what is clicked and what is shown."""

from __future__ import annotations

from pathlib import Path
from typing import Any
from urllib.parse import unquote

import dash
from dash import Input, Output
from flask import Flask

from vmagent_marl.errors import VmagentError
from vmagent_marl.view.dashboard.browser import in_the_browser
from vmagent_marl.view.dashboard.dataset_page import dataset_page
from vmagent_marl.view.dashboard.forms import forms
from vmagent_marl.view.dashboard.home_page import home_page
from vmagent_marl.view.dashboard.library import Library
from vmagent_marl.view.dashboard.parts import button, dcc, error_page, html
from vmagent_marl.view.dashboard.player import player
from vmagent_marl.view.dashboard.runs_page import folders, runs_page
from vmagent_marl.view.dashboard.safety import guard, report
from vmagent_marl.view.dashboard.watch_page import watch_page

ASSETS = Path(__file__).with_name("assets")
TITLE = "vmagent_marl"


def make_app(library: Library) -> dash.Dash:
    """The app on a library; it answers to this machine's names alone."""
    server = Flask("vmagent_marl.view")
    guard(server)
    made: Any = dash.Dash  # whose signature does not tell all that it takes
    app: dash.Dash = made(
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
    player(app, library)
    in_the_browser(app)
    forms(app, library)
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
            return error_page(str(error))
        except Exception as error:  # a file that is wrong in a new way leaves no page blank
            report(app.server, str(path), error)
            return error_page("this page cannot be made: the terminal tells why")


def _page(library: Library, words: list[str]) -> Any:
    nothing = "there is no such page here"
    match words:
        case []:
            return home_page(library)
        case ["watch", *keys] if 1 <= len(keys) <= 2:
            return watch_page(keys, [library.replay(key) for key in keys])
        case ["data", key] if key in library.datasets:
            return dataset_page(library, key)
        case ["runs", place] if place.isdecimal() and len(place) < 10:
            here = folders(library)
            if int(place) < len(here):
                return runs_page(library, here[int(place)])
    return error_page(nothing)
