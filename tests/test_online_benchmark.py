"""The benchmark of shipped policies trains them anew and tells whether they come out the same."""

from __future__ import annotations

import importlib
import shlex
from pathlib import Path
from typing import Any

import pytest
from places import ROOT
from train.online.games import on_disk, small

from vmagent_marl.cli.main import main
from vmagent_marl.policies.checkpoint import load_policy, save_policy


@pytest.fixture
def online(monkeypatch: pytest.MonkeyPatch) -> Any:
    folder = ROOT / "benchmarks"
    if not folder.is_dir():
        pytest.skip("benchmarks/ is not beside the tests")
    monkeypatch.syspath_prepend(folder)
    return importlib.import_module("online")


def test_the_same_policy_comes_out_or_another(
    online: Any, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    command = f"--agent ppo --scenario {on_disk(small(), tmp_path)} --steps 200 --batch 8"
    command += " --segment 8 --hidden 8 8 --validation-episodes 2 --validate-every 100"
    main(["train", *shlex.split(command), "--out", str(tmp_path / "run"), "--compare", "no"])
    shelf = tmp_path / "shelf"
    shelf.mkdir()
    (shelf / "mine.pt").write_bytes((tmp_path / "run" / "policy.pt").read_bytes())
    policy = load_policy(shelf / "mine.pt")
    for weights in policy.network.parameters():
        weights.data.neg_()
    save_policy(shelf / "worse.pt", policy.network, policy.training)
    (shelf / "commands.yaml").write_text(f"mine: {command}\nworse: {command}\n")
    page = tmp_path / "results.md"
    page.write_text("# Results\n")
    online.main(policies=("mine", "worse"), episodes=10, shelf=shelf, write=page)
    rows = {
        line.split(" | ")[0].strip("| `"): line.strip("| ").split(" | ")
        for line in page.read_text().splitlines()
        if line.startswith("| `")
    }
    assert rows["mine"][2] == "the same"
    assert rows["mine"][6] == "0 (0 to 0)"
    assert rows["mine"][4] == rows["mine"][5]
    assert rows["worse"][2] == "others"
    assert rows["worse"][6] != "0 (0 to 0)"
    assert rows["worse"][5] == rows["mine"][5]
    assert "trained anew by its line" in capsys.readouterr().out


def test_a_trace_is_found_where_it_lies(online: Any) -> None:
    words = online.with_traces("--agent dqn --trace 'a month.csv' --seed 1", Path("data"))
    assert words == ["--agent", "dqn", "--trace", "data/a month.csv", "--seed", "1"]
