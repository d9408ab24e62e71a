"""An episode as a file: what a film holds, and what pages, moving pictures and figures show."""

from __future__ import annotations

import base64
import json
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from view.browser import rendered

from vmagent_marl.envs.frames import GREY, cells_of
from vmagent_marl.errors import PolicyError, SettingError, VmagentError
from vmagent_marl.evaluation import play
from vmagent_marl.policies import make_policy
from vmagent_marl.scenario import Scenario, load_scenario
from vmagent_marl.view import export_episode
from vmagent_marl.view.film import Film, record_film
from vmagent_marl.view.film_figure import plot_film
from vmagent_marl.view.film_gif import frame_of, write_gif
from vmagent_marl.view.film_page import film_page, told_metrics
from vmagent_marl.view.video import export_named


@pytest.fixture(scope="module")
def scenario() -> Scenario:
    outage = {"cluster": 1, "at": 2000, "seconds": 4000}
    return load_scenario("region-prices", horizon=300, servers=[2, 3, 1], outages=[outage])


@pytest.fixture(scope="module")
def film(scenario: Scenario) -> Film:
    return record_film(scenario, "cheapest-first", seed=4, frames=61)


def data_of(page: str) -> Any:
    (data,) = re.findall(r"^const film = (.*);$", page, re.MULTILINE)
    return json.loads(data)


def test_a_film_is_the_episode_that_evaluation_plays(scenario: Scenario, film: Film) -> None:
    policy = make_policy("cheapest-first")
    (played,) = play(scenario, policy, [film.episode])
    assert film.metrics == played.metrics
    assert film.cells.shape == (61, 3, 2, 3, 2)
    assert film.number.tolist() == list(range(0, 301, 5))
    assert film.elapsed[-1] == played.metrics.seconds
    assert film.placed[-1] == played.metrics.placed
    assert film.turned_away[-1] == played.metrics.turned_away > 0
    assert film.gained[-1] == pytest.approx(played.metrics.profit)
    assert len(film.request) == len(film.home) == len(film.taken) == 60


def test_each_moment_is_the_simulator_as_the_request_arrives(
    scenario: Scenario, film: Film
) -> None:
    policy, sim = make_policy("cheapest-first"), scenario.simulator()
    sim.reset({0: film.episode})
    for t in range(300):
        if t % 5 == 0:
            i = t // 5
            assert (cells_of(sim) == film.cells[i]).all()
            assert film.request[i, :2].tolist() == sim.feed.total[film.episode.first + t].tolist()
        sim.step(policy.act(sim, sim.keys())[0])
    out = film.cells[:, 1] == GREY
    assert out.any()  # the outage
    assert not out.all()
    assert ((film.used > 0.2) & (film.used <= 1)).any(axis=0).all()


def test_every_request_of_a_short_episode_is_kept() -> None:
    film = record_film("tiny", "first-fit", window="all", start=0)
    assert film.number.tolist() == list(range(len(film.number)))
    assert film.gained_name == "return"
    assert film.gained[-1] == film.metrics.placed


def test_where_vms_wait_the_head_of_the_queue_is_shown() -> None:
    film = record_film(load_scenario("waiting", servers=2), "first-fit", start=60_000, frames=20)
    assert (film.taken[:-1] >= 0).all()
    assert film.metrics.wait_s > 0
    assert "mean wait (s)" in dict(told_metrics(film))


def test_the_page_holds_everything_and_asks_for_nothing(film: Film, tmp_path: Path) -> None:
    page = film_page(film)
    assert not re.findall(r"https?:|<link|\bsrc=|@import|\burl\(|fetch\(", page)
    data = data_of(page)
    cells = np.frombuffer(base64.b64decode(data["cells"]), np.uint8)
    assert (cells == film.cells.ravel()).all()
    assert data["taken"] == film.taken.tolist()
    assert len(page) < 60_000


def test_the_page_draws_itself_in_a_browser(scenario: Scenario, tmp_path: Path) -> None:
    file = tmp_path / "episode.html"
    export_episode(scenario, "cheapest-first", file, seed=4, frames=31)
    shown = rendered(file, tmp_path / "profile")
    assert "<b>Request 1</b>" in shown
    assert 'max="30"' in shown
    assert "profit share" in shown  # the table's last row
    assert len(re.findall(r'class="gauge"', shown)) == 7
    assert len(re.findall(r'width: [\d.]+%;?"', shown)) == 2  # bars of used cpu and memory
    assert int(re.findall(r'id="servers"[^>]* height="(\d+)"', shown)[0]) > 80


def test_words_of_a_scenario_are_no_markup(tmp_path: Path) -> None:
    odd = tmp_path / "odd.yaml"
    odd.write_text(
        "description: '</script><b>odd'\ntrace: {requests: [[0, 9, 1, 1], [1, 9, 1, 1]]}\n"
        "servers: 1\n"
    )
    page = film_page(record_film(odd, "first-fit", start=0))
    assert page.count("</script>") == 1
    assert data_of(page)["about"].startswith("</script><b>odd")


def test_moving_pictures(film: Film, tmp_path: Path) -> None:
    file = write_gif(film, tmp_path / "episode.gif", frames_per_second=20)
    with Image.open(file) as pictures:
        assert pictures.n_frames == len(film.second)
        assert pictures.info["duration"] == 50
        for t in (0, 30, 60):
            pictures.seek(t)
            shown = np.asarray(pictures.convert("RGB")).astype(int)
            assert np.abs(shown - frame_of(film, t)).mean() < 6
    assert file.stat().st_size < 400_000
    assert list(tmp_path.iterdir()) == [file]


@pytest.mark.parametrize("suffix", [".png", ".svg", ".pdf"])
def test_the_figure_in_every_format(film: Film, suffix: str, tmp_path: Path) -> None:
    file = plot_film(film, tmp_path / f"episode{suffix}")
    assert file.stat().st_size > 10_000
    if suffix == ".svg":
        text = file.read_text(encoding="utf-8")
        for words in (film.title, "after 300 requests", "used share of a node", "Jain"):
            assert words in text
        assert "<image" not in text.replace("<image ", "", 1)  # the colour bar alone is no vector


def test_a_command_names_scenario_and_policy_in_one_word(tmp_path: Path) -> None:
    file = export_named("tiny:first-fit", tmp_path / "tiny.html")
    assert data_of(file.read_text(encoding="utf-8"))["servers"] == [1]
    named = {"seed": 3, "number": 2, "window": "test", "fields": {"horizon": 20, "servers": 2}}
    page = export_named("region:first-fit", tmp_path / "region.html", **named).read_text("utf-8")
    assert data_of(page)["servers"] == [2, 2, 2]
    assert "Seed 3, episode 2; shown: every request." in data_of(page)["about"]
    with pytest.raises(SettingError, match="colon"):
        export_named("tiny", tmp_path / "tiny.gif")


def test_what_cannot_be_exported_is_said_before_it_is_played(tmp_path: Path) -> None:
    with pytest.raises(SettingError, match=r"end the name in \.html, \.gif"):
        export_episode("tiny", "first-fit", tmp_path / "a.mp4")
    with pytest.raises(PolicyError, match="reads lifetime hints"):
        export_episode("tiny", "nilas", tmp_path / "a.html")
    with pytest.raises(SettingError, match="too few"):
        export_episode("tiny", "first-fit", tmp_path / "a.html", frames=1)
    film = record_film("tiny", "first-fit", window="all", start=0)
    with pytest.raises(VmagentError, match="frames a second"):
        write_gif(film, tmp_path / "a.gif", frames_per_second=0)
    assert not list(tmp_path.iterdir())
