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
from train.offline.learners import bc, bcq, cql, dqn, iql, sac, trained
from train.recordings import record, small_region

from vmagent_marl.episodes import Recipe, collect, recipe_for
from vmagent_marl.episodes.storage.minari_format import FILE, dataset_folder, sha256_of
from vmagent_marl.errors import SettingError, UnknownNameError
from vmagent_marl.policies import Policy, make_policy
from vmagent_marl.policies.checkpoint import load_policy
from vmagent_marl.policies.policy import Needs
from vmagent_marl.scenario import load_scenario
from vmagent_marl.sim import Simulator
from vmagent_marl.train.offline.learning import _Run
from vmagent_marl.train.offline.on_d3rlpy.d3rlpy_learner import D3rlpyLearner
from vmagent_marl.train.validation import Score, Validation

SHORT: dict[str, Any] = {
    "steps": 20,
    "validate_every": 10,
    "validation_episodes": 2,
    "progress": False,
}
LARGE: dict[str, Any] = {"hidden": (64, 64), "batch_size": 256, "learning_rate": 1e-2}
QUICK: dict[str, Any] = {**LARGE, "gamma": 0.8, "target_update_interval": 25}


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


@pytest.mark.parametrize(
    ("config", "steps"),
    [
        pytest.param(bc(**LARGE), 500, id="bc"),
        pytest.param(bcq(**QUICK), 1000, id="bcq"),
        pytest.param(cql(alpha=0.05, **QUICK), 1000, id="cql"),
        pytest.param(dqn(**QUICK), 1500, id="dqn"),
        pytest.param(iql(expectile=0.8, tau=0.05, **LARGE), 1500, id="iql"),
        pytest.param(
            sac(n_critics=1, initial_temperature=0.3, target_entropy=0.3, **QUICK), 1500, id="sac"
        ),
    ],
)
def test_tiny_is_solved_from_noisy_play(config: Any, steps: int, tmp_path: Path) -> None:
    """Neither the heuristics (8 of 40) nor what was recorded comes near its optimum."""
    scenario = load_scenario("tiny")
    validation = Validation(scenario, episodes=32, seed=5)
    assert validation.score(TinySolver(noise=0.0)).mean_return == 40.0
    assert validation.score(TinySolver(noise=0.1)).mean_return < 36.0
    policies: list[Policy] = [TinySolver(noise=0.1), make_policy("random")]
    name = record("tiny/mixed-v0", scenario, policies, 100)
    file = trained(
        config, name, tmp_path / "run", gamma=0.8, steps=steps, validate_every=100, progress=False
    )
    assert validation.score(load_policy(file)).mean_return == 40.0


@pytest.mark.parametrize("config", [cql(), bc()], ids=["cql", "bc"])
def test_a_run_leaves_its_best_policy_its_curve_and_its_settings(
    config: Any, region: str, tmp_path: Path
) -> None:
    file = trained(config, region, tmp_path / "run", seed=4, **SHORT)
    assert file == tmp_path / "run" / "policy.pt"
    names = {each.name for each in (tmp_path / "run").iterdir()}
    assert names == {"policy.pt", "curve.csv", "config.json", "resume.pt", "tensorboard"}
    with (tmp_path / "run" / "curve.csv").open(encoding="utf-8") as lines:
        rows = list(csv.DictReader(lines))
    assert [row["step"] for row in rows] == ["10", "20"]
    assert all(np.isfinite(float(row["loss"])) for row in rows)
    said = json.loads((tmp_path / "run" / "config.json").read_text(encoding="utf-8"))
    assert (said["algorithm"], said["dataset"], said["seed"]) == (config.get_type(), [region], 4)
    assert said["sha256"] == [sha256_of(dataset_folder(region) / "data" / FILE)]
    assert said["learning_rate"] == 3e-4
    assert said["encoder_factory"]["params"] == {
        "hidden": [16],
        "kind": "flat",
        "identities": 3,
        "hints": 0,
    }
    policy = load_policy(file)
    assert policy.training.algorithm == config.get_type()
    assert policy.training.dataset == (region,)
    assert policy.training.gamma == (0.9 if config.get_type() == "discrete_cql" else None)
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
        trained(bc(), region, tmp_path / name, **SHORT)
    monkeypatch.setattr(Validation, "score", lambda *_: Score(0.0, 0.0))
    first = trained(bc(), region, tmp_path / "short", **{**SHORT, "steps": 10})
    kept = {name: weights(tmp_path / name / "policy.pt")["head.bias"] for name in returns}
    assert torch.equal(kept["falling"], weights(first)["head.bias"])
    assert not torch.equal(kept["rising"], kept["falling"])


@pytest.mark.parametrize(
    "config",
    [
        pytest.param(bc(), id="bc"),
        pytest.param(bcq(target_update_interval=7), id="bcq"),
        pytest.param(cql(target_update_interval=7), id="cql"),
        pytest.param(iql(), id="iql"),
        pytest.param(sac(target_update_interval=7), id="sac"),
    ],
)
def test_a_killed_run_ends_as_one_that_was_not(
    config: Any, region: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = trained(config, region, tmp_path / "whole", **SHORT)
    going_on = _Run._advance_to

    def killed(run: _Run, step: int) -> None:
        if step == 20:
            raise KeyboardInterrupt
        going_on(run, step)

    monkeypatch.setattr(_Run, "_advance_to", killed)
    with pytest.raises(KeyboardInterrupt):
        trained(config, region, tmp_path / "killed", **SHORT)
    monkeypatch.setattr(_Run, "_advance_to", going_on)
    resumed = trained(config, region, tmp_path / "killed", **SHORT)
    for name in ("curve.csv", "config.json", "policy.pt"):
        assert (whole.parent / name).read_bytes() == (resumed.parent / name).read_bytes()
    for key, value in weights(whole).items():
        assert torch.equal(value, weights(resumed)[key])


def test_torch_draws_by_the_seed_and_leaves_the_callers_draws_alone(
    region: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A learner that draws while it learns draws the same when it goes on after a kill."""
    plain_update, drawn = D3rlpyLearner.update, list[float]()

    def drawing(learner: D3rlpyLearner) -> Any:
        drawn.append(float(torch.rand(())))
        return plain_update(learner)

    monkeypatch.setattr(D3rlpyLearner, "update", drawing)
    torch.manual_seed(3)
    expected = torch.rand(4)
    torch.manual_seed(3)
    trained(bc(), region, tmp_path / "whole", **SHORT)
    assert torch.equal(torch.rand(4), expected)
    whole = drawn.copy()
    assert len(set(whole)) == 20
    drawn.clear()
    trained(bc(), region, tmp_path / "parts", **{**SHORT, "steps": 10})
    trained(bc(), region, tmp_path / "parts", **SHORT)
    assert drawn == whole


def test_equal_seeds_learn_the_same_and_others_do_not(region: str, tmp_path: Path) -> None:
    files = [
        trained(bc(), region, tmp_path / str(i), seed=seed, **SHORT)
        for i, seed in enumerate((1, 1, 2))
    ]
    first, second, third = (weights(file)["head.weight"] for file in files)
    assert torch.equal(first, second)
    assert not torch.equal(first, third)


def test_a_finished_run_is_left_alone_or_made_longer(region: str, tmp_path: Path) -> None:
    file = trained(bc(), region, tmp_path, **SHORT)
    written = file.stat().st_mtime_ns
    assert trained(bc(), region, tmp_path, **SHORT) == file
    assert file.stat().st_mtime_ns == written
    trained(bc(), region, tmp_path, **{**SHORT, "steps": 30})
    assert (tmp_path / "curve.csv").read_text(encoding="utf-8").splitlines()[-1].startswith("30,")
    with pytest.raises(SettingError, match="holds a run with steps 30, not 20"):
        trained(bc(), region, tmp_path, **SHORT)
    with pytest.raises(SettingError, match=r"holds a run with learning_rate 0\.0003, not 0\.1"):
        trained(bc(learning_rate=0.1), region, tmp_path, **{**SHORT, "steps": 30})


def test_data_recorded_anew_under_the_same_id_are_no_longer_those_of_the_run(
    tmp_path: Path,
) -> None:
    def recipe(episodes: int) -> Recipe:
        return recipe_for("tiny", "random", episodes=episodes)

    name = collect(recipe(4), progress=False)
    file = trained(bc(), name, tmp_path / "run", **SHORT)
    before = file.read_bytes()
    collect(recipe(4), overwrite=True, progress=False)  # the same to the byte
    assert trained(bc(), name, tmp_path / "run", **SHORT) == file
    assert collect(recipe(6), overwrite=True, progress=False) == name
    with pytest.raises(SettingError, match=rf"run: holds a run of other episodes than '{name}'"):
        trained(bc(), name, tmp_path / "run", **{**SHORT, "steps": 40})
    assert file.read_bytes() == before
    assert trained(bc(), name, tmp_path / "other", **SHORT).read_bytes() != before


def test_a_folder_that_is_no_runs_is_refused(region: str, tmp_path: Path) -> None:
    for text in ("[]", "{}", "steps: 3"):
        (tmp_path / "config.json").write_text(text, encoding="utf-8")
        with pytest.raises(SettingError, match="holds no settings"):
            trained(bc(), region, tmp_path, **SHORT)
    with pytest.raises(SettingError, match="is a file"):
        trained(bc(), region, tmp_path / "config.json", **SHORT)
    (tmp_path / "run" / "config.json").mkdir(parents=True)
    with pytest.raises(SettingError, match="holds no settings"):
        trained(bc(), region, tmp_path / "run", **SHORT)


def test_what_trains_nothing_is_refused(region: str, tmp_path: Path) -> None:
    for name in ("steps", "validate_every", "validation_episodes"):
        with pytest.raises(SettingError, match=rf"^{name}: 0 is too few"):
            trained(bc(), region, tmp_path, **{**SHORT, name: 0})
    with pytest.raises(SettingError, match=r"^seed: -1 is negative"):
        trained(bc(), region, tmp_path, seed=-1, **SHORT)
    bad: dict[str, Any] = {"batch_size": 0, "target_update_interval": 0, "gamma": 1.5}
    for name, value in bad.items():
        with pytest.raises(SettingError, match=rf"^{name}: {value} is "):
            trained(cql(**{name: value}), region, tmp_path, **SHORT)
    for hidden in ((), (16, 0)):
        with pytest.raises(SettingError, match="hidden"):
            cql(hidden=hidden)
    with pytest.raises(SettingError, match="reward: 'mine'"):
        trained(cql(), region, tmp_path, **{**SHORT, "reward": "mine"})
    with pytest.raises(UnknownNameError, match="nobody/here-v0"):
        trained(cql(), "nobody/here-v0", tmp_path / "none", **SHORT)
    assert not (tmp_path / "config.json").exists()
    assert not (tmp_path / "none").exists()
