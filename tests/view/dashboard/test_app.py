"""The pages and their server, without a browser."""

from __future__ import annotations

import dataclasses
import json
import logging
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("dash", reason="dash is absent: pip install .[view]")

from vmagent_marl.errors import SettingError
from vmagent_marl.view.dashboard.app import ASSETS, make_app
from vmagent_marl.view.dashboard.discovery import look_through
from vmagent_marl.view.dashboard.episode_file import SUFFIX, episode_bytes, read_episode
from vmagent_marl.view.dashboard.library import Library
from vmagent_marl.view.dashboard.safety import MOST_BODY
from vmagent_marl.view.dashboard.serving import listen
from vmagent_marl.view.replay import Replay

PORT = 8050
HOST = {"Host": f"127.0.0.1:{PORT}"}


@pytest.fixture(scope="module")
def library(recovering: Replay, packed: Replay, region: Replay) -> Library:
    made = Library()
    for replay in (recovering, packed, region):
        made.add_episode(episode_bytes(replay.recording), f"a{SUFFIX}")
    return made


@pytest.fixture(scope="module")
def client(library: Library) -> Iterator[Any]:
    with make_app(library).server.test_client() as made:
        yield made


def answer(client: Any, output: str, inputs: list[Any], state: list[Any], changed: str) -> Any:
    """What a callback answers, asked as a browser asks; None where it has nothing to say."""

    def named(given: list[Any]) -> list[dict[str, Any]]:
        return [dict(zip(("id", "property", "value"), each, strict=True)) for each in given]

    name, _, prop = output.partition(".")
    body = {
        "output": output,
        "outputs": {"id": name, "property": prop},
        "inputs": named(inputs),
        "state": named(state),
        "changedPropIds": [changed],
    }
    response = client.post("/_dash-update-component", json=body, headers=HOST)
    assert response.status_code in (200, 204), response.text
    return response.get_json()["response"] if response.status_code == 200 else None


def page(client: Any, path: str) -> str:
    """A page's parts as JSON."""
    shown = answer(client, "page.children", [("url", "pathname", path)], [], "url.pathname")
    return json.dumps(shown["page"]["children"])


def elements(part: Any) -> Iterator[dict[str, Any]]:
    """The properties of every element of a page."""
    if isinstance(part, list):
        for each in part:
            yield from elements(each)
    elif isinstance(part, dict) and "props" in part:
        yield part["props"]
        yield from elements(part["props"].get("children"))


def test_pages_are_there(client: Any) -> None:
    assert "What would you like to watch?" in page(client, "/")
    one, two = page(client, "/watch/f0"), page(client, "/watch/f0/f1")
    assert "recovering: first-fit" in one
    assert '"map-1"' not in one
    assert "First difference" in two
    assert "Difference: reward so far of A less that of B" in two
    assert "side by side, and not compared" in page(client, "/watch/f0/f2")


def test_every_figure_is_told_to_screen_readers(client: Any) -> None:
    for path, least in (("/watch/f0", 4), ("/watch/f0/f1", 7), ("/watch/f2", 7)):
        shown = page(client, path)
        figures = [props for props in elements(json.loads(shown)) if props.get("role") == "figure"]
        assert len(figures) == shown.count('"type": "Graph"') >= least
        assert all(len(props["aria-label"]) > 20 for props in figures)


@pytest.mark.parametrize(
    "path",
    ["/watch/f9", "/watch/../../etc/passwd", "/watch/r0", "/watch/d0.0", "/watch/f0/f1/f2",
     "/data/d7", "/runs/99", "/runs/-1", "/runs/" + "9" * 400, "/watch/%2e%2e%2fsecret",
     "/etc/passwd", "/watch/" + "a" * 9000],
)  # fmt: skip
def test_what_is_not_there_is_told_and_no_path_is_opened(client: Any, path: str) -> None:
    shown = page(client, path)
    assert "is here" in shown or "no such page" in shown
    assert "root:" not in shown
    assert len(shown) < 2000


def test_a_frame_is_what_a_slider_asks_for(client: Any, recovering: Replay, packed: Replay) -> None:
    film = {"keys": ["f0", "f1"]}
    for axis, position in (("requests", 77), ("time", 3000)):
        inputs = [("position", "value", position), ("axis", "value", axis)]
        told = answer(client, "frame.data", inputs, [("film", "data", film)], "position.value")
        frames = told["frame"]["data"]["frames"]
        assert len(frames) == 2
        if axis == "requests":
            assert [each["t"] for each in frames] == [77, 77]
        else:
            assert all(each["second"] <= 3000 for each in frames)
            assert recovering.second[frames[0]["t"] + 1] > 3000
            assert packed.second[frames[1]["t"] + 1] > 3000


def test_only_this_machines_names_are_answered(client: Any) -> None:
    for host in ("127.0.0.1:8050", "localhost:8050", "localhost:9000", "LOCALHOST"):
        assert client.get("/", headers={"Host": host}).status_code == 200
    for host in ("evil.example", "evil.example:8050", "127.0.0.1.evil.example:8050", "",
                 "[::1]:8050", "[::1]", "0.0.0.0:8050"):  # fmt: skip
        assert client.get("/", headers={"Host": host}).status_code == 403, host
    for origin, status in (
        ("http://127.0.0.1:8050", 200), ("http://localhost:8050", 403), ("http://127.0.0.1", 403),
        ("http://evil.example", 403), ("null", 403), ("http://127.0.0.1:9999", 403),
    ):  # fmt: skip
        assert client.get("/", headers={**HOST, "Origin": origin}).status_code == status, origin


def test_assets_are_the_only_files(client: Any) -> None:
    assert client.get("/assets/dashboard.js", headers=HOST, buffered=True).status_code == 200
    for path in ("/assets/../app.py", "/assets/..%2fapp.py", "/assets/%2e%2e/app.py",
                 "/assets//etc/passwd", "/_dash-component-suites/dash/../../etc/passwd",
                 "/_mcp"):  # fmt: skip
        text = client.get(path, headers=HOST, buffered=True).text
        assert "import" not in text
        assert "root:" not in text


def test_nothing_is_loaded_from_elsewhere(client: Any) -> None:
    shown = client.get("/", headers=HOST)
    wanted = re.findall(r'(?:src|href)="([^"]+)"', shown.text)
    assert len(wanted) > 3
    assert all(address.startswith("/") for address in wanted)
    assert "default-src 'self'" in shown.headers["Content-Security-Policy"]
    for file in ASSETS.iterdir():
        assert not re.search(r"https?://|@import|url\(", file.read_text(encoding="utf-8")), file


def test_a_body_beyond_the_limit_is_refused(client: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    assert client.application.config["MAX_CONTENT_LENGTH"] == MOST_BODY
    monkeypatch.setitem(client.application.config, "MAX_CONTENT_LENGTH", 100)
    body = {"output": "x" * 200}
    response = client.post("/_dash-update-component", json=body, headers=HOST)
    assert response.status_code == 413


def test_a_request_that_nobody_clicks_is_refused_in_a_line(
    client: Any, caplog: pytest.LogCaptureFixture
) -> None:
    for body in ({}, [], {"output": "a.b", "inputs": [], "changedPropIds": []}, {"output": 3}):
        response = client.post("/_dash-update-component", json=body, headers=HOST)
        assert response.status_code >= 400
        assert "Traceback" not in response.text
    assert all("\n" not in record.getMessage() for record in caplog.records)
    assert all(record.exc_info is None for record in caplog.records)


def test_a_file_that_is_wrong_gets_words_and_a_right_one_its_page(
    client: Any, recovering: Replay
) -> None:
    import base64

    def drop(name: str, content: bytes) -> dict[str, Any]:
        data = "data:;base64," + base64.b64encode(content).decode()
        known = json.loads(client.get("/_dash-dependencies", headers=HOST).text)
        output = next(each["output"] for each in known if "upload-error" in each["output"])
        first, second = output.strip(".").split("...")
        body = {
            "output": output,
            "outputs": [
                {"id": "url", "property": first.partition(".")[2]},
                {"id": "upload-error", "property": second.partition(".")[2]},
            ],
            "inputs": [{"id": "upload", "property": "contents", "value": data}],
            "state": [{"id": "upload", "property": "filename", "value": name}],
            "changedPropIds": ["upload.contents"],
        }
        response = client.post("/_dash-update-component", json=body, headers=HOST)
        assert response.status_code == 200
        told: dict[str, Any] = response.get_json()["response"]
        return told

    bad = drop("../../x.episode.npz", b"nonsense")
    assert "url" not in bad
    assert "x.episode.npz: is no episode file" in json.dumps(bad)
    assert ".." not in json.dumps(bad)
    assert "is not taken" in json.dumps(drop("a.exe", b"x"))
    good = drop(f"mine{SUFFIX}", episode_bytes(recovering.recording))
    assert re.fullmatch(r"/watch/f\d+", good["url"]["pathname"])


def test_a_replay_that_differs_from_its_recording_is_told(recovering: Replay) -> None:
    recording, library = recovering.recording, Library()
    assert recording.metrics is not None
    other = dataclasses.replace(recording.metrics, placed=recording.metrics.placed - 1)
    key = library.add_episode(episode_bytes(dataclasses.replace(recording, metrics=other)))
    with make_app(library).server.test_client() as client:
        assert "it replays otherwise than recorded" in page(client, f"/watch/{key}")


def test_names_that_a_page_sends_open_no_file(tmp_path: Path) -> None:
    library = Library()
    (tmp_path / "policy.pt").write_bytes(b"x")
    for scenario, policy, match in (
        ("../secret.yaml", "first-fit", "unknown scenario"),
        (str(tmp_path), "first-fit", "unknown scenario"),
        ("recovering", str(tmp_path / "policy.pt"), "unknown policy"),
        ("recovering", "a/b", "unknown policy"),
    ):
        with pytest.raises(LookupError, match=match):
            library.add_named(scenario, policy, 0)


def test_a_download_is_an_episode_file(client: Any, library: Library, recovering: Replay) -> None:
    content = episode_bytes(library.replay("f0").recording)
    assert read_episode(content).metrics == recovering.metrics


def test_few_replays_are_held(recovering: Replay) -> None:
    library = Library()
    keys = [library.add_episode(episode_bytes(recovering.recording)) for _ in range(9)]
    for key in keys:
        library.replay(key)
    assert len(library._held) == 4
    assert library.replay(keys[-1]) is library.replay(keys[-1])


def test_a_port_is_free_or_asked_for() -> None:
    first, second = listen(None), listen(None)
    with first, second:
        ports = [each.getsockname()[1] for each in (first, second)]
        assert {each.getsockname()[0] for each in (first, second)} == {"127.0.0.1"}
        assert ports[0] != ports[1]
        with pytest.raises(SettingError, match=f"--port {ports[0]}: .*give another"):
            listen(ports[0])
    with pytest.raises(SettingError, match="is no port"):
        listen(70_000)


def test_what_is_broken_is_left_out_of_the_list(tmp_path: Path) -> None:
    for name, text in (("a/config.json", "{"), ("b/config.json", "[]"), ("c/scores.json", "[1"),
                       ("d/data/metadata.json", "{"), ("d/data/main_data.hdf5", ""),
                       ("f/data/metadata.json", '{"total_episodes": -3}'),
                       ("f/data/main_data.hdf5", ""),
                       (f"e/x{SUFFIX}", "no zip")):  # fmt: skip
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(text)
    found = look_through(tmp_path)
    assert [*found.datasets, *found.runs, *found.scores] == []
    library = Library()
    library.add_found(found)
    assert library.titles == {}
    (tmp_path / "loop").symlink_to(tmp_path)
    assert len(look_through(tmp_path).episodes) == 1


def test_logs_are_quiet(client: Any, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.INFO):
        client.get("/", headers=HOST)
    assert caplog.records == []


def test_a_page_that_cannot_be_made_says_so(
    client: Any, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def fails(*_: Any) -> None:
        raise ZeroDivisionError

    monkeypatch.setattr("vmagent_marl.view.dashboard.app.home_page", fails)
    assert "cannot be made" in page(client, "/")
    assert "ZeroDivisionError" in caplog.text
