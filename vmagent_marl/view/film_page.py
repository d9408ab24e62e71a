"""A film as one HTML file that needs nothing but a browser: slider, play button, gauges, curves."""

from __future__ import annotations

import base64
import json
from html import escape
from pathlib import Path
from typing import Any

from vmagent_marl.envs.frames import LEVELS, palette
from vmagent_marl.view.film import Film
from vmagent_marl.view.metric_names import TOLD

TEMPLATE = Path(__file__).with_name("film.html")


def told_metrics(film: Film) -> list[tuple[str, str]]:
    """Names and values of what the episode came to; without those that it cannot have."""
    rows = []
    for field, told in TOLD.items():
        value = getattr(film.metrics, field)
        alone = told.many and len(film.servers) == 1
        if not told.form or alone or (told.if_any and not value):
            continue
        if field == "profit_share" and film.gained_name != "profit":
            continue
        unit = " (s)" if told.unit == "s" else ""  # the others say what they count
        rows.append((f"{told.name}{unit}", format(value, told.form).replace("%", " %")))
    return rows


def cluster_names(film: Film) -> list[str]:
    """As axes and pages call them, with their power price where there is one."""
    power = film.scenario.each("power")
    return [
        f"cluster_{k}" + (f", power {power[k]:g}" if any(power) else "")
        for k in range(len(film.servers))
    ]


def film_page(film: Film) -> str:
    """The whole page; all of it is in the file, and nothing is fetched."""
    data = json.dumps(_data(film), separators=(",", ":")).replace("</", "<\\/")
    page = TEMPLATE.read_text(encoding="utf-8")
    return page.replace("__TITLE__", escape(film.title)).replace("__DATA__", data)


def _data(film: Film) -> dict[str, Any]:
    shown, number = len(film.second), int(film.number[-1])
    every = "every request" if shown == number + 1 else f"{shown - 1:,} of {number:,} requests"
    return {
        "about": f"{film.scenario.description} Seed {film.episode.seed}, "
        f"episode {film.episode.number}; shown: {every}.",
        "clusters": cluster_names(film),
        "servers": film.servers,
        "padded": film.cells.shape[3],
        "cells": base64.b64encode(film.cells.tobytes()).decode("ascii"),
        "shades": ["#" + bytes(colour).hex() for colour in palette()[:LEVELS].tolist()],
        "start_hour": film.start_hour,
        "number": film.number.tolist(),
        "second": film.second.tolist(),
        "request": film.request.tolist(),
        "home": film.home.tolist(),
        "taken": film.taken.tolist(),
        "used": film.used.round(4).tolist(),
        "running": film.running.tolist(),
        "placed": film.placed.tolist(),
        "turned_away": film.turned_away.tolist(),
        "empty": film.empty.tolist(),
        "gained": film.gained.round(3).tolist(),
        "gained_name": film.gained_name,
        "metrics": told_metrics(film),
    }
