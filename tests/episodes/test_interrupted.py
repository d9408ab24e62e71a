from __future__ import annotations

import fcntl
import signal
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import minari
import pytest

from vmagent_marl.episodes import collect, load_episodes, recipe_for
from vmagent_marl.episodes import collect as collecting
from vmagent_marl.episodes.storage.minari_format import (
    FILE,
    dataset_folder,
    own_metadata,
    sha256_of,
)
from vmagent_marl.errors import DatasetError, PolicyError
from vmagent_marl.policies.checkpoint import save_policy
from vmagent_marl.policies.network_policy import Training
from vmagent_marl.policies.networks import FlatNetwork, NetworkShape

RECIPE = recipe_for("recovering", "best-fit", epsilon=0.1, episodes=8, fields={"servers": 2})
NAME = "vmagent/recovering/noisy-best-fit-servers-2-v0"
MODULE = sys.modules[collecting.__module__]

KILLED = """
import os, signal, sys
from vmagent_marl.episodes import Player, Recipe, collect
module = sys.modules[collect.__module__]
module.BLOCK_EPISODES = 2

def killed_after(calls, function):
    def wrapped(*args, **kwargs):
        nonlocal calls
        calls -= 1
        if calls < 0:
            os.kill(os.getpid(), signal.SIGKILL)
        return function(*args, **kwargs)
    return wrapped

{patch}
collect({recipe!r}, progress=False, overwrite={overwrite})
"""
IN_RECORDING = "module.write_block = killed_after(2, module.write_block)"
IN_WRITING = """
from vmagent_marl.episodes.storage.hdf5_writer import HDF5Writer
HDF5Writer.add = killed_after(5, HDF5Writer.add)
"""
BEFORE_THE_NAME = "module.commit = killed_after(0, module.commit)"
BETWEEN_THE_MOVES = """
from vmagent_marl.episodes.storage import staging
moves = killed_after(1, os.replace)
real = os.replace
os.replace = lambda old, new: (moves if os.path.isdir(old) else real)(old, new)
"""
FULL_DISK = """
import resource, sys
from vmagent_marl.episodes import Player, Recipe, collect, record
from vmagent_marl.errors import DatasetError
module = sys.modules[collect.__module__]
module.BLOCK_EPISODES = {block}
recipe = {recipe!r}
scenario = recipe.load_scenario()
list(record(scenario, recipe.mixture(scenario), episodes=1))  # compiles, which writes files too
resource.setrlimit(resource.RLIMIT_FSIZE, ({limit}, {limit}))
try:
    collect(recipe, progress=False)
except DatasetError as error:
    print(error)
else:
    print("it went well")
"""


def killed(patch: str, *, overwrite: bool = False) -> None:
    """Run the collection in a process that kills itself on the way."""
    program = KILLED.format(patch=patch, recipe=RECIPE, overwrite=overwrite)
    run = subprocess.run([sys.executable, "-c", program], timeout=120, check=False)
    assert run.returncode == -signal.SIGKILL


@pytest.mark.parametrize("patch", [IN_RECORDING, IN_WRITING, BEFORE_THE_NAME])
def test_a_killed_run_leaves_nothing_and_goes_on(
    patch: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    killed(patch)
    assert not dataset_folder(NAME).exists()
    assert minari.list_local_datasets() == {}
    monkeypatch.setattr(MODULE, "BLOCK_EPISODES", 2)
    recorded: list[int] = []
    whole = MODULE._Block.record

    def watched(block: Any) -> Any:
        recorded.append(block.first)
        return whole(block)

    monkeypatch.setattr(MODULE._Block, "record", watched)
    assert collect(RECIPE, progress=False) == NAME
    assert recorded == {IN_RECORDING: [4, 6], IN_WRITING: [6], BEFORE_THE_NAME: []}[patch]
    resumed = sha256_of(dataset_folder(NAME) / "data" / FILE)
    assert [path.name for path in dataset_folder(NAME).parent.iterdir() if path.is_dir()] == [
        "noisy-best-fit-servers-2-v0"
    ]
    monkeypatch.setenv("MINARI_DATASETS_PATH", str(tmp_path / "uninterrupted"))
    collect(RECIPE, progress=False)
    assert sha256_of(dataset_folder(NAME) / "data" / FILE) == resumed


def test_what_is_overwritten_stays_until_the_new_one_is_there(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    collect(replace(RECIPE, episodes=2), progress=False)
    killed(BEFORE_THE_NAME, overwrite=True)
    assert len(load_episodes(NAME)) == 2
    killed(BETWEEN_THE_MOVES, overwrite=True)
    with pytest.raises(DatasetError, match="exists already"):
        collect(RECIPE, progress=False)  # and puts the old one back first
    assert len(load_episodes(NAME)) == 2
    collect(RECIPE, progress=False, overwrite=True)
    assert len(load_episodes(NAME)) == 8


def test_an_existing_data_set_is_refused_without_a_trace() -> None:
    collect(RECIPE, progress=False)
    before = sha256_of(dataset_folder(NAME) / "data" / FILE)
    with pytest.raises(DatasetError, match=r"exists already: give overwrite=True \(--overwrite\)"):
        collect(replace(RECIPE, seed=5), progress=False)
    assert sha256_of(dataset_folder(NAME) / "data" / FILE) == before
    assert not list(dataset_folder(NAME).parent.glob(".*"))


def test_what_is_refused_on_the_way_leaves_nothing(
    datasets_path: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    checkpoint = tmp_path / "policy.pt"
    shape = NetworkShape(observation=28, actions=9, identities=0, hidden=(8,))
    training = Training("cql", {"name": "tiny"}, clusters=1, servers=4, summaries=0)
    save_policy(checkpoint, FlatNetwork(shape), training)
    other = recipe_for("recovering", str(checkpoint), episodes=4, fields={"servers": 2})
    with pytest.raises(PolicyError, match="was trained for 1 cluster of 4 servers"):
        collect(other, progress=False)
    assert not list(datasets_path.rglob("*"))
    killed(IN_RECORDING)  # what was finished waits, whoever else is refused
    monkeypatch.setattr(MODULE, "BLOCK_EPISODES", 2)
    monkeypatch.setattr(MODULE, "write_block", lambda *_: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        collect(RECIPE, progress=False)
    blocks = dataset_folder(NAME).with_name(".noisy-best-fit-servers-2-v0.partial") / "blocks"
    assert len(list(blocks.iterdir())) == 2


def test_what_another_recipe_left_is_begun_anew(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    killed(IN_RECORDING)
    monkeypatch.setattr(MODULE, "BLOCK_EPISODES", 2)
    other = replace(RECIPE, seed=9)
    collect(other, progress=False)
    assert "left by another recipe, begun anew" in capsys.readouterr().err
    assert {episode.played.seed for episode in load_episodes(NAME)} == {9}


def test_two_runs_do_not_mix() -> None:
    folder = dataset_folder(NAME).with_name(".noisy-best-fit-servers-2-v0.partial")
    folder.mkdir(parents=True)
    with (folder / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        with pytest.raises(DatasetError, match="another run is making this data set"):
            collect(RECIPE, progress=False)
    assert collect(RECIPE, progress=False) == NAME


@pytest.mark.parametrize(("block", "limit"), [(8, 100_000), (1, 100_000)], ids=["block", "file"])
def test_a_full_disk_is_one_line_and_leaves_nothing(block: int, limit: int) -> None:
    program = FULL_DISK.format(recipe=RECIPE, block=block, limit=limit)
    run = subprocess.run(
        [sys.executable, "-c", program], timeout=120, check=True, capture_output=True, text=True
    )
    (line,) = run.stdout.splitlines()
    assert "cannot be written (File too large): make room there" in line
    assert run.stderr == ""
    assert not dataset_folder(NAME).exists()
    assert minari.list_local_datasets() == {}
    assert collect(RECIPE, progress=False) == NAME
    assert own_metadata(NAME)["statistics"]["episodes"] == 8


def test_progress_is_shown_to_a_terminal_alone(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.delenv("FORCE_COLOR", raising=False)
    collect(RECIPE)
    assert capsys.readouterr() == ("", "")
    monkeypatch.setenv("FORCE_COLOR", "1")
    monkeypatch.setenv("TERM", "xterm")
    collect(RECIPE, overwrite=True)
    out, err = capsys.readouterr()
    assert out == ""
    assert "Recording" in err
    collect(RECIPE, overwrite=True, progress=False)
    assert capsys.readouterr() == ("", "")


def test_a_place_that_is_no_folder_is_one_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("MINARI_DATASETS_PATH", str(tmp_path / "file"))
    with pytest.raises(DatasetError, match="MINARI_DATASETS_PATH"):
        collect(RECIPE, progress=False)
