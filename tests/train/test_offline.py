from __future__ import annotations

import csv
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from train.recordings import record, small_region

from vmagent_marl.errors import SettingError, UnknownNameError
from vmagent_marl.policies import Policy, make_policy
from vmagent_marl.policies.checkpoint import load_policy
from vmagent_marl.policies.policy import Needs
from vmagent_marl.scenario import load_scenario
from vmagent_marl.sim import Simulator
from vmagent_marl.train import train_offline
from vmagent_marl.train.offline import _Run
from vmagent_marl.train.validation import Score, Validation

SHORT: dict[str, Any] = {
    "steps": 20,
    "validate_every": 10,
    "validation_episodes": 2,
    "batch_size": 16,
    "hidden": (16,),
    "progress": False,
}


@pytest.fixture
def region() -> str:
    policies = [make_policy("random"), make_policy("cheapest-first", epsilon=0.1)]
    return record("small/mixed-v0", small_region(), policies, 4)


def weights(file: Path) -> dict[str, torch.Tensor]:
    return dict(load_policy(file).network.state_dict())


@dataclass(frozen=True)
class TinySolver:
    """Plays `tiny` to its optimum, but for a share of random answers.

    A VM of 2 joins the one of 1 and else takes the emptier node, one of 3 the fuller that fits.
    """

    noise: float
    name: str = "tiny-solver"
    needs: Needs = "own servers"

    def act(
        self, batch: Simulator, keys: NDArray[np.uint64]
    ) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
        actions, _ = make_policy("random").act(batch, keys)
        draw = np.random.default_rng(keys[:, 0])
        for b in np.flatnonzero(draw.random(batch.batch) >= self.noise):
            free, mask = batch.observation[b, 0, [0, 2]], batch.mask[b, 0]
            if mask[:2].all():
                size = round(6 * float(batch.observation[b, 0, 5]))
                fuller = int(free[1] < free[0])
                joins = size == 3 or round(6 * float(free.min())) == 5
                actions[b, 0] = fuller if joins else 1 - fuller
            else:
                actions[b, 0] = mask.argmax()
        return actions, np.full(actions.shape, np.nan)


@pytest.mark.parametrize("algorithm", ["cql", "bc"])
def test_tiny_is_solved_from_noisy_play(algorithm: Any, tmp_path: Path) -> None:
    """Neither the heuristics (8 of 40) nor what was recorded comes near its optimum."""
    scenario = load_scenario("tiny")
    validation = Validation(scenario, episodes=32, seed=5)
    assert validation.score(TinySolver(noise=0.0)).mean_return == 40.0
    assert validation.score(TinySolver(noise=0.1)).mean_return < 36.0
    policies: list[Policy] = [TinySolver(noise=0.1), make_policy("random")]
    name = record("tiny/mixed-v0", scenario, policies, 100)
    file = train_offline(
        algorithm,
        name,
        tmp_path / "run",
        steps=1500,
        validate_every=250,
        learning_rate=3e-3,
        gamma=0.8,
        alpha=0.05,
        target_every=25,
        progress=False,
    )
    assert validation.score(load_policy(file)).mean_return == 40.0


@pytest.mark.parametrize("algorithm", ["cql", "bc"])
def test_a_run_leaves_its_best_policy_its_curve_and_its_settings(
    algorithm: Any, region: str, tmp_path: Path
) -> None:
    file = train_offline(algorithm, region, tmp_path / "run", seed=4, **SHORT)
    assert file == tmp_path / "run" / "policy.pt"
    names = {each.name for each in (tmp_path / "run").iterdir()}
    assert names == {"policy.pt", "curve.csv", "config.json", "resume.pt"}
    with (tmp_path / "run" / "curve.csv").open(encoding="utf-8") as lines:
        rows = list(csv.DictReader(lines))
    assert [row["step"] for row in rows] == ["10", "20"]
    assert all(np.isfinite(float(row["loss"])) for row in rows)
    config = json.loads((tmp_path / "run" / "config.json").read_text(encoding="utf-8"))
    assert (config["algorithm"], config["dataset"], config["seed"]) == (algorithm, [region], 4)
    policy = load_policy(file)
    assert policy.training.algorithm == algorithm
    assert policy.training.dataset == (region,)
    assert policy.training.gamma == (0.9 if algorithm == "cql" else None)
    assert policy.training.scenario == small_region().as_dict()
    best = max(float(row["mean_return"]) for row in rows)
    again = Validation(small_region(), episodes=2).score(policy)
    assert again.mean_return == pytest.approx(best, rel=1e-9)


def test_the_best_on_validation_is_kept_and_not_the_last(
    region: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    returns = {"rising": [1.0, 2.0], "falling": [2.0, 1.0]}
    for name, scores in returns.items():
        given = iter(scores)
        monkeypatch.setattr(Validation, "score", lambda *_, left=given: Score(next(left), 0.0))
        train_offline("bc", region, tmp_path / name, **SHORT)
    monkeypatch.setattr(Validation, "score", lambda *_: Score(0.0, 0.0))
    first = train_offline("bc", region, tmp_path / "short", **{**SHORT, "steps": 10})
    kept = {name: weights(tmp_path / name / "policy.pt")["head.bias"] for name in returns}
    assert torch.equal(kept["falling"], weights(first)["head.bias"])
    assert not torch.equal(kept["rising"], kept["falling"])


@pytest.mark.parametrize("algorithm", ["cql", "bc"])
def test_a_killed_run_ends_as_one_that_was_not(
    algorithm: Any, region: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = train_offline(algorithm, region, tmp_path / "whole", target_every=7, **SHORT)
    going_on = _Run._advance_to

    def killed(run: _Run, step: int) -> None:
        if step == 20:
            raise KeyboardInterrupt
        going_on(run, step)

    monkeypatch.setattr(_Run, "_advance_to", killed)
    with pytest.raises(KeyboardInterrupt):
        train_offline(algorithm, region, tmp_path / "killed", target_every=7, **SHORT)
    monkeypatch.setattr(_Run, "_advance_to", going_on)
    resumed = train_offline(algorithm, region, tmp_path / "killed", target_every=7, **SHORT)
    for name in ("curve.csv", "config.json"):
        assert (whole.parent / name).read_bytes() == (resumed.parent / name).read_bytes()
    for key, value in weights(whole).items():
        assert torch.equal(value, weights(resumed)[key])


def test_equal_seeds_learn_the_same_and_others_do_not(region: str, tmp_path: Path) -> None:
    files = [
        train_offline("bc", region, tmp_path / str(i), seed=seed, **SHORT)
        for i, seed in enumerate((1, 1, 2))
    ]
    first, second, third = (weights(file)["head.weight"] for file in files)
    assert torch.equal(first, second)
    assert not torch.equal(first, third)


def test_a_finished_run_is_left_alone_or_made_longer(region: str, tmp_path: Path) -> None:
    file = train_offline("bc", region, tmp_path, **SHORT)
    written = file.stat().st_mtime_ns
    assert train_offline("bc", region, tmp_path, **SHORT) == file
    assert file.stat().st_mtime_ns == written
    train_offline("bc", region, tmp_path, **{**SHORT, "steps": 30})
    assert (tmp_path / "curve.csv").read_text(encoding="utf-8").splitlines()[-1].startswith("30,")
    with pytest.raises(SettingError, match="holds a run with steps 30, not 20"):
        train_offline("bc", region, tmp_path, **SHORT)
    with pytest.raises(SettingError, match="holds a run with learning_rate"):
        train_offline("bc", region, tmp_path, **{**SHORT, "steps": 30, "learning_rate": 0.1})


def test_what_is_no_setting_is_refused(region: str, tmp_path: Path) -> None:
    with pytest.raises(SettingError, match="did you mean 'learning_rate'"):
        train_offline("cql", region, tmp_path, learning_rat=0.1)
    with pytest.raises(SettingError, match="'dqn' is none of 'cql' or 'bc'"):
        train_offline("dqn", region, tmp_path)  # type: ignore[arg-type]
    bad: dict[str, Any] = {"steps": 0, "gamma": 1.5, "hidden": ()}
    for name, value in bad.items():
        with pytest.raises(SettingError, match=name):
            train_offline("cql", region, tmp_path, **{name: value})
    with pytest.raises(UnknownNameError, match="nobody/here-v0"):
        train_offline("cql", "nobody/here-v0", tmp_path / "none")
    assert not (tmp_path / "config.json").exists()
    assert not (tmp_path / "none").exists()
