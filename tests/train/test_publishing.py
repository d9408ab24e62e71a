"""Policies that are published: the file, the card that is true to it, and what is refused."""

from __future__ import annotations

import dataclasses
import hashlib
import json
import shutil
from pathlib import Path
from typing import Any, get_args

import pytest
from train.online.games import small
from train.published import small_run, told

from vmagent_marl.cli.training import _options
from vmagent_marl.cli.values import VALUES
from vmagent_marl.errors import SettingError, VmagentError
from vmagent_marl.evaluation import evaluate
from vmagent_marl.evaluation.scores import Score
from vmagent_marl.policies.checkpoint import load_policy, save_policy
from vmagent_marl.train import policy_card, publishing
from vmagent_marl.train.command import command_line, train_words
from vmagent_marl.train.online.algorithms import settings_class
from vmagent_marl.train.publishing import publish, shared_bytes


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return small_run(tmp_path_factory.mktemp("published"))


def test_a_run_becomes_a_file_and_a_card_that_is_true_to_it(
    run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file, card = publish(run, "my-ppo", tmp_path / "shelf", episodes=6, progress=False)
    assert file.read_bytes() == (run / "policy.pt").read_bytes()
    assert sorted(each.name for each in file.parent.iterdir()) == ["my-ppo.md", "my-ppo.pt"]
    text = card.read_text(encoding="utf-8")
    policy = load_policy(file)
    assert told(text, "sha256") == f"`{hashlib.sha256(file.read_bytes()).hexdigest()}`"
    assert told(text, "size") == f"{file.stat().st_size:,} bytes"
    parameters = sum(weights.numel() for weights in policy.network.parameters())
    assert told(text, "network") == f"`servers`, hidden 8 x 8, {parameters:,} parameters"
    scenario = run.parent / "tiny.yaml"
    assert f"evaluate --scenario {scenario} --set horizon=15 --policy my-ppo" in text
    code = text.rpartition("```python")[2].removesuffix("```\n").replace("my-ppo", str(file))
    exec(code, {})
    assert str(file) in capsys.readouterr().out
    rows = (run / "curve.csv").read_text().splitlines()[1:]
    best = max(float(row.split(",")[1]) for row in rows)
    assert f"mean return {best:.4g} on 2 episodes" in told(text, "chosen by")
    scores = evaluate(
        dataclasses.replace(small(), horizon=15), [policy, "all"], windows="test", episodes=6
    )
    for each in scores.policies[1:]:
        (line,) = [line for line in text.splitlines() if line.startswith(f"| `{each}` |")]
        value, less = scores.estimate(each).value, scores.difference(policy.name, each).value
        assert line.startswith(f"| `{each}` | {value:.4g} (")
        assert f" | {less:+.4g} (" in line or less == 0
    assert f"| **my-ppo** | {scores.estimate(policy.name).value:.4g} (" in text
    again, other = publish(run, "my-ppo", tmp_path / "b", episodes=6, progress=False)
    assert (again.read_bytes(), other.read_text()) == (file.read_bytes(), text)


def test_the_command_of_a_card_says_the_settings_of_the_run(run: Path) -> None:
    config = json.loads((run / "config.json").read_text())
    words = train_words(config)
    assert words is not None
    assert command_line(words).startswith("vmagent-marl train --agent ppo --scenario ")
    kind = settings_class("ppo")
    _, settings = _options("ppo", kind, kind(), words[2:])
    plain = json.loads(json.dumps(dataclasses.asdict(settings)))
    assert {**plain, "algorithm": "ppo", "played": config["played"]} == {
        **config,
        "device": "auto",
    }


@pytest.mark.parametrize(
    ("agent", "fields"),
    [
        ("dqn", {"double": False, "hidden": (16,), "seed": 3, "set": ("home=random", "share=.5")}),
        ("a2c", {"clip": 0.2, "minibatch": 64, "anneal": False}),
        ("ppo", {"clip": None, "imitate": "best-fit", "learning_rate": 3e-5}),
        ("qmix", {"duelling": True, "init": "recovering-dqn", "network": "flat"}),
    ],
)
def test_every_kind_of_setting_is_read_again(agent: str, fields: dict[str, Any]) -> None:
    kind = settings_class(agent)
    settings = kind(**fields)
    words = train_words(
        {"algorithm": agent, **json.loads(json.dumps(dataclasses.asdict(settings)))}
    )
    assert words is not None
    with VALUES:
        assert _options(agent, kind, kind(), words[2:])[1] == settings


def test_a_program_of_the_shelf_is_told_by_its_settings(run: Path, tmp_path: Path) -> None:
    """A run that no command trains: its card holds what it was told, and its data's digests."""
    other = tmp_path / "bc"
    shutil.copytree(run, other)
    config = {"algorithm": "masked_bc", "dataset": ["a/b-v0"], "sha256": ["12ab"], "seed": 7}
    (other / "config.json").write_text(json.dumps(config))
    kept = load_policy(other / "policy.pt")
    training = dataclasses.replace(kept.training, algorithm="masked_bc", dataset=("a/b-v0",))
    save_policy(other / "policy.pt", kept.network, training)
    _, card = publish(other, "my-bc", tmp_path, episodes=4, progress=False)
    text = card.read_text(encoding="utf-8")
    assert "`a/b-v0` (sha256 `12ab`), recorded on " in told(text, "learned from")
    assert '"algorithm": "masked_bc"' in text
    assert "vmagent-marl train" not in text


def test_every_score_has_its_name_on_a_card() -> None:
    assert set(policy_card.UNITS) == set(get_args(Score))


def test_what_is_refused_is_refused_before_anything_is_played(
    run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def played(*_: object, **__: object) -> None:
        raise AssertionError

    monkeypatch.setattr(publishing, "evaluate", played)
    for name in ("My Policy", "a/b", "", "-x"):
        with pytest.raises(SettingError, match="is no name of a policy"):
            publish(run, name, tmp_path)
    with pytest.raises(SettingError, match="is a heuristic's"):
        publish(run, "best-fit", tmp_path)
    (tmp_path / "there.md").touch()
    with pytest.raises(VmagentError, match=r"there.md exists: give --overwrite"):
        publish(run, "there", tmp_path)
    with pytest.raises(SettingError, match=r"config.json: holds no settings"):
        publish(tmp_path, "none", tmp_path)
    unfinished = tmp_path / "unfinished"
    unfinished.mkdir()
    shutil.copy(run / "config.json", unfinished)
    with pytest.raises(SettingError, match=r"curve.csv: tells no validation"):
        publish(unfinished, "none", tmp_path)
    monkeypatch.setattr(publishing, "MOST_BYTES", 1000)
    with pytest.raises(VmagentError, match=r"bytes and 1,000 are the most that ships"):
        publish(run, "large", tmp_path)
    assert {each.name for each in tmp_path.iterdir()} == {"there.md", "unfinished"}


def test_a_kill_leaves_what_was_there(
    run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file, card = publish(run, "mine", tmp_path, episodes=4, progress=False)
    before = file.read_bytes(), card.read_bytes()
    write = Path.write_text

    def killed(target: Path, text: str, **how: Any) -> int:
        write(target, text[: len(text) // 2], **how)
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(Path, "write_text", killed)
        with pytest.raises(KeyboardInterrupt):
            publish(run, "mine", tmp_path, episodes=6, overwrite=True, progress=False)
    assert (file.read_bytes(), card.read_bytes()) == before
    assert len(list(tmp_path.iterdir())) == 2
    publish(run, "mine", tmp_path, episodes=6, overwrite=True, progress=False)
    assert card.read_bytes() != before[1]


def test_a_trace_ships_by_its_name_alone(run: Path, tmp_path: Path) -> None:
    kept = load_policy(run / "policy.pt")
    scenario = {**kept.training.scenario, "trace": "/home/me/months/july.csv"}
    file = tmp_path / "policy.pt"
    save_policy(file, kept.network, dataclasses.replace(kept.training, scenario=scenario))
    content = shared_bytes(file)
    assert b"/home/me" not in content
    assert content == shared_bytes(file)
    (tmp_path / "shared.pt").write_bytes(content)
    assert load_policy(tmp_path / "shared.pt").training.scenario["trace"] == "july.csv"
