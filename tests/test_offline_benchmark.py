"""The benchmark of offline algorithms, on next to nothing."""

from __future__ import annotations

import importlib
import os
from pathlib import Path

import pytest
from places import ROOT
from train.offline.comparing.programs import write_own

import vmagent_marl as vm


def test_the_tables_are_a_section_of_the_results(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = ROOT / "benchmarks"
    if not folder.is_dir():
        pytest.skip("benchmarks/ is not beside the tests")
    monkeypatch.syspath_prepend(folder)
    monkeypatch.setenv("MINARI_DATASETS_PATH", str(tmp_path / "mine"))
    offline = importlib.import_module("offline")
    monkeypatch.setattr(offline, "RECIPES", {"recovering/noisy-10": 60})
    page = tmp_path / "results.md"
    page.write_text("# Results\n\n## Speed\n\nFast.\n")
    offline.main(
        write=page,
        algorithms=(str(write_own(tmp_path, vm.load_scenario("recovering"))),),
        seeds=1,
        steps=3,
        episodes=2,
        scale=0.05,
        workers=1,
    )
    text = page.read_text(encoding="utf-8")
    assert "## Offline algorithms\n" in text
    assert "### vmagent/recovering/noisy-10-3-v0\n" in text
    assert "| mine " in text
    assert "Fast." in text
    assert "| mine " in capsys.readouterr().out
    assert os.environ["MINARI_DATASETS_PATH"] == str(tmp_path / "mine")
    assert not (tmp_path / "mine").exists()  # where nothing is recorded
