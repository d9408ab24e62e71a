"""`train` as people type it."""

from __future__ import annotations

import csv
import json
import subprocess
import sys
from pathlib import Path

import pytest
from train.online.games import on_disk, small, small_region

from vmagent_marl.cli.main import main
from vmagent_marl.cli.training import train_by
from vmagent_marl.train.online.algorithms import ALGORITHMS

WORDS = (
    "--batch 8 --segment 8 --steps 200 --validate-every 100 --validation-episodes 2 --hidden 8 8"
)
SHORT = [*WORDS.split(), "--compare", "no", "--quiet"]


@pytest.fixture
def one(tmp_path: Path) -> str:
    return on_disk(small(), tmp_path)


@pytest.fixture(autouse=True)
def elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def fails(capsys: pytest.CaptureFixture[str], *arguments: str, status: int = 1) -> str:
    """What a wrong command answers."""
    with pytest.raises(SystemExit) as end:
        main(["train", *arguments])
    assert end.value.code == status
    told = capsys.readouterr().err
    if status == 1:
        assert told.startswith("error: ")
        assert len(told.strip().splitlines()) == 1
    return told


def config(folder: Path) -> dict[str, object]:
    read: dict[str, object] = json.loads((folder / "config.json").read_text(encoding="utf-8"))
    return read


def test_help_tells_the_agents_and_then_an_agents_own_settings(
    capsys: pytest.CaptureFixture[str],
) -> None:
    for words in ([], ["--help"]):
        main(["train", *words])
        told = capsys.readouterr().out
        for name, each in ALGORITHMS.items():
            assert f"  {name}" in told
            assert each.about in told
    with pytest.raises(SystemExit) as end:
        main(["train", "--agent", "a2c", "--help"])
    assert end.value.code == 0
    told = " ".join(capsys.readouterr().out.replace("│", " ").split())
    assert "--segment N Requests an environment plays between updates. (default: 16)" in told
    assert "--clip NUMBER" in told
    assert "--sweep NAME=VALUES" in told
    with pytest.raises(SystemExit):
        main(["--help"])
    assert "train" in capsys.readouterr().out


def test_help_and_lists_load_no_torch() -> None:
    for words in ("['train', '--help']", "['list']"):
        code = f"import sys; from vmagent_marl.cli.main import main; main({words}); "
        done = subprocess.run(
            [sys.executable, "-c", code + "print('torch' in sys.modules)"],
            capture_output=True,
            text=True,
            check=True,
        )
        assert "ippo" in done.stdout
        assert done.stdout.splitlines()[-1] == "False"


def test_it_trains_where_it_is_told_or_in_a_folder_of_a_telling_name(
    one: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    main(["train", "--agent", "ppo", "--scenario", one, "--seed", "3", *SHORT])
    assert capsys.readouterr().out == "The policy is in runs/ppo-tiny-3/policy.pt\n"
    assert config(tmp_path / "runs/ppo-tiny-3")["seed"] == 3
    main(["train", "--agent=a2c", "--scenario", one, "--out", "mine", "--clip", "none", *SHORT])
    assert config(tmp_path / "mine")["algorithm"] == "a2c"
    assert "runs/ppo-tiny-3: holds a run with gamma 0.99" in fails(
        capsys, "--agent", "ppo", "--scenario", one, "--seed", "3", "--gamma", "0.5", *SHORT
    )


def test_it_is_compared_with_the_heuristics(one: str, capsys: pytest.CaptureFixture[str]) -> None:
    main(["train", "--agent", "ppo", "--scenario", one, "--out", "run", *WORDS.split()])
    told = capsys.readouterr().out
    assert "first-fit" in told
    assert "The validation window chose among this run's checkpoints" in told
    assert told.endswith("The policy is in run/policy.pt\n")


def test_a_file_gives_settings_and_options_win(
    one: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = tmp_path / "configs"
    folder.mkdir()
    file = folder / "run.yaml"
    file.write_text(f"agent: ppo\nscenario: {one}\nlearning_rate: 3e-4\ngamma: 0.9\nclip: null\n")
    main(["train", "--agent", "ppo", "--config", str(file), "--gamma", "0.8", "--out", "a", *SHORT])
    said = config(tmp_path / "a")
    assert (said["learning_rate"], said["gamma"], said["clip"]) == (3e-4, 0.8, None)
    agent = ("--agent", "ppo", "--config", str(file))
    file.write_text("gamma: 0.9\nlerning_rate: 1\n")
    assert "run.yaml:2: unknown key 'lerning_rate': did you mean 'learning_rate'?" in fails(
        capsys, *agent
    )
    file.write_text("gamma: high\n")
    assert "run.yaml:1: gamma: 'high' is no number" in fails(capsys, *agent)
    file.write_text("agent: mappo\n")
    assert "run.yaml:1: agent: is not 'ppo'" in fails(capsys, *agent)
    assert "no.yaml: cannot be read" in fails(capsys, "--agent", "ppo", "--config", "no.yaml")


def test_what_is_wrong_is_told_in_one_line(
    one: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    several = on_disk(small_region(), tmp_path)
    ppo = ("--agent", "ppo", "--scenario", one)
    assert "did you mean 'mappo'?" in fails(capsys, "--agent", "mapo")
    assert "which agent?" in fails(capsys, "--scenario", one)
    assert "--agent: names none" in fails(capsys, "--agent")
    assert "give --agent ippo" in fails(capsys, "--agent", "ppo", "--scenario", several)
    assert "give --agent ppo" in fails(capsys, "--agent", "mappo", "--scenario", one)
    assert "did you mean 'tiny'?" in fails(capsys, "--agent", "ppo", "--scenario", "tinny")
    assert "device: 'gpu' cannot be used" in fails(capsys, *ppo, "--device", "gpu")
    assert "did you mean 'best-fit'?" in fails(capsys, *ppo, "--imitate", "bestfit")
    assert "none.pt: is not there" in fails(capsys, *ppo, "--init", "none.pt")
    assert "did you mean 'seed'?" in fails(capsys, *ppo, "--sweep", "sed=1")
    told = fails(capsys, *ppo, "--lerning-rate", "3", status=2)
    assert "did you mean '--learning-rate'?" in told
    assert not (tmp_path / "runs").exists()


def test_learners_of_values_imitate_nobody(
    one: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    from vmagent_marl.train.online import algorithms
    from vmagent_marl.train.online.learner import Settings

    monkeypatch.setattr(algorithms, "settings_class", lambda name: Settings)
    assert "learns values" in fails(capsys, "--agent", "dqn", "--imitate", "best-fit")
    assert "give --init" in fails(capsys, "--agent", "dqn", "--imitate=best-fit")


def test_an_interrupted_run_says_that_it_goes_on(
    one: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    from vmagent_marl.train.online.ppo import PPOLearner

    def interrupted(learner: PPOLearner) -> dict[str, float]:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(PPOLearner, "advance", interrupted)
        with pytest.raises(SystemExit) as end:
            main(["train", "--agent", "ppo", "--scenario", one, *SHORT])
    assert end.value.code == 130
    assert capsys.readouterr().err == "interrupted: the same command again goes on\n"
    main(["train", "--agent", "ppo", "--scenario", one, *SHORT])
    assert "policy.pt" in capsys.readouterr().out


def test_a_sweep_tells_its_settings_over_the_seeds(
    one: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ["train", "--agent", "ppo", "--scenario", one, *SHORT]
    words += ["--sweep", "seed=0..1", "--sweep", "learning_rate=1e-3,1e-2"]
    for _ in range(2):  # the second finds everything done
        main(words)
        told = capsys.readouterr().out
        assert "learning_rate-0.01" in told
        assert "The policy is in runs/ppo-tiny-sweep/seed-" in told
    out = tmp_path / "runs/ppo-tiny-sweep"
    names = {each.name for each in out.iterdir()}
    assert {"sweep.csv", "runs.csv", "curves.svg", "seed-1-learning_rate-0.001"} < names
    with (out / "sweep.csv").open(encoding="utf-8") as lines:
        rows = list(csv.DictReader(lines))
    assert {row["learning_rate"] for row in rows} == {"0.001", "0.01"}
    assert [row["runs"] for row in rows] == ["2", "2"]
    assert float(rows[0]["mean"]) >= float(rows[1]["mean"])
    assert (out / "curves.svg").read_text(encoding="utf-8").lstrip().startswith("<?xml")
    assert len((out / "runs.csv").read_text(encoding="utf-8").splitlines()) == 5


def test_the_words_may_come_in_any_order(one: str, tmp_path: Path) -> None:
    train_by(["--seed", "1", "--scenario", one, "--agent", "ppo", *SHORT, "--out", "x"])
    assert (tmp_path / "x" / "policy.pt").exists()
