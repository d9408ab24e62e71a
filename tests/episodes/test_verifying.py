"""A data set that was changed anywhere, even with its checksum made to fit, is found out."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest

from vmagent_marl.episodes import Player, Recipe, collect, recipe_for
from vmagent_marl.episodes.collecting import reference
from vmagent_marl.episodes.storage.minari_format import (
    FILE,
    dataset_folder,
    load_dataset,
    sha256_of,
)
from vmagent_marl.episodes.verifying import auditing
from vmagent_marl.episodes.verifying.verify import require, verify
from vmagent_marl.episodes.views.derived import with_suffix
from vmagent_marl.episodes.views.torchrl_form import export_torchrl
from vmagent_marl.errors import DatasetError, UnknownNameError

ONE = recipe_for("recovering", "best-fit", epsilon=0.2, episodes=4, fields={"servers": 2}, seed=3)
MANY = Recipe(
    scenario="region-prices",
    behaviour="mixed",
    policies=(Player("cheapest-first", epsilon=0.2), Player("accept-always", weight=2.0)),
    episodes=6,
    fields={"servers": (2, 3, 2), "horizon": 30, "share": 0.5},
)
WAITING = recipe_for("waiting", "balance-fit", episodes=2, fields={"servers": 2}, seed=1)
NAME = "vmagent/region-prices/mixed-v0"
COLUMNS = (
    "observations/observation",
    "observations/action_mask",
    "actions",
    "rewards",
    "infos/agent_rewards",
    "infos/behavior_logp",
    "infos/effective_action",
    "infos/seconds",
    "infos/component",
)


@pytest.fixture(scope="module")
def recorded(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A folder of data sets, recorded once."""
    folder = tmp_path_factory.mktemp("recorded")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("MINARI_DATASETS_PATH", str(folder))
        patch.setattr(reference, "FEWEST", 2)
        patch.setattr(reference, "TRANSITIONS", 1000)
        for recipe in (ONE, MANY, WAITING):
            collect(recipe, progress=False)
        yield folder


@pytest.fixture
def here(recorded: Path, datasets_path: Path) -> Path:
    """A copy of them, to be damaged."""
    shutil.copytree(recorded, datasets_path, dirs_exist_ok=True)
    return datasets_path


def file_of(name: str) -> Path:
    return dataset_folder(name) / "data" / FILE


def seal(name: str) -> None:
    """Make the checksum fit again."""
    own = load_dataset(name).storage.metadata["vmagent_marl"]
    load_dataset(name).storage.update_metadata(
        {"vmagent_marl": {**own, "sha256": sha256_of(file_of(name))}}
    )


def failed(name: str) -> dict[str, str]:
    """Names of the checks that fail, and what they say."""
    return {check.name: check.found for check in verify(name) if not check.passed}


def damage(name: str, change: Callable[[h5py.File], Any]) -> dict[str, str]:
    """What is found when the file is changed and its checksum made to fit."""
    with h5py.File(file_of(name), "r+") as file:
        change(file)
    seal(name)
    return failed(name)


@pytest.mark.parametrize(
    "name",
    [
        NAME,
        "vmagent/recovering/noisy-best-fit-servers-2-v0",
        "vmagent/waiting/balance-fit-servers-2-v0",
    ],
)
def test_a_whole_data_set_passes(name: str, here: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    checks = list(verify(name))
    assert [check.name for check in checks] == [
        "checksum",
        "metadata",
        "episodes",
        "arrays",
        "masks",
        "probabilities",
        "starts",
        "replay",
        "policies",
        "statistics",
        "environment",
    ]
    assert all(check.passed for check in checks), checks
    require(name, checks)
    monkeypatch.setattr(auditing, "BATCH", 2)
    assert list(verify(name)) == checks


def test_a_flipped_bit_anywhere_breaks_the_checksum(here: Path) -> None:
    file, generator = file_of(NAME), np.random.default_rng(0)
    whole = file.read_bytes()
    for at in generator.integers(0, len(whole), 20).tolist():
        changed = bytearray(whole)
        changed[at] ^= 1 << int(generator.integers(8))
        file.write_bytes(bytes(changed))
        check = next(iter(verify(NAME)))
        assert (check.name, check.passed) == ("checksum", False)


@pytest.mark.parametrize("path", COLUMNS)
def test_a_flipped_bit_in_any_array_is_found_without_the_checksum(path: str, here: Path) -> None:
    generator = np.random.default_rng(len(path))

    def flip(file: h5py.File) -> None:
        stored = file[f"episode_{generator.integers(6)}/{path}"]
        values = stored[()]
        raw = values.reshape(-1).view(np.uint8)
        raw[generator.integers(raw.size)] ^= 1 << int(generator.integers(8))
        stored[()] = values

    found = damage(NAME, flip)
    assert found
    assert "checksum" not in found


@pytest.mark.parametrize("path", ["terminations", "truncations", "infos/reached"])
def test_a_flipped_truth_is_found(path: str, here: Path) -> None:
    def flip(file: h5py.File) -> None:
        stored = file[f"episode_2/{path}"]
        values = stored[()]
        values.reshape(-1)[-1] ^= True
        stored[()] = values

    assert {"arrays", "replay"} & set(damage(NAME, flip))


@pytest.mark.parametrize(
    "key",
    ["id", "seed", "total_steps", "options/start", "options/stop", "options/number", "return"],
)
def test_a_changed_attribute_is_found(key: str, here: Path) -> None:
    def change(file: h5py.File) -> None:
        file["episode_1"].attrs[key] = file["episode_1"].attrs[key] + 1

    assert {"episodes", "arrays", "starts"} & set(damage(NAME, change))


def test_a_changed_metric_is_found(here: Path) -> None:
    def change(file: h5py.File) -> None:
        attributes = file["episode_4"].attrs
        metrics = attributes["metrics"]
        metrics["profit"] = np.nextafter(metrics["profit"], 1e9)
        attributes["metrics"] = metrics

    assert "episode 4: the metrics differs" in damage(NAME, change)["replay"]


def test_probabilities_of_another_policy_are_found(here: Path) -> None:
    def change(file: h5py.File) -> None:
        stored = file["episode_3/infos/behavior_logp"]
        stored[7, 1] = stored[7, 1] - 0.25

    assert damage(NAME, change) == {
        "policies": "episode 3: answer or probability of transition 6 differs"
    }


def test_a_mask_that_allows_nothing_and_a_chance_above_one_are_found(here: Path) -> None:
    def change(file: h5py.File) -> None:
        file["episode_0/observations/action_mask"][5, 1] = 0
        file["episode_0/infos/behavior_logp"][3, 0] = 0.5
        file["episode_1/infos/behavior_logp"][3, 0] = -np.inf

    found = damage(NAME, change)
    assert "episode 0: mask in row 5 allows nothing" in found["masks"]
    assert "transition 2 is above 0" in found["probabilities"]
    assert "episode 1: log-probability of transition 2 is infinite" in found["probabilities"]


def test_an_effective_action_outside_of_the_mask_is_found(here: Path) -> None:
    def change(file: h5py.File) -> None:
        group = file["episode_0"]
        t, k = np.argwhere(group["infos/reached"][1:])[0]
        legal = group["observations/action_mask"][t, k]
        group["infos/effective_action"][t + 1, k] = int(np.argmin(legal))
        group["infos/effective_action"][t + 2, k] = 99

    found = damage(NAME, change)
    assert "is outside of Discrete(7)" in found["masks"]


@pytest.mark.parametrize("share", [0.0, 0.3, 0.9, 0.9999])
def test_a_truncated_file_is_found(share: float, here: Path) -> None:
    file = file_of(NAME)
    file.write_bytes(file.read_bytes()[: int(share * file.stat().st_size)])
    seal(NAME)
    found = failed(NAME)
    assert found
    assert "checksum" not in found


def test_a_missing_file_and_missing_metadata_are_found(here: Path) -> None:
    file_of(NAME).unlink()
    assert failed(NAME) == {"checksum": "main_data.hdf5 is not there"}
    (file_of(NAME).parent / "metadata.json").write_text("{", encoding="utf-8")
    assert "cannot be read" in failed(NAME)["metadata"]


def test_a_missing_episode_is_found(here: Path) -> None:
    def remove(file: h5py.File) -> None:
        del file["episode_2"]

    found = damage(NAME, remove)
    assert "missing: episode_2 (1 in all)" in found["episodes"]
    assert "not recomputed" in found["statistics"]


def test_swapped_episodes_are_found(here: Path) -> None:
    def swap(file: h5py.File) -> None:
        file.move("episode_1", "other")
        file.move("episode_4", "episode_1")
        file.move("other", "episode_4")
        file["episode_1"].attrs["id"], file["episode_4"].attrs["id"] = 1, 4

    found = damage(NAME, swap)["starts"]
    assert "episode 1" in found
    assert "episode 4" in found


def test_arrays_of_another_form_are_found(here: Path) -> None:
    def change(file: h5py.File) -> None:
        del file["episode_0/rewards"]
        file["episode_0/rewards"] = np.zeros(30, np.float32)
        del file["episode_1/infos/seconds"]
        file["episode_2/more"] = np.zeros(3)

    found = damage(NAME, change)["arrays"]
    assert "episode 0: rewards is float32 (30,) in place of float64 (30,)" in found
    assert "episode 1: infos/seconds is not there" in found
    assert "episode 2: more is there and belongs to no data set" in found


@pytest.mark.parametrize(
    ("change", "told"),
    [
        (lambda all_: all_.update(total_steps=181), "total_steps"),
        (lambda all_: all_.update(ref_max_score=9.0), "ref_max_score"),
        (lambda all_: all_["vmagent_marl"]["statistics"].update(entropy=0.1), "entropy is 0.1"),
        (lambda all_: all_["vmagent_marl"].update(seed=1), "seed"),
        (lambda all_: all_["vmagent_marl"]["trace"].update(fingerprint="0"), "trace"),
        (lambda all_: all_["vmagent_marl"]["scenario"].update(servers=[2, 2, 2]), "env_spec"),
        (
            lambda all_: all_["vmagent_marl"]["recipe"]["policies"][1].update(weight=0.1),
            "component",
        ),
    ],
)
def test_changed_metadata_are_found(change: Callable[[Any], Any], told: str, here: Path) -> None:
    file = file_of(NAME).parent / "metadata.json"
    metadata = json.loads(file.read_text(encoding="utf-8"))
    change(metadata)
    file.write_text(json.dumps(metadata), encoding="utf-8")
    assert told in " ".join(failed(NAME).values())


def test_what_minari_adds_breaks_the_checksum_alone(here: Path) -> None:
    load_dataset(NAME).storage.update_episode_metadata([{"note": "mine"}], [0])
    found = failed(NAME)
    assert set(found) == {"checksum"}
    assert "as Minari does to add metadata" in found["checksum"]


def test_a_failure_is_one_clear_error(here: Path) -> None:
    checks = list(verify(NAME))
    checks[0] = type(checks[0])("checksum", False, "other bytes")
    with pytest.raises(DatasetError, match=r"fails 1 of 11 checks \(checksum\): record it anew"):
        require(NAME, checks)


def test_what_cannot_be_verified_says_why(here: Path) -> None:
    with pytest.raises(UnknownNameError, match="did you mean"):
        next(iter(verify("vmagent/region-prices/mixd-v0")))
    made = export_torchrl(NAME)
    assert made == with_suffix(NAME, "torchrl")
    with pytest.raises(DatasetError, match=f"verify its source, '{NAME}'"):
        next(iter(verify(made)))


def test_a_trace_that_moved_can_be_named(here: Path, tmp_path: Path) -> None:
    first, second = tmp_path / "first.csv", tmp_path / "second.csv"
    rows = "".join(f"{i},{1 + i % 4},{2 + i % 4},{i},50\n" for i in range(900))
    first.write_text("vmid,cpu,mem,at,lt\n" + rows)
    recipe = recipe_for(
        "region-prices", "random", episodes=2, trace=str(first), fields={"horizon": 20}
    )
    name = collect(recipe, progress=False)
    assert failed(name) == {}
    first.rename(second)
    assert "first.csv" in failed(name)["metadata"]
    assert all(check.passed for check in verify(name, trace=str(second)))
    second.write_text(second.read_text().replace("\n5,", "\n5000,", 1))
    told = {check.name: check.found for check in verify(name, trace=str(second))}
    assert "is not the one that was recorded on" in told["metadata"]
