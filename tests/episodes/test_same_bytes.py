from __future__ import annotations

import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from vmagent_marl.episodes import Player, Recipe, collect
from vmagent_marl.episodes import collect as collecting
from vmagent_marl.episodes.storage.minari_format import (
    FILE,
    dataset_folder,
    own_metadata,
    sha256_of,
)

RECIPE = Recipe(
    scenario="recovering",
    behaviour="mixed",
    policies=(Player("best-fit", epsilon=0.1), Player("random", weight=0.5)),
    episodes=11,
    fields={"servers": 2},
)
PROGRAM = """
import sys
from vmagent_marl.episodes import Player, Recipe, collect
collect({recipe!r}, progress=False)
"""


def digest(name: str) -> str:
    return sha256_of(dataset_folder(name) / "data" / FILE)


def test_the_same_recipe_makes_the_same_files(
    datasets_path: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    name = collect(RECIPE, progress=False)
    first = dataset_folder(name)
    monkeypatch.setenv("MINARI_DATASETS_PATH", str(tmp_path / "again"))
    collect(RECIPE, progress=False)
    for file in ("data/main_data.hdf5", "data/metadata.json", "README.md"):
        assert (first / file).read_bytes() == (dataset_folder(name) / file).read_bytes(), file


def test_another_process_makes_the_same_bytes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    here = digest(collect(RECIPE, progress=False))
    monkeypatch.setenv("MINARI_DATASETS_PATH", str(tmp_path / "there"))
    subprocess.run([sys.executable, "-c", PROGRAM.format(recipe=RECIPE)], check=True, timeout=120)
    assert digest("vmagent/recovering/mixed-v0") == here


def test_workers_and_blocks_change_no_byte(monkeypatch: pytest.MonkeyPatch) -> None:
    whole = digest(collect(RECIPE, progress=False))
    module = sys.modules[collecting.__module__]
    monkeypatch.setattr(module, "BLOCK_EPISODES", 3)
    assert digest(collect(RECIPE, progress=False, overwrite=True)) == whole
    assert digest(collect(RECIPE, progress=False, overwrite=True, workers=2)) == whole


def test_another_seed_makes_other_bytes() -> None:
    name = collect(RECIPE, progress=False)
    before, key = digest(name), own_metadata(name)["recipe_hash"]
    collect(replace(RECIPE, seed=1), progress=False, overwrite=True)
    assert digest(name) != before
    assert own_metadata(name)["recipe_hash"] != key
