"""The environment that comes back with a data set, where its trace has moved."""

from __future__ import annotations

from pathlib import Path

import minari
import numpy as np
import pytest

from vmagent_marl.episodes import collect, recipe_for
from vmagent_marl.errors import DatasetError
from vmagent_marl.trace import synthetic_month, write_lifetimes


@pytest.fixture
def recorded(tmp_path: Path) -> tuple[minari.MinariDataset, Path]:
    """A data set on a trace of its own, and the trace's file."""
    file = tmp_path / "mine.csv"
    write_lifetimes(synthetic_month(seed=3).rows(0, 4000), file)
    recipe = recipe_for(
        "recovering", "best-fit", episodes=2, trace=str(file), fields={"servers": 2}
    )
    return minari.load_dataset(collect(recipe, progress=False)), file


def test_a_trace_that_has_moved_is_named_and_can_be_given(
    recorded: tuple[minari.MinariDataset, Path], tmp_path: Path
) -> None:
    data, file = recorded
    told = data.storage.metadata["vmagent_marl"]["trace"]
    moved = file.rename(tmp_path / "elsewhere.csv")
    wanted = (
        rf"mine\.csv: is not there, and the data were recorded on trace 'mine' of 4,000 requests, "
        rf"fingerprint {told['fingerprint'][:16]}: give its file, recover_environment\(trace="
    )
    with pytest.raises(DatasetError, match=wanted):
        data.recover_environment()
    environment = data.recover_environment(trace=str(moved))
    about = next(iter(data.storage.get_episode_metadata([1])))
    seen, _ = environment.reset(seed=about["seed"], options=about["options"])
    episode = data[1]
    for t, action in enumerate(episode.actions):
        np.testing.assert_array_equal(seen["observation"], episode.observations["observation"][t])
        seen, reward, *_ = environment.step(action)
        assert reward == episode.rewards[t]


def test_another_trace_is_not_taken_for_it(
    recorded: tuple[minari.MinariDataset, Path], tmp_path: Path
) -> None:
    data, file = recorded
    write_lifetimes(synthetic_month(seed=4).rows(0, 4000), tmp_path / "other.csv")
    with pytest.raises(DatasetError, match=r"other\.csv: has fingerprint .* recorded on trace"):
        data.recover_environment(trace=str(tmp_path / "other.csv"))
    write_lifetimes(synthetic_month(seed=4).rows(0, 4000), file)  # changed where it lies
    with pytest.raises(DatasetError, match=r"mine\.csv: has fingerprint"):
        data.recover_environment()


def test_fields_may_still_be_replaced(recorded: tuple[minari.MinariDataset, Path]) -> None:
    data, _ = recorded
    environment = data.recover_environment(servers=3, window="validation")
    assert environment.unwrapped.game.scenario.servers == 3  # type: ignore[attr-defined]
