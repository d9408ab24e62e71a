"""The page on the game: its code prints what it says, and its picture is of the same game."""

from __future__ import annotations

import importlib
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest
from places import ROOT

DOCS = ROOT / "docs"
PAGE = (DOCS / "game.md").read_text(encoding="utf-8")
PARTED = "---- the next block"


def blocks(language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```", PAGE, re.DOTALL | re.MULTILINE)


def test_every_block_prints_what_stands_below_it(tmp_path: Path) -> None:
    """One after the other, as a reader would type them, beside the scenario that the page shows."""
    (scenario,), code, printed = blocks("yaml"), blocks("python"), blocks("text")
    assert len(code) == len(printed) > 4
    assert len(re.findall("^```", PAGE, re.MULTILINE)) == 2 * (1 + len(code) + len(printed))
    (tmp_path / "ring.yaml").write_text(scenario, encoding="utf-8")
    done = subprocess.run(
        [sys.executable, "-c", f"\nprint({PARTED!r})\n".join(code)],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(p for p in sys.path if p)},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    for told, wanted in zip(done.stdout.split(PARTED + "\n"), printed, strict=True):
        assert told == wanted


def words(picture: Path) -> list[str]:
    """All text of an SVG."""
    return [text.text or "" for text in ElementTree.parse(picture).iter() if "text" in text.tag]


@pytest.fixture
def game_picture(monkeypatch: pytest.MonkeyPatch) -> Any:
    """The program that draws the picture."""
    monkeypatch.syspath_prepend(DOCS)
    return importlib.import_module("game_picture")


def test_the_picture_is_drawn_anew_from_the_page(game_picture: Any, tmp_path: Path) -> None:
    game_picture.main(tmp_path / "game.svg")
    assert words(tmp_path / "game.svg") == words(DOCS / "game.svg")
    assert "cluster_2 · home" in words(DOCS / "game.svg")
    assert "](game.svg)" in PAGE


def test_what_the_picture_says_of_each_cluster_is_so(game_picture: Any) -> None:
    simulator = game_picture.simulator_at_the_request()
    assert [k for k in game_picture.CENTRES] == [2, 3, 0, 1]  # from home on around the ring
    mask = simulator.mask[0]
    assert mask[2].tolist() == [0, 0, 0, 0, 1]
    assert mask[3, :-1].any()
    assert mask[3, -1] == 1
    assert mask[0, :-1].any()
    assert mask[0, -1] == 0
    simulator.step([[1, 0, 4, 4]])
    assert simulator.state.reached[0].tolist() == [True, False, True, True]
