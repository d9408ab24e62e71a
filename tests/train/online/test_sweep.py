"""Sweeps: which runs there are, where they go, and what they come to."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from train.online.games import on_disk, small

from vmagent_marl.errors import SettingError
from vmagent_marl.evaluation.statistics import stratified_interval
from vmagent_marl.train.online import sweep
from vmagent_marl.train.online.ppo import PPO
from vmagent_marl.train.online.sweep import Outcome, groups_of, read_values, run_sweep


def test_values_are_read_as_the_settings_have_them() -> None:
    words = ["seed=0..3", "learning_rate=1e-3,3e-4,1", "clip=0.1,none", "network=flat"]
    words += ["hidden=[8],[16, 32]", "gamma=0.9"]
    assert read_values(PPO, words) == {
        "seed": [0, 1, 2, 3],
        "learning_rate": [1e-3, 3e-4, 1.0],
        "clip": [0.1, None],
        "network": ["flat"],
        "hidden": [(8,), (16, 32)],
        "gamma": [0.9],
    }


@pytest.mark.parametrize(
    ("word", "told"),
    [
        ("sed=0..3", "unknown setting 'sed': did you mean 'seed'"),
        ("seed", "is no list of values"),
        ("seed=", "is no list of values"),
        ("seed=4..0", "0 comes before 4"),
        ("seed=a,b", "'a' is no whole number"),
        ("seed=1,1", "names a value twice"),
        ("network=flat,wide", "'wide' is none of '"),
        ("hidden=[8,", "are no values in YAML"),
    ],
)
def test_what_is_no_list_of_values_is_refused(word: str, told: str) -> None:
    with pytest.raises(SettingError, match=rf"^--sweep .*{told}"):
        read_values(PPO, [word])
    with pytest.raises(SettingError, match="seed is swept already"):
        read_values(PPO, ["seed=1", "seed=2"])


@pytest.mark.parametrize("workers", [1, 2])
def test_every_combination_is_a_run_and_finished_ones_are_left_alone(
    workers: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = PPO(
        scenario=on_disk(small(), tmp_path),
        batch=8,
        segment=8,
        steps=200,
        validate_every=100,
        validation_episodes=2,
    )
    values = read_values(PPO, ["seed=0..1", "learning_rate=1e-3,1e-2"])
    outcomes = list(run_sweep("ppo", settings, values, tmp_path / "out", workers=workers))
    assert [each.folder.name for each in outcomes] == [
        "seed-0-learning_rate-0.001",
        "seed-0-learning_rate-0.01",
        "seed-1-learning_rate-0.001",
        "seed-1-learning_rate-0.01",
    ]
    assert [each.values for each in outcomes][1] == {"seed": 0, "learning_rate": 0.01}
    assert all(each.steps[0] == 0 and each.steps[-1] >= 200 for each in outcomes)
    written = {each.folder: (each.folder / "policy.pt").stat().st_mtime_ns for each in outcomes}
    (outcomes[2].folder / "policy.pt").unlink()
    (outcomes[2].folder / "resume.pt").unlink()
    again = list(run_sweep("ppo", settings, values, tmp_path / "out"))
    for first, second in zip(outcomes, again, strict=True):
        np.testing.assert_array_equal(first.returns, second.returns)
        stayed = (second.folder / "policy.pt").stat().st_mtime_ns == written[second.folder]
        assert stayed is (second.folder != outcomes[2].folder)

    def never(*_: Any, **__: Any) -> None:
        raise AssertionError("it began before all was checked")

    monkeypatch.setattr(sweep, "train_agent", never)
    with pytest.raises(SettingError, match=r"^batch: 0 is too few"):
        list(run_sweep("ppo", settings, {"batch": [8, 0]}, tmp_path / "none"))


def test_groups_are_the_settings_over_their_seeds() -> None:
    steps = np.array([0, 10, 20])
    outcomes = [
        Outcome(Path(f"{seed}-{rate}"), {"seed": seed, "learning_rate": rate}, steps, curve)
        for rate, lift in ((0.1, 0.0), (0.2, 5.0))
        for seed, curve in enumerate(
            np.array([[0.0, 2, 1], [0, 4, 6], [0, 1, 9], [0, 3, 3]]) + lift
        )
    ]
    best, other = groups_of(outcomes)
    assert (best.name, best.values) == ("learning_rate-0.2", {"learning_rate": 0.2})
    assert (best.mean, other.mean) == (10.0, 5.0)
    assert other.interquartile == stratified_interval([2.0, 6, 9, 3])
    assert other.interquartile.value == 4.5
    found, runs = other.curve
    np.testing.assert_array_equal(found, steps)
    assert runs.shape == (4, 3)
    (alone,) = groups_of(outcomes[:1])
    assert np.isnan(alone.interquartile.low)
    (seeds,) = groups_of([Outcome(Path("0"), {"seed": 0}, steps, np.zeros(3))])
    assert seeds.name == "all"


def test_curves_of_unlike_steps_meet_on_those_of_the_shortest() -> None:
    long = Outcome(Path("a"), {"seed": 0}, np.array([0, 10, 20]), np.array([0.0, 1.0, 2.0]))
    short = Outcome(Path("b"), {"seed": 1}, np.array([0, 15]), np.array([0.0, 3.0]))
    steps, runs = groups_of([long, short])[0].curve
    assert steps.tolist() == [0, 15]
    assert runs.tolist() == [[0.0, 1.5], [0.0, 3.0]]


def test_two_runs_never_share_a_folder(tmp_path: Path) -> None:
    settings = PPO(scenario=on_disk(small(), tmp_path), steps=200)
    runs = run_sweep("ppo", settings, {"init": ["a/b.pt", "a_b.pt"]}, tmp_path / "sweep")
    with pytest.raises(SettingError, match=r"init-a_b\.pt: two runs"):
        next(runs)
    assert not (tmp_path / "sweep").exists()
