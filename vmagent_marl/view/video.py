"""An episode as one file to look at: a page, moving pictures, or a figure."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from vmagent_marl.errors import SettingError
from vmagent_marl.files import check_writable, replacing
from vmagent_marl.policies import Policy
from vmagent_marl.scenario import Scenario, load_scenario
from vmagent_marl.view.film import record_film
from vmagent_marl.view.style import FORMATS

FRAMES = {".html": 600, ".gif": 150} | dict.fromkeys(FORMATS, 400)  # at most, if none are given


def export_episode(
    scenario: Scenario | str | Path,
    policy: Policy | str,
    path: str | Path,
    *,
    seed: int = 0,
    number: int = 0,
    window: str = "validation",
    start: int | None = None,
    frames: int | None = None,
) -> Path:
    """Play episode `number` of a seed and write it as the suffix of `path` says.

    .html   a page with a slider and a play button, that needs nothing but a browser
    .gif    moving pictures
    .png, .svg, .pdf   one figure: load over time, the servers at four moments, the metrics

    `start`: a row of the trace to begin at, instead of one drawn in the `window`; `frames`: moments
    that are kept, evenly over the requests, instead of 600, 150 and 400. Raises `SettingError` for
    another suffix and `PolicyError` for a policy that does not go with the scenario, before
    anything is played.
    """
    path = Path(path)
    suffix = path.suffix.lower()
    if suffix not in FRAMES:
        raise SettingError(f"{path}: cannot be exported: end the name in {', '.join(FRAMES)}")
    check_writable(path)
    film = record_film(
        scenario,
        policy,
        seed=seed,
        number=number,
        window=window,
        start=start,
        frames=FRAMES[suffix] if frames is None else frames,
    )
    if suffix == ".html":
        from vmagent_marl.view.film_page import film_page

        with replacing(path) as unfinished:
            unfinished.write_text(film_page(film), encoding="utf-8")
        return path
    if suffix == ".gif":
        from vmagent_marl.view.film_gif import write_gif

        return write_gif(film, path)
    from vmagent_marl.view.film_figure import plot_film

    return plot_film(film, path)


def export_named(
    what: str,
    path: str | Path,
    *,
    seed: int = 0,
    number: int = 0,
    window: str = "validation",
    fields: Mapping[str, Any] | None = None,
) -> Path:
    """The same of a scenario and a policy in one word, `SCENARIO:POLICY`, as commands have it.

    >>> export_named("region-prices:cheapest-first", "episode.html", fields={"servers": 9})

    `fields`: of the scenario, in the place of its own.
    """
    scenario, colon, policy = what.rpartition(":")
    if not (colon and scenario and policy):
        raise SettingError(
            f"{what}: give a scenario and a policy with a colon between, as in "
            "region-prices:cheapest-first"
        )
    played = load_scenario(scenario, **(fields or {}))
    return export_episode(played, policy, path, seed=seed, number=number, window=window)
