"""The benchmark of data sets, on few episodes."""

from __future__ import annotations

import importlib
import os
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from places import ROOT

from vmagent_marl.episodes import collect, load_episodes


@pytest.fixture
def shelf(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Any:
    """Modules of the folder by name, as `python benchmarks/...` finds them."""
    folder = ROOT / "benchmarks"
    if not folder.is_dir():
        pytest.skip("benchmarks/ is not beside the tests")
    monkeypatch.syspath_prepend(folder)
    monkeypatch.setenv("MINARI_DATASETS_PATH", str(tmp_path / "minari"))
    return importlib.import_module


def test_every_table_is_told_and_written(
    shelf: Any, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    datasets, page = shelf("datasets"), tmp_path / "results.md"
    monkeypatch.setattr(datasets, "SERVERS", 2)
    monkeypatch.setattr(datasets, "memory", lambda scale: "")  # three games twice, each a process
    page.write_text("# Results\n")
    before = os.environ["MINARI_DATASETS_PATH"]
    datasets.main(page, scale=2)
    told = capsys.readouterr().out
    assert "## Data sets" in page.read_text()
    for row in ("| two workers over one", "| h5py alone", "| region-prices,", "| gzip 4, shuffled"):
        assert row in told
        assert row in page.read_text()
    assert os.environ["MINARI_DATASETS_PATH"] == before
    assert not Path(before).exists()  # whatever was made is gone


def test_the_peers_hold_the_same_episodes(shelf: Any, tmp_path: Path) -> None:
    datasets, peers = shelf("datasets"), shelf("dataset_peers")
    recipe = datasets.recipe_of(2, 3)
    ours = load_episodes(collect(recipe, progress=False))
    peers.by_minaris_writer("peer/theirs-v0", recipe.load_scenario(), ours)
    data = peers.minari.load_dataset("peer/theirs-v0")
    for episode, other in zip(ours, data, strict=True):
        np.testing.assert_array_equal(other.observations["action_mask"], episode.masks[:, 0])
        np.testing.assert_array_equal(other.infos["reached"][1:], episode.reached)
    for options in peers.COMPRESSIONS.values():
        peers.write_compressed(tmp_path / "file", ours, options)
        size = sum(array.nbytes for episode in ours for array in episode.arrays.values())
        assert peers.read_compressed(tmp_path / "file") == size


def test_the_most_memory_is_that_of_the_process_alone(shelf: Any) -> None:
    held = np.ones(60_000_000)  # of this one, which starts the others
    told = shelf("datasets").peak("recovering", "first-fit", {"servers": 2}, 2)
    assert held.nbytes > 4e8
    assert told[0] > 50
    assert 1e7 < told[1] < 4e8
