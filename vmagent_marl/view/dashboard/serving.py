"""The server under the dashboard: on this machine alone, quiet, and ended by Ctrl-C."""

from __future__ import annotations

import logging
import socket
import webbrowser
from contextlib import suppress
from typing import Any

from vmagent_marl.errors import SettingError
from vmagent_marl.view.dashboard.library import Library

HOST, PORT = "127.0.0.1", 8050


def listen(port: int | None) -> socket.socket:
    """A socket on this machine: at a port that was asked for, else at 8050, else at any free one.

    Raises `SettingError` where the port that was asked for is none, or is taken.
    """
    if port is not None and not 0 <= port < 1 << 16:
        raise SettingError(f"--port {port}: is no port: give 1024 to 65535, or none")
    for wanted in (port,) if port is not None else (PORT, 0):
        listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            listener.bind((HOST, wanted))
            listener.listen(64)
        except OSError as error:
            listener.close()
            if port is not None:
                reason = error.strerror or error
                raise SettingError(f"--port {port}: {reason}: give another, or none") from None
            continue
        return listener
    raise SettingError("no port of this machine is free: close something and try again")


def make_server(library: Library, listener: socket.socket) -> Any:
    """The server on a socket; `serve_forever` and `shutdown` are werkzeug's."""
    from werkzeug import serving

    from vmagent_marl.view.dashboard.app import make_app

    class Quiet(serving.WSGIRequestHandler):
        protocol_version = "HTTP/1.1"  # a connection is kept from one frame to the next

        def log(self, type: str, message: str, *args: Any) -> None:
            """Requests are nobody's business."""

    logging.getLogger("werkzeug").setLevel(logging.ERROR)
    port = listener.getsockname()[1]
    app = make_app(library)
    return serving.make_server(
        HOST, port, app.server, threaded=True, request_handler=Quiet, fd=listener.fileno()
    )


def serve(library: Library, listener: socket.socket, path: str, *, browser: bool = False) -> None:
    """Say the address, and answer until Ctrl-C."""
    server = make_server(library, listener)
    address = f"http://{HOST}:{listener.getsockname()[1]}{path}"
    print(f"{address}  (Ctrl-C ends)", flush=True)
    if browser:
        webbrowser.open(address)
    try:
        with suppress(KeyboardInterrupt):  # werkzeug takes it too, once it serves
            server.serve_forever()
    finally:
        server.server_close()
        listener.close()
        library.close()
    print("\nThe dashboard is closed.")
