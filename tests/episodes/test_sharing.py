"""Data sets on the way to other people: uploaded, downloaded, and loaded without this package."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from fnmatch import fnmatch
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import minari
import pytest
from minari.namespace import list_local_namespaces

from vmagent_marl.episodes import Player, Recipe, collect, load_episodes
from vmagent_marl.episodes.storage.minari_format import dataset_folder
from vmagent_marl.episodes.verifying.verify import verify

RECIPE = Recipe(
    scenario="region-prices",
    behaviour="shared",
    policies=(Player("cheapest-first", epsilon=0.2),),
    episodes=3,
    fields={"servers": 2, "horizon": 20},
)
NAME = "vmagent/region-prices/shared-v0"
WITHOUT = """
import sys, warnings

class Hidden:  # as if vmagent_marl were not installed, wherever it lies
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] == "vmagent_marl":
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)

sys.meta_path.insert(0, Hidden())
import importlib.metadata as metadata
known = metadata.version
def version(name):
    if name.replace("_", "-").lower() == "vmagent-marl":
        raise metadata.PackageNotFoundError(name)
    return known(name)
metadata.version = version

import minari
dataset = minari.load_dataset(sys.argv[1])
for episode in dataset:
    assert episode.observations["observation"].shape[:2] == (21, 3)
    assert episode.observations["action_mask"][:-1].any(axis=2).all()
    assert all(action in dataset.action_space for action in episode.actions)
print(dataset.total_steps, dataset.storage.metadata["algorithm_name"])
with warnings.catch_warnings(record=True) as told:
    warnings.simplefilter("always")
    try:
        dataset.recover_environment()
    except ModuleNotFoundError as error:
        print(error)
print(*(warning.message for warning in told))
assert not any(name.startswith("vmagent_marl") for name in sys.modules)
"""


class Hub:
    """Hugging Face's hub as a folder: the calls that Minari makes, by their own signatures."""

    root: Path

    def __init__(self, token: str | None = None) -> None:
        self.token = token

    def create_repo(self, repo_id: str, *, repo_type: str, exist_ok: bool = False) -> None:
        assert repo_type == "dataset"
        (self.root / repo_id).mkdir(parents=True, exist_ok=exist_ok)

    def upload_folder(
        self, *, repo_id: str, folder_path: Path, path_in_repo: str, repo_type: str
    ) -> None:
        shutil.copytree(folder_path, self.root / repo_id / path_in_repo, dirs_exist_ok=True)

    def upload_file(
        self, *, path_or_fileobj: Any, path_in_repo: str, repo_id: str, repo_type: str
    ) -> None:
        target = self.root / repo_id / path_in_repo
        target.parent.mkdir(parents=True, exist_ok=True)
        content = Path(path_or_fileobj).read_bytes()
        target.write_bytes(content)

    def hf_hub_download(
        self,
        repo_id: str,
        filename: str,
        *,
        repo_type: str,
        local_dir: Path | None = None,
        force_download: bool = False,
    ) -> str:
        source = self.root / repo_id / filename
        if not source.is_file():
            raise EntryNotFoundError(filename)
        target = Path(local_dir or self.root.parent / "cached" / repo_id) / filename
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(source.read_bytes())
        return str(target)

    def list_datasets(self, *, author: str, dataset_name: str | None = None) -> Any:
        for folder in sorted((self.root / author).glob("*")):
            if dataset_name is None or dataset_name in folder.name:
                yield SimpleNamespace(id=f"{author}/{folder.name}")

    def snapshot_download(
        self, *, repo_id: str, allow_patterns: str, repo_type: str, local_dir: Path
    ) -> None:
        for source in sorted((self.root / repo_id).rglob("*")):
            path = source.relative_to(self.root / repo_id)
            if source.is_file() and fnmatch(str(path), allow_patterns):
                target = Path(local_dir) / path
                target.parent.mkdir(parents=True, exist_ok=True)
                target.write_bytes(source.read_bytes())


class EntryNotFoundError(Exception):
    """As the hub's client has it."""


@pytest.fixture
def hub(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Minari's own code for `hf://`, with the hub's client in the network's place."""
    client, errors = ModuleType("huggingface_hub"), ModuleType("huggingface_hub.errors")
    monkeypatch.setattr(Hub, "root", tmp_path / "hub", raising=False)
    client.HfApi, errors.EntryNotFoundError = Hub, EntryNotFoundError  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "huggingface_hub", client)
    monkeypatch.setitem(sys.modules, "huggingface_hub.errors", errors)
    monkeypatch.delitem(sys.modules, "minari.storage.remotes.huggingface", raising=False)
    monkeypatch.setenv("MINARI_REMOTE", "hf://somebody")
    yield tmp_path / "hub"
    sys.modules.pop("minari.storage.remotes.huggingface", None)


def test_there_and_back_over_hugging_face(
    hub: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    collect(RECIPE, progress=False)
    before = {
        path.relative_to(dataset_folder(NAME)): path.read_bytes()
        for path in dataset_folder(NAME).rglob("*")
        if path.is_file()
    }
    minari.upload_dataset(NAME, token="secret")
    assert (hub / "somebody/vmagent/region-prices/shared-v0/README.md").is_file()
    monkeypatch.setenv("MINARI_DATASETS_PATH", str(tmp_path / "elsewhere"))
    assert NAME in minari.list_remote_datasets()
    minari.download_dataset(NAME)
    after = {
        path.relative_to(dataset_folder(NAME)): path.read_bytes()
        for path in dataset_folder(NAME).rglob("*")
        if path.is_file()
    }
    assert after == before
    assert all(check.passed for check in verify(NAME))
    assert len(load_episodes(NAME)) == 3
    assert "vmagent/region-prices" in list_local_namespaces()


def test_a_damaged_download_is_found(
    hub: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    collect(RECIPE, progress=False)
    minari.upload_dataset(NAME, token="secret")
    file = hub / "somebody/vmagent/region-prices/shared-v0/data/main_data.hdf5"
    content = bytearray(file.read_bytes())
    content[len(content) // 2] ^= 4
    file.write_bytes(bytes(content))
    monkeypatch.setenv("MINARI_DATASETS_PATH", str(tmp_path / "elsewhere"))
    minari.download_dataset(NAME)
    assert not next(iter(verify(NAME))).passed


def test_a_plain_minari_loads_it_where_this_package_is_absent() -> None:
    collect(RECIPE, progress=False)
    done = subprocess.run(
        [sys.executable, "-c", WITHOUT, NAME],
        check=True,
        capture_output=True,
        text=True,
        timeout=120,
    )
    counts, missing, told = done.stdout.splitlines()
    assert counts == "60 cheapest-first"
    assert missing == "No module named 'vmagent_marl'"
    assert told.startswith("Package vmagent-marl is not installed. Install it with `pip install")


def test_the_metadata_are_plain() -> None:
    collect(RECIPE, progress=False)
    file = dataset_folder(NAME) / "data" / "metadata.json"
    metadata = json.loads(file.read_text(encoding="utf-8"))
    assert str(Path.home()) not in json.dumps(metadata)
    assert metadata["requirements"] == ["vmagent-marl"]
