"""`view` as people type it: what it opens, what it refuses, and how it ends."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import urllib.request
from pathlib import Path

import pytest

pytest.importorskip("dash", reason="dash is absent: pip install .[view]")

from vmagent_marl.cli.main import main
from vmagent_marl.cli.viewing import _add, _path
from vmagent_marl.episodes import collect, recipe_for
from vmagent_marl.errors import VmagentError
from vmagent_marl.evaluation import evaluate, write_json
from vmagent_marl.policies import make_policy
from vmagent_marl.scenario import load_scenario
from vmagent_marl.sim import Episode
from vmagent_marl.view.dashboard.episode_file import SUFFIX, episode_bytes
from vmagent_marl.view.dashboard.library import Library
from vmagent_marl.view.replay import played


@pytest.fixture(autouse=True)
def datasets_of_its_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MINARI_DATASETS_PATH", str(tmp_path / "minari"))


def fails(capsys: pytest.CaptureFixture[str], *arguments: str) -> str:
    with pytest.raises(SystemExit) as end:
        main(["view", *arguments])
    assert end.value.code == 1
    (line,) = capsys.readouterr().err.strip().splitlines()
    assert line.startswith("error: ")
    return line


def test_it_says_its_address_answers_and_ends_with_one_line(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "vmagent_marl.cli.main", "view", "tiny:first-fit"]
    with subprocess.Popen(
        command, cwd=tmp_path, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        env={**os.environ, "PYTHONUNBUFFERED": "1"},
    ) as view:  # fmt: skip
        assert view.stdout is not None
        assert view.stderr is not None
        address = view.stdout.readline()
        try:
            match = re.match(r"(http://127\.0\.0\.1:\d+)/watch/p0  \(Ctrl-C ends\)$", address)
            assert match, address
            with urllib.request.urlopen(match[1], timeout=20) as page:
                assert page.status == 200
        finally:
            view.send_signal(signal.SIGINT)
        out, err = view.communicate(timeout=20)
    assert out.strip() == "The dashboard is closed."
    told = [line for line in err.splitlines() if not line.startswith("Compiling the simulator")]
    assert told == []  # but for what a machine says that plays for the first time
    assert view.returncode == 0


def test_everything_that_is_named_is_opened(tmp_path: Path) -> None:
    recipe = recipe_for("recovering", "first-fit", episodes=2, fields={"servers": 2})
    name = collect(recipe, progress=False)
    replay = played(load_scenario("tiny"), make_policy("first-fit"), Episode(0, 40))
    file = tmp_path / f"mine{SUFFIX}"
    file.write_bytes(episode_bytes(replay.recording))
    library = Library()
    assert _add(library, name, {}) == ["/data/d0"]
    (episode,) = _add(library, f"{name}#1", {})
    assert library.replay(episode).metrics == library.datasets["d0"].rows(9)[1][1]
    assert _add(library, str(tmp_path / "minari"), {}) == ["/"]
    (stored,) = _add(library, str(file), {})
    assert library.replay(stored).metrics == replay.metrics
    scores = evaluate(load_scenario("recovering", servers=2), "first-fit", episodes=1)
    write_json(scores, tmp_path / "scores.json")
    assert _add(library, str(tmp_path / "scores.json"), {}) == ["/runs/0"]
    (now,) = _add(library, "tiny:worst-fit", {"horizon": 8})
    assert library.replay(now).recording.policy == "worst-fit"
    assert _path([stored, now]) == f"/watch/{stored}/{now}"
    assert _path(["/data/d0"]) == "/data/d0"
    assert _path([]) == _path([stored, "/"]) == "/"


def test_what_cannot_be_opened_is_one_line(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    (tmp_path / "empty").mkdir()
    (tmp_path / f"bad{SUFFIX}").write_bytes(b"x")
    (tmp_path / "bad.json").write_text("{}")
    assert "did you mean 'recovering'" in fails(capsys, "recovring:first-fit")
    assert "unknown policy" in fails(capsys, "recovering:firts-fit")
    assert "holds no run" in fails(capsys, str(tmp_path / "empty"))
    assert "holds no scores" in fails(capsys, str(tmp_path / "bad.json"))
    assert "is no episode file" in fails(capsys, str(tmp_path / f"bad{SUFFIX}"))
    assert "unknown run, data set or episode file" in fails(capsys, "vmagent/none/none-v0")
    assert "say who plays it, as in recovering:first-fit" in fails(capsys, "recovering")
    assert "unknown run" in fails(capsys, "../nowhere/at/all")
    assert "give 0 or more" in fails(capsys, "--seed", "-1")
    assert "is no port" in fails(capsys, "--port", "99999")


def test_without_dash_one_line_says_what_to_install(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "dash", None)
    assert 'pip install ".[view]"' in fails(capsys, "recovering:first-fit")


def test_more_than_one_run_and_an_unknown_number_are_told(tmp_path: Path) -> None:
    recipe = recipe_for("recovering", "first-fit", episodes=1, fields={"servers": 2})
    name = collect(recipe, progress=False)
    with pytest.raises(VmagentError, match="is no episode: write"):
        _add(Library(), f"{name}#x", {})
    library = Library()
    (key,) = _add(library, f"{name}#7", {})
    with pytest.raises(VmagentError, match="has no episode 7: give 0 to 0"):
        library.replay(key)


def test_an_episode_is_written_instead(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "episode.html"
    main(["view", "tiny:first-fit", "--export", str(file)])
    assert capsys.readouterr().out.split() == [str(file)]
    assert "first-fit" in file.read_text(encoding="utf-8")
    assert "name one SCENARIO:POLICY" in fails(capsys, "--export", str(file))
    assert "episode.txt" in fails(capsys, "tiny:first-fit", "--export", "episode.txt")
    assert not (tmp_path / "episode.txt").exists()
