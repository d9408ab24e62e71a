"""The benchmark of training tells every combination, with the target beside the one it is for."""

from __future__ import annotations

import importlib
from pathlib import Path

import pytest
from places import ROOT


def test_training_is_told_in_a_table(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = ROOT / "benchmarks"
    if not folder.is_dir():
        pytest.skip("benchmarks/ is not beside the tests")
    monkeypatch.syspath_prepend(folder)
    training = importlib.import_module("training")
    monkeypatch.setattr(training, "STRETCHES", 1)
    monkeypatch.setattr(training, "TARGETED", ("ppo", "flat", 2, 4, 1))
    page = tmp_path / "results.md"
    page.write_text("# Results\n")
    training.main(
        agents=("ppo", "mappo"),
        networks=("flat",),
        servers=(2,),
        batches=(4,),
        seconds=0.001,
        write=page,
    )
    rows = [line.split(" | ") for line in page.read_text().splitlines() if "batch of 4" in line]
    assert [row[0] for row in rows] == [
        f"| {agent}, flat, 2 servers, batch of 4, {threads}"
        for agent in ("ppo", "mappo")
        for threads in ("one thread", "2 threads")
    ]
    assert all(float(row[1].split()[0]) > 0 for row in rows)
    assert [row[2] for row in rows] == [">= 100", "", "", ""]
    assert "Training" in capsys.readouterr().out
