"""Memory maps of a data set: the same values, and no more memory for more data."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from gymnasium import spaces
from minari.data_collector import EpisodeBuffer

from vmagent_marl.episodes import Player, Recipe, collect, load_episodes, recipe_for
from vmagent_marl.episodes.views.arrays import PARALLEL
from vmagent_marl.episodes.views.derived import write_derived
from vmagent_marl.episodes.views.mapped import open_mapped
from vmagent_marl.errors import DatasetError

MANY = Recipe(
    scenario="region-prices",
    behaviour="mixed",
    policies=(Player("cheapest-first", epsilon=0.2),),
    episodes=4,
    fields={"servers": (2, 3, 2), "horizon": 20},
)
ONE = recipe_for("recovering", "best-fit", episodes=5, fields={"servers": 2})
PROGRAM = """
import json, sys
import numpy as np
from vmagent_marl.episodes.views.mapped import open_mapped

def anonymous():  # kB; what is mapped from files is the system's, which drops it when it likes
    lines = open("/proc/self/status").read().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("RssAnon"))

open_mapped("memory/small-v0", cache=sys.argv[1])  # imports and buffers that all need
before, peak, total = anonymous(), 0, 0.0
mapped = open_mapped("memory/large-v0", cache=sys.argv[1])
copied = anonymous() - before
generator = np.random.default_rng(0)
for _ in range(200):
    batch = mapped.at(generator.integers(0, mapped.transitions, 256))
    total += float(batch["next_observations"].sum())
    peak = max(peak, anonymous() - before)
print(json.dumps([copied, peak, sum(v.nbytes for v in mapped.columns.values()) // 1024, total]))
"""


@pytest.mark.parametrize("recipe", [ONE, MANY], ids=["one", "many"])
def test_a_map_holds_what_the_episodes_hold(recipe: Recipe, tmp_path: Path) -> None:
    name = collect(recipe, progress=False)
    mapped, episodes = open_mapped(name, cache=tmp_path / "maps"), load_episodes(name)
    assert len(mapped) == len(episodes)
    assert all(isinstance(column, np.memmap) for column in mapped.columns.values())
    seen = []
    for i, episode in enumerate(episodes):
        arrays = mapped.episode(i)
        for key, values in episode.arrays.items():
            np.testing.assert_array_equal(arrays[key], values, key)
            assert arrays[key].dtype == values.dtype
        seen += [(i, t) for t in range(len(episode))]
    assert mapped.transitions == len(seen)
    rows = np.random.default_rng(0).permutation(len(seen))
    batch = mapped.at(rows)
    for at, row in enumerate(rows.tolist()):
        i, t = seen[row]
        np.testing.assert_array_equal(batch["observations"][at], episodes[i].observations[t])
        np.testing.assert_array_equal(batch["next_masks"][at], episodes[i].masks[t + 1])
        np.testing.assert_array_equal(batch["actions"][at], episodes[i].actions[t])
        assert batch["rewards"][at] == episodes[i].rewards[t]


def test_a_map_is_made_once_and_anew_when_the_file_changes(tmp_path: Path) -> None:
    name = collect(ONE, progress=False)
    first = open_mapped(name, cache=tmp_path / "maps")
    stamps = {file: file.stat().st_mtime_ns for file in first.folder.iterdir()}
    again = open_mapped(name, cache=tmp_path / "maps")
    assert {file: file.stat().st_mtime_ns for file in again.folder.iterdir()} == stamps
    before = np.array(first.columns["observations"])
    collect(
        recipe_for("recovering", "best-fit", episodes=6, fields={"servers": 2}, seed=1),
        progress=False,
        overwrite=True,
    )
    other = open_mapped(name, cache=tmp_path / "maps")
    assert len(other) == 6
    assert [path.name for path in (tmp_path / "maps").iterdir()] == [other.folder.name]
    np.testing.assert_array_equal(first.columns["observations"], before)  # its pages stay


def test_a_copy_that_failed_is_not_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    name = collect(ONE, progress=False)
    from vmagent_marl.episodes.views import mapped

    def full(*_: Any) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(mapped, "_write_header", full)
    with pytest.raises(DatasetError, match="No space left on device"):
        open_mapped(name, cache=tmp_path / "maps")
    assert list((tmp_path / "maps").iterdir()) == []
    (tmp_path / "file").write_text("")
    with pytest.raises(DatasetError, match="name another cache folder"):
        open_mapped(name, cache=tmp_path / "file")


def test_rows_that_are_not_there_are_refused(tmp_path: Path) -> None:
    mapped = open_mapped(collect(ONE, progress=False), cache=tmp_path)
    for rows in ([-1], [mapped.transitions]):
        with pytest.raises(DatasetError, match="outside of the"):
            mapped.at(np.array(rows))
    with pytest.raises(DatasetError, match="no episode 5: give 0 to 4"):
        mapped.episode(5)
    assert mapped.at(np.array([], np.int64))["rewards"].shape == (0,)


def written(name: str, episodes: int, length: int) -> None:
    """A data set of some size, of nothing in particular."""

    def buffers() -> Iterator[tuple[EpisodeBuffer, dict[str, Any]]]:
        infos: dict[str, Any] = {
            key: np.zeros((length + 1, 2)) for key in ("agent_rewards", "behavior_logp", "reached")
        }
        infos |= {"effective_action": np.zeros((length + 1, 2), np.int64)}
        infos |= {key: np.zeros((length + 1, 1), np.int64) for key in ("seconds", "component")}
        for _ in range(episodes):
            last = np.arange(length) == length - 1
            buffer = EpisodeBuffer(
                observations={"observation": np.ones((length + 1, 2, 100), np.float32)},
                actions=np.zeros((length, 2), np.int64),
                rewards=np.zeros(length),
                terminations=last,
                truncations=~last & False,
                infos=infos,
            )
            yield buffer, {}

    write_derived(
        name,
        spaces.Dict(observation=spaces.Box(0, 1, (2, 100), np.float32)),
        spaces.MultiDiscrete([3, 3]),
        buffers(),
        count=episodes,
        about={"description": "", "algorithm_name": ""},
        form={"form": PARALLEL, "agents": ["a", "b"], "environment": "none"},
    )


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="tells memory on Linux alone")
def test_memory_does_not_grow_with_the_data_set(tmp_path: Path) -> None:
    written("memory/small-v0", 2, 500)
    written("memory/large-v0", 120, 500)
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM, str(tmp_path / "maps")],
        check=True,
        timeout=120,
        capture_output=True,
        text=True,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
    )
    copied, peak, size, total = json.loads(done.stdout)
    assert size > 50_000
    assert max(copied, peak) < 20_000  # kB: one episode, one batch, and not the data set
    assert total == 200 * 256 * 200
