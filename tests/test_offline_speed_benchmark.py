"""The benchmark of offline updates, on few."""

from __future__ import annotations

import importlib
import os
from pathlib import Path
from typing import Any

import pytest
from places import ROOT


@pytest.fixture
def benchmark_shelf(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Any:
    folder = ROOT / "benchmarks"
    if not folder.is_dir():
        pytest.skip("benchmarks/ is not beside the tests")
    monkeypatch.syspath_prepend(folder)
    monkeypatch.setenv("MINARI_DATASETS_PATH", str(tmp_path / "minari"))
    return importlib.import_module("offline_speed")


def test_every_way_is_measured_on_the_same_rows(
    benchmark_shelf: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(benchmark_shelf, "SERVERS", 2)
    page = tmp_path / "results.md"
    page.write_text("# Results\n", encoding="utf-8")
    before = os.environ["MINARI_DATASETS_PATH"]
    benchmark_shelf.main(page, episodes=2, updates=2, stretches=1)
    told = page.read_text(encoding="utf-8")
    assert "## Offline updates" in told
    for row in ("CQL, batch of 64, ours", "BC, batch of 256, ours over d3rlpy |"):
        assert f"| {row}" in told
    assert os.environ["MINARI_DATASETS_PATH"] == before
    assert not Path(before).exists()  # whatever was made is gone


def test_d3rlpys_buffer_holds_our_decisions(benchmark_shelf: Any) -> None:
    from train.recordings import record, small_region

    from vmagent_marl.policies import make_policy
    from vmagent_marl.train.offline.data.decisions import read_decisions

    decisions = read_decisions(
        record("small/random-v0", small_region(), [make_policy("random")], 2)
    )
    made = int((~decisions.closing).sum())
    for masks in (False, True):
        buffer = benchmark_shelf.plain_buffer(decisions, masks=masks)
        assert buffer.transition_count == made
        assert len(buffer.dataset_info.observation_signature.shape) == 1 + masks
