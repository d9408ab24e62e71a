"""Recording by several processes, some of which are killed."""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Callable, Generator
from functools import partial
from pathlib import Path
from typing import Any

import deadly
import minari
import pytest
from apart import Ended, called_apart

from vmagent_marl.episodes import Player, Recipe, collect, recipe_for
from vmagent_marl.episodes import collect as collecting
from vmagent_marl.episodes.collecting import reference
from vmagent_marl.episodes.collecting.recipe import recipe_hash
from vmagent_marl.episodes.storage.hdf5_writer import HDF5Writer
from vmagent_marl.episodes.storage.minari_format import FILE, dataset_folder, sha256_of
from vmagent_marl.errors import DatasetError
from vmagent_marl.parallel import in_turn

MODULE = sys.modules[collecting.__module__]
ONE = recipe_for("recovering", "best-fit", epsilon=0.1, episodes=8, fields={"servers": 2})
MANY = Recipe(
    scenario="region-prices",
    behaviour="mixed",
    policies=(Player("cheapest-first", epsilon=0.1), Player("accept-always", epsilon=0.1)),
    episodes=5,
    fields={"servers": 2, "horizon": 60},
)


def killed_at_the_fifth(recipe: Recipe, how: dict[str, Any]) -> None:
    """Of its episodes, with all that this process began."""
    MODULE.BLOCK_EPISODES = 2
    reference.FEWEST, reference.TRANSITIONS = 2, 1000
    add: Any = HDF5Writer.add
    written: list[Any] = []

    def last(writer: HDF5Writer, episode: Any) -> None:
        written.append(episode)
        if len(written) == 5:
            os.killpg(0, signal.SIGKILL)
        add(writer, episode)

    HDF5Writer.add = last  # type: ignore[method-assign]
    collect(recipe, progress=False, **how)


def one_killed(recipe: Recipe, how: dict[str, Any], mark: Path) -> None:
    """Another process that records is killed once."""
    MODULE.BLOCK_EPISODES = 2
    reference.FEWEST, reference.TRANSITIONS = 2, 1000
    MODULE.in_turn = changing(
        "episodes 2 to 3", lambda call: partial(deadly.killed_first, mark, call)
    )
    collect(recipe, progress=False, overwrite=True, **how)


def changing(name: str, change: Callable[[Callable[[], Any]], Any]) -> Callable[..., Any]:
    """`in_turn` with the work of this name done in another way."""

    def instead(work: dict[str, Callable[[], Any]], **how: Any) -> Generator[Any, None, None]:
        assert name in work
        return in_turn({**work, name: change(work[name])}, **how)

    return instead


def digest(name: str) -> str:
    return sha256_of(dataset_folder(name) / "data" / FILE)


def installed(how: dict[str, Any]) -> None:
    if "ray" in how:
        pytest.importorskip("ray", reason="pip install vmagent-marl[distributed]")


@pytest.fixture(autouse=True)
def blocks_of_two(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(MODULE, "BLOCK_EPISODES", 2)


@pytest.mark.parametrize(
    ("recipe", "how"),
    [(ONE, {"workers": 2}), (MANY, {"workers": 2}), (MANY, {"workers": 2, "ray": "local"})],
    ids=["one cluster", "many", "many on ray"],
)
def test_a_killed_worker_changes_no_byte(
    recipe: Recipe, how: dict[str, Any], tmp_path: Path
) -> None:
    installed(how)
    name = collect(recipe, progress=False)
    serial = digest(name)
    mark = tmp_path / "mark"
    called = called_apart(one_killed, recipe, how, mark)
    assert digest(name) == serial
    assert mark.exists()
    assert called.out == ""
    assert "a worker was killed: begun anew from episodes" in called.err


def test_what_is_killed_every_time_is_one_error_and_waits(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(MODULE, "in_turn", changing("episodes 4 to 5", lambda _: deadly.killed))
    message = r"noisy-.*-v0: episodes 4 to 5: its process was killed 3 times.* wait in .*partial$"
    with pytest.raises(DatasetError, match=message):
        collect(ONE, progress=False, workers=2)
    assert minari.list_local_datasets() == {}
    monkeypatch.setattr(MODULE, "in_turn", in_turn)
    recorded: list[int] = []
    whole = MODULE._Block.record

    def watched(block: Any) -> Any:
        recorded.append(block.first)
        return whole(block)

    monkeypatch.setattr(MODULE._Block, "record", watched)
    collect(ONE, progress=False)
    assert 4 in recorded
    assert not {0, 2} & set(recorded)


@pytest.mark.parametrize("how", [{"workers": 2}, {"workers": 2, "ray": "local"}], ids=["", "ray"])
def test_a_run_killed_with_its_workers_goes_on(
    how: dict[str, Any], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    installed(how)
    with pytest.raises(Ended) as ended:
        called_apart(killed_at_the_fifth, ONE, how)
    assert ended.value.code == -signal.SIGKILL
    assert minari.list_local_datasets() == {}
    work: list[str] = []

    def watched(asked: dict[str, Callable[[], Any]], **how: Any) -> Any:
        work.extend(asked)
        return in_turn(asked, **how)

    monkeypatch.setattr(MODULE, "in_turn", watched)
    name = collect(ONE, progress=False, workers=2)
    assert not {"episodes 0 to 1", "episodes 2 to 3"} & set(work)
    resumed = digest(name)
    assert [path.name for path in dataset_folder(name).parent.glob(".*")] == []
    monkeypatch.setenv("MINARI_DATASETS_PATH", str(tmp_path / "uninterrupted"))
    assert digest(collect(ONE, progress=False)) == resumed


def test_a_machine_that_holds_something_else_is_refused() -> None:
    scenario = ONE.load_scenario()
    key = recipe_hash(ONE, scenario, scenario.load_trace())
    assert MODULE._elsewhere(partial(int, "3"), ONE, scenario, key) == 3
    with pytest.raises(DatasetError, match=r"^on .*: its trace, checkpoint or version .* another"):
        MODULE._elsewhere(partial(int, "3"), ONE, scenario, "another")
    absent = scenario.replace(trace="/nowhere/month.csv")
    with pytest.raises(DatasetError, match=r"^on .*nowhere/month.csv.*same files under the same"):
        MODULE._elsewhere(partial(int, "3"), ONE, absent, key)
