"""Trained policies by their names: those of a shelf, and those that ship."""

from __future__ import annotations

import hashlib
import json
import shutil
from pathlib import Path

import pytest
import yaml
from places import TRACE, real_trace
from train.published import small_run, told

from vmagent_marl import catalog
from vmagent_marl.cli.main import main
from vmagent_marl.errors import PolicyError, UnknownNameError
from vmagent_marl.evaluation import evaluate
from vmagent_marl.policies import make_policy
from vmagent_marl.policies.checkpoint import load_policy
from vmagent_marl.policies.network_policy import NetworkPolicy
from vmagent_marl.scenario import load_scenario
from vmagent_marl.train.publishing import MOST_BYTES
from vmagent_marl.view.dashboard.library import Library

SHIPPED = catalog.names("checkpoints")
WORDS = "--steps 1 --batch 8 --segment 1 --hidden 8 8 --validation-episodes 2"


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return small_run(tmp_path_factory.mktemp("published"))


@pytest.fixture
def shelf(run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A shelf of one policy, `tiny-ppo`, in the place of the package's own."""
    folder = tmp_path / "shelf"
    folder.mkdir()
    shutil.copy(run / "policy.pt", folder / "tiny-ppo.pt")
    known = catalog.shelf
    monkeypatch.setattr(
        catalog, "shelf", lambda name: folder if name == "checkpoints" else known(name)
    )
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("MINARI_DATASETS_PATH", str(tmp_path / "minari"))
    return folder


def test_what_is_on_the_shelf_is_played_by_its_name(
    run: Path, shelf: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    scenario = str(run.parent / "tiny.yaml")
    policy = make_policy("tiny-ppo", epsilon=0.5)
    assert isinstance(policy, NetworkPolicy)
    assert policy.name == "tiny-ppo-epsilon-0.5"
    with pytest.raises(UnknownNameError, match="did you mean 'tiny-ppo'"):
        make_policy("tiny-pp")
    words = ["--scenario", scenario, "--policy", "tiny-ppo"]
    main(["evaluate", *words, "first-fit", "--episodes", "3", "--quiet"])
    assert "tiny-ppo" in capsys.readouterr().out
    main(["collect", *words, "--episodes", "2", "--quiet"])
    assert capsys.readouterr().out == "vmagent/tiny/tiny-ppo-v0\n"
    main(["dataset", "verify", "vmagent/tiny/tiny-ppo-v0", "--quiet"])
    assert "1 from checkpoints not asked again" in capsys.readouterr().out
    with pytest.raises(SystemExit):
        main(["evaluate", "--scenario", "region", "--policy", "tiny-ppo", "--quiet"])
    assert "was trained for 1 cluster of 2 servers" in capsys.readouterr().err
    main(["copy", "checkpoints/tiny-ppo", "mine.pt"])
    assert (tmp_path / "mine.pt").read_bytes() == (shelf / "tiny-ppo.pt").read_bytes()


def test_what_is_on_the_shelf_is_a_beginning(
    run: Path, shelf: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ["train", "--agent", "ppo", "--scenario", str(run.parent / "tiny.yaml")]
    words += [*WORDS.split(), "--compare", "no", "--quiet"]
    main([*words, "--set", "horizon=15", "--init", "tiny-ppo", "--out", "a"])
    first = load_policy(tmp_path / "a" / "checkpoints" / "000000000.pt").network.state_dict()
    begun = load_policy(shelf / "tiny-ppo.pt").network.state_dict()
    assert all((first[key] == begun[key]).all() for key in begun)
    (tmp_path / "settings").mkdir()
    file = tmp_path / "settings" / "run.yaml"
    file.write_text("init: tiny-ppo\nset: [horizon=15]\n")
    main([*words, "--config", str(file), "--out", "b"])
    same = [tmp_path / out / "policy.pt" for out in "ab"]
    assert same[0].read_bytes() == same[1].read_bytes()
    assert json.loads((tmp_path / "b" / "config.json").read_text())["played"]["horizon"] == 15
    for given, answer in {
        ("--init", "tiny-pp"): "unknown checkpoint 'tiny-pp': did you mean 'tiny-ppo'?",
        ("--set", "horizn=3"): "--set: unknown key 'horizn': did you mean 'horizon'",
        ("--set", "horizon"): "--set horizon: is no change: write name=value",
    }.items():
        with pytest.raises(SystemExit):
            main([*words, *given, "--out", "c"])
        assert answer in capsys.readouterr().err
    assert not (tmp_path / "c").exists()


def test_the_command_publishes(run: Path, shelf: Path, capsys: pytest.CaptureFixture[str]) -> None:
    words = ["publish", str(run), "--name", "other", "--episodes", "4", "--quiet"]
    main([*words, "--to", "mine"])
    assert capsys.readouterr().out.splitlines() == [
        "mine/other.pt",
        "mine/other.md",
        "Play it: --policy mine/other.pt",
    ]
    main([*words, "--to", str(shelf)])
    assert capsys.readouterr().out.endswith("Play it: --policy other\n")
    with pytest.raises(SystemExit):
        main([*words, "--to", "mine"])
    assert "mine/other.pt exists: give --overwrite" in capsys.readouterr().err
    main(["list"])
    assert "ppo on `tiny`: mean return" in " ".join(capsys.readouterr().out.split())


@pytest.mark.parametrize("name", SHIPPED)
def test_every_shipped_card_is_true_to_its_file(name: str) -> None:
    file = catalog.find("checkpoints", name)
    card = file.with_suffix(".md").read_text(encoding="utf-8")
    content = file.read_bytes()
    assert len(content) <= MOST_BYTES
    assert told(card, "sha256") == f"`{hashlib.sha256(content).hexdigest()}`"
    assert told(card, "size") == f"{len(content):,} bytes"
    policy = load_policy(file)
    parameters = sum(weights.numel() for weights in policy.network.parameters())
    assert f" {parameters:,} parameters" in told(card, "network")
    assert told(card, "algorithm") == policy.training.algorithm
    assert "-dirty" not in card
    assert b"/home/" not in content
    commands = yaml.safe_load((file.parent / "commands.yaml").read_text(encoding="utf-8"))
    assert f"vmagent-marl train {commands[name]} --out" in card
    assert set(commands) == set(SHIPPED)


@pytest.mark.parametrize("name", SHIPPED)
def test_every_shipped_policy_plays_better_than_chance(name: str) -> None:
    policy = make_policy(name)
    assert isinstance(policy, NetworkPolicy)
    scenario, trace = load_scenario(policy.training.scenario["name"]), None
    if scenario.trace != policy.training.scenario["trace"]:
        assert policy.training.scenario["trace"] == TRACE
        trace = real_trace()
    scores = evaluate(scenario, [policy, "random"], windows="test", episodes=4, trace=trace)
    assert scores.ranked[0] == name


def test_the_dashboard_plays_what_ships_by_its_name() -> None:
    library = Library()
    key = library.add_named("recovering", "recovering-dqn", 0)
    assert library.titles[key].startswith("recovering-dqn on recovering")
    assert library.replay(key).recording.policy == "recovering-dqn"
    with pytest.raises(UnknownNameError, match="did you mean 'recovering-dqn'"):
        library.add_named("recovering", "recovering-dqm", 0)


def test_values_are_not_drawn_from() -> None:
    with pytest.raises(PolicyError, match="learned values"):
        make_policy("recovering-dqn", sampled=True)
