"""The benchmark of estimates ranks policies on a data set that is small."""

from __future__ import annotations

import importlib
from pathlib import Path

import pytest
from places import ROOT

from vmagent_marl.episodes.collecting.recipe import Player


def test_estimates_are_ranked_beside_the_true_returns(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = ROOT / "benchmarks"
    if not folder.is_dir():
        pytest.skip("benchmarks/ is not beside the tests")
    monkeypatch.syspath_prepend(folder)
    monkeypatch.setenv("MINARI_DATASETS_PATH", str(tmp_path / "minari"))
    estimation = importlib.import_module("estimation")
    case = estimation.Case("small", "tiny", (Player("random"),), 40, 4, {"horizon": 5})
    monkeypatch.setattr(estimation, "CASES", (case,))
    monkeypatch.setattr(estimation, "STAGES", {"bc": (0, 3), "cql": (4,)})
    page = tmp_path / "results.md"
    page.write_text("# Results\n")
    estimation.main(steps=20, estimators=("fqe", "wis"), write=page)
    rows = [line.strip("| ").split(" | ") for line in page.read_text().splitlines()]
    told = {row[1]: row[2:] for row in rows if row[0] == "small"}
    assert list(told) == ["fqe", "wis", "as recorded"]
    assert -1.0 <= float(told["wis"][0]) <= 1.0
    assert 0.0 <= float(told["wis"][1]) <= 1.0
    assert 1.0 <= float(told["wis"][3]) <= 40.0
    assert capsys.readouterr().out.count("-epsilon-") == 6
    assert not (tmp_path / "minari").exists()  # its data sets are elsewhere, and gone
