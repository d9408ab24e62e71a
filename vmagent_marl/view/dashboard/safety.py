"""Who is answered: this machine's own browser, on pages of our own."""

from __future__ import annotations

import traceback
from pathlib import Path
from urllib.parse import urlsplit

from flask import Flask, abort, request
from werkzeug.exceptions import HTTPException
from werkzeug.wrappers import Response

from vmagent_marl.view.dashboard.uploads import MOST_BYTES

NAMES = ("127.0.0.1", "localhost")
MOST_BODY = MOST_BYTES // 3 * 4 + (1 << 20)  # an upload comes as base64

# Everything comes from here; Dash puts its own start and our style into the page.
POLICY = (
    "default-src 'self'; script-src 'self' 'unsafe-inline'; "
    "style-src 'self' 'unsafe-inline'; img-src 'self' data: blob:; connect-src 'self'; "
    "worker-src 'self' blob:; frame-ancestors 'none'; base-uri 'none'; form-action 'self'"
)


def guard(server: Flask) -> None:
    """Refuse other hosts (a name that an attacker rebinds to us), other origins, and large bodies.

    Any port goes, as the browser may be at the other end of a tunnel, but a page's requests come
    from the very host and port that it asks: no other server of this machine speaks for it.
    """
    server.config["MAX_CONTENT_LENGTH"] = MOST_BODY

    @server.before_request
    def _check() -> None:
        if _name(request.host) not in NAMES:
            abort(403, "this dashboard answers to 127.0.0.1 and localhost alone")
        origin = request.headers.get("Origin")
        if origin is not None and urlsplit(origin).netloc.lower() != request.host.lower():
            abort(403, "this dashboard takes requests from its own pages alone")

    @server.errorhandler(Exception)
    def _tell(error: Exception) -> tuple[str, int]:
        """A request that nobody sends by clicking: a line of its own, and no traceback."""
        if isinstance(error, HTTPException):
            return str(error.description), error.code or 500
        report(server, request.path, error)
        return "that did not work", 400

    @server.after_request
    def _close(response: Response) -> Response:
        response.headers["Content-Security-Policy"] = POLICY
        response.headers["X-Content-Type-Options"] = "nosniff"
        response.headers["Referrer-Policy"] = "no-referrer"
        response.headers["Cross-Origin-Resource-Policy"] = "same-origin"
        return response


def report(server: Flask, path: str, error: Exception) -> None:
    """What nobody foresaw, in a line of the terminal."""
    where = traceback.extract_tb(error.__traceback__)[-1]
    place = f"{Path(where.filename).name}, line {where.lineno}"
    server.logger.error("%s: %r (%s)", path[:200], error, place)


def _name(host: str) -> str:
    """Without the port."""
    name, colon, _port = host.rpartition(":")
    return (name if colon else host).lower()
