"""What every online run does: it is the same again, goes on, keeps the best, says what fails."""

from __future__ import annotations

import csv
import hashlib
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
import torch
from train.online.games import on_disk, small, small_region

from vmagent_marl.errors import PolicyError, SettingError, UnknownNameError
from vmagent_marl.policies.checkpoint import load_policy, load_tensors, save_tensors
from vmagent_marl.train.online.algorithms import settings_class, train_agent
from vmagent_marl.train.online.first_weights import begin_from
from vmagent_marl.train.online.learner import Settings
from vmagent_marl.train.online.ppo import PPO, PPOLearner
from vmagent_marl.train.online.run import scenario_of, train_online
from vmagent_marl.train.online.stage import Stage
from vmagent_marl.train.validation import Score, Validation


@pytest.fixture
def one(tmp_path: Path) -> str:
    return on_disk(small(), tmp_path / "scenarios")


@pytest.fixture
def several(tmp_path: Path) -> str:
    return on_disk(small_region(), tmp_path / "scenarios")


def short(agent: str, scenario: str, **fields: Any) -> Settings:
    given = {"batch": 8, "steps": 400, "validate_every": 150, "validation_episodes": 2}
    given |= {"segment": 8, "minibatch": 32, "hidden": (8, 8), "scenario": scenario}
    return settings_class(agent)(**{**given, **fields})


def sha256(file: Path) -> str:
    return hashlib.sha256(file.read_bytes()).hexdigest()


def rows_of(folder: Path) -> list[dict[str, str]]:
    with (folder / "curve.csv").open(encoding="utf-8") as lines:
        return list(csv.DictReader(lines))


@pytest.mark.parametrize("agent", ["ppo", "a2c", "ippo", "mappo"])
def test_a_run_leaves_its_policies_its_curve_and_its_settings(
    agent: str, one: str, several: str, tmp_path: Path
) -> None:
    scenario = several if agent in ("ippo", "mappo") else one
    file = train_agent(agent, short(agent, scenario), tmp_path / "run", progress=False)
    assert file == tmp_path / "run" / "policy.pt"
    names = {each.name for each in file.parent.iterdir()} - {"tensorboard"}
    kept = {"policy.pt", "last.pt", "curve.csv", "config.json", "resume.pt", "checkpoints"}
    assert names == kept
    rows = rows_of(file.parent)
    steps = [int(each.stem) for each in sorted((file.parent / "checkpoints").iterdir())]
    assert steps == [int(row["step"]) for row in rows]
    assert rows[0]["step"] == "0"
    assert int(rows[-1]["step"]) >= 400
    assert all(row["entropy"] for row in rows[1:])
    policy = load_policy(file)
    assert policy.training.algorithm == agent
    best = max(float(row["mean_return"]) for row in rows)
    again = Validation(small_region() if scenario == several else small(), episodes=2)
    assert again.score(policy).mean_return == pytest.approx(best)
    said = json.loads((file.parent / "config.json").read_text(encoding="utf-8"))
    assert (said["algorithm"], said["scenario"], said["steps"]) == (agent, scenario, 400)
    assert "device" not in said


@pytest.mark.parametrize("agent", ["ppo", "mappo"])
def test_equal_seeds_learn_the_same_to_the_bit_and_others_do_not(
    agent: str, one: str, several: str, tmp_path: Path
) -> None:
    scenario = several if agent == "mappo" else one
    for name, seed in (("first", 1), ("second", 1), ("third", 2)):
        torch.manual_seed(len(name))  # what the caller has drawn does not matter
        train_agent(agent, short(agent, scenario, seed=seed), tmp_path / name, progress=False)
    first, second, third = (tmp_path / name for name in ("first", "second", "third"))
    for file in ("curve.csv", "policy.pt", "last.pt", "resume.pt"):
        assert sha256(first / file) == sha256(second / file), file
        assert sha256(first / file) != sha256(third / file), file


def test_the_callers_draws_are_left_alone(one: str, tmp_path: Path) -> None:
    torch.manual_seed(3)
    expected = torch.rand(4)
    torch.manual_seed(3)
    train_agent("ppo", short("ppo", one), tmp_path, progress=False)
    assert torch.equal(torch.rand(4), expected)


KILLED = """
import sys
from vmagent_marl.train.online.algorithms import settings_class, train_agent
fields = eval(sys.argv[2])
train_agent("ppo", settings_class("ppo")(**fields), sys.argv[1], progress=False)
"""


def test_a_run_that_was_killed_ends_as_one_that_was_not(one: str, tmp_path: Path) -> None:
    fields: dict[str, Any] = {"scenario": one, "batch": 8, "segment": 8, "minibatch": 32}
    fields |= {"steps": 1600, "validate_every": 100, "validation_episodes": 2, "siblings": 2}
    fields |= {"hidden": (8, 8), "imitate": "server-best-fit", "imitate_steps": 200}
    whole = train_agent("ppo", settings_class("ppo")(**fields), tmp_path / "whole", progress=False)
    folder = tmp_path / "killed"
    run = [sys.executable, "-c", KILLED, str(folder), repr(fields)]
    process = subprocess.Popen(run, env={**os.environ, "OMP_NUM_THREADS": "1"})
    deadline = time.monotonic() + 60
    curve = folder / "curve.csv"
    while not (curve.exists() and len(curve.read_text(encoding="utf-8").splitlines()) > 3):
        assert process.poll() is None, "it ended before it was killed"
        assert time.monotonic() < deadline
        time.sleep(0.002)
    process.send_signal(signal.SIGKILL)
    assert process.wait() == -signal.SIGKILL
    assert int(rows_of(folder)[-1]["step"]) < 1600
    resumed = train_agent("ppo", settings_class("ppo")(**fields), folder, progress=False)
    for name in ("policy.pt", "last.pt", "curve.csv", "config.json"):
        assert sha256(resumed.parent / name) == sha256(whole.parent / name), name
    assert not list(folder.glob(".*"))


def test_the_best_on_validation_is_kept_and_not_the_last(
    one: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, scores in {"rising": [1.0, 2, 3, 4], "falling": [1.0, 3, 2, 1]}.items():
        given = iter(scores)
        monkeypatch.setattr(Validation, "score", lambda *_, left=given: Score(next(left), 0.0))
        train_agent("ppo", short("ppo", one, steps=450), tmp_path / name, progress=False)
    rising, falling = tmp_path / "rising", tmp_path / "falling"
    assert sha256(rising / "policy.pt") == sha256(rising / "last.pt")
    assert sha256(falling / "policy.pt") != sha256(falling / "last.pt")
    assert sha256(falling / "last.pt") == sha256(rising / "last.pt")


@pytest.mark.parametrize(
    ("fields", "begun"),
    [({}, "untrained"), ({"imitate": "best-fit", "imitate_steps": 50}, "as best-fit taught it")],
)
def test_a_run_that_gained_nothing_says_so_and_what_to_try(
    fields: dict[str, Any],
    begun: str,
    one: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    settings = short("ppo", one, steps=450, **fields)
    scores = {"gained": [1.0, 3, 2, 1], "quiet": [3.0, 3, 2.5, 1], "not": [3.0, 3, 2.5, 1]}
    for name, told in scores.items():
        given = iter(told)
        monkeypatch.setattr(Validation, "score", lambda *_, left=given: Score(next(left), 0.0))
        train_agent("ppo", settings, tmp_path / name, progress=name != "quiet")
    file = tmp_path / "not" / "policy.pt"
    (line,) = [line for line in capsys.readouterr().err.splitlines() if "policy.pt" in line]
    assert line.startswith(f"{file}: is the network {begun}, which nothing that was learned beat")
    assert "(mean return 3, later 3 at most): give more --steps" in line


def test_a_finished_run_is_left_alone_or_made_longer(one: str, tmp_path: Path) -> None:
    file = train_agent("ppo", short("ppo", one), tmp_path, progress=False)
    written = file.stat().st_mtime_ns
    assert train_agent("ppo", short("ppo", one), tmp_path, progress=False) == file
    assert file.stat().st_mtime_ns == written
    train_agent("ppo", short("ppo", one, steps=700), tmp_path, progress=False)
    assert int(rows_of(tmp_path)[-1]["step"]) >= 700
    with pytest.raises(SettingError, match=r"holds a run with gamma 0\.99, not 0\.5"):
        train_agent("ppo", short("ppo", one, steps=700, gamma=0.5), tmp_path, progress=False)
    with pytest.raises(SettingError, match="holds a run with algorithm 'ppo', not 'a2c'"):
        train_agent("a2c", short("a2c", one, steps=700), tmp_path, progress=False)


def test_it_begins_from_a_checkpoint_of_the_same_shape(
    one: str, several: str, tmp_path: Path
) -> None:
    file = train_agent("ppo", short("ppo", one), tmp_path / "first", progress=False)
    settings = short("ppo", one, init=str(file), steps=1, validate_every=1, servers=3)
    begun = train_agent("ppo", settings, tmp_path / "second", progress=False)
    assert rows_of(begun.parent)[0]["step"] == "0"
    learner = _learner(settings)
    for name, value in load_policy(file).network.state_dict().items():
        assert torch.equal(learner.network.state_dict()[name], value)
    for fields in ({"hidden": (8, 9)}, {"network": "flat"}):
        with pytest.raises(PolicyError, match=r"^init: .*: its network \(servers, .* is not like"):
            train_agent("ppo", short("ppo", one, init=str(file), **fields), tmp_path / "x")
    with pytest.raises(PolicyError, match="is not like"):
        train_agent("ippo", short("ippo", several, init=str(file)), tmp_path / "x")
    with pytest.raises(PolicyError, match="is not there"):
        train_agent("ppo", short("ppo", one, init="no.pt"), tmp_path / "x")
    assert not (tmp_path / "x").exists()


def test_what_it_began_from_is_not_asked_for_again(one: str, tmp_path: Path) -> None:
    first = train_agent("ppo", short("ppo", one), tmp_path / "first", progress=False)
    settings = short("ppo", one, init=str(first))
    file = train_agent("ppo", settings, tmp_path / "second", progress=False)
    first.unlink()
    assert train_agent("ppo", settings, tmp_path / "second", progress=False) == file


def test_a_run_on_another_kind_of_device_is_refused(one: str, tmp_path: Path) -> None:
    file = train_agent("ppo", short("ppo", one), tmp_path, progress=False)
    resume = file.with_name("resume.pt")
    save_tensors(resume, {**load_tensors(resume), "device": "cuda"})
    with pytest.raises(SettingError, match=r"^device: .* on cuda, not cpu: give cuda, or another"):
        train_agent("ppo", short("ppo", one, steps=700), tmp_path, progress=False)


def _learner(settings: Settings) -> PPOLearner:
    """As the run has it after it began from a checkpoint."""
    assert isinstance(settings, PPO)
    assert settings.init is not None
    learner = PPOLearner(settings, Stage(scenario_of(settings), batch=settings.batch))
    begin_from(settings.init, learner, True)
    return learner


def test_names_and_numbers_that_are_wrong_are_refused(
    one: str, several: str, tmp_path: Path
) -> None:
    out = tmp_path / "none"
    with pytest.raises(UnknownNameError, match="unknown agent 'mapo': did you mean 'mappo'"):
        settings_class("mapo")
    with pytest.raises(SettingError, match=r"'ppo' is for one cluster .* give --agent ippo"):
        train_agent("ppo", short("ppo", several), out)
    with pytest.raises(SettingError, match=r"'mappo' is for several clusters .* --agent ppo"):
        train_agent("mappo", short("mappo", one), out)
    with pytest.raises(SettingError, match=r"^device: 'cuda:77' cannot be used .*: give cpu"):
        train_agent("ppo", short("ppo", one, device="cuda:77"), out)
    bad: dict[str, Any] = {"batch": 0, "steps": 0, "seed": -1, "learning_rate": 0.0, "gamma": 2.0}
    bad |= {"reward_scale": 0.0, "hidden": (), "validate_every": 0, "validation_episodes": 0}
    for name, value in bad.items():
        with pytest.raises(SettingError, match=f"^{name}: "):
            train_agent("ppo", short("ppo", one, **{name: value}), out)
    assert not out.exists()


@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device")
def test_a_gpu_is_used_where_it_is_asked_for(one: str, tmp_path: Path) -> None:
    devices = []

    def make(settings: PPO, stage: Stage) -> PPOLearner:
        learner = PPOLearner(settings, stage)
        devices.extend(p.device.type for p in learner.parameters)
        return learner

    settings = short("ppo", one, device="cuda", imitate="best-fit", imitate_steps=200)
    file = train_online("ppo", settings, make, tmp_path, progress=False)
    assert set(devices) == {"cuda"}
    assert all(value.device.type == "cpu" for value in load_policy(file).network.parameters())
    longer = short("ppo", one, device="cuda", imitate="best-fit", imitate_steps=200, steps=800)
    train_online("ppo", longer, make, tmp_path, progress=False)
    assert int(rows_of(tmp_path)[-1]["step"]) >= 800


def test_what_learned_answers_is_no_beginning_for_values(tmp_path: Path) -> None:
    scenario = on_disk(small(), tmp_path)
    actor = settings_class("ppo")(scenario=scenario, batch=8, segment=4, steps=32)
    file = str(train_agent("ppo", actor, tmp_path / "ppo", progress=False))
    values = settings_class("dqn")(scenario=scenario, batch=8, steps=200, warmup=100, init=file)
    with pytest.raises(PolicyError, match=r"init: .*ppo learned what to answer, and no values"):
        train_agent("dqn", values, tmp_path / "dqn", progress=False)
    again = settings_class("sac")(scenario=scenario, batch=8, steps=200, warmup=100, init=file)
    assert train_agent("sac", again, tmp_path / "sac", progress=False).exists()
