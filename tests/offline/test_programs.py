from __future__ import annotations

import runpy
import subprocess
import sys
from pathlib import Path

import pytest
from train.recordings import record, small_region

from vmagent_marl import catalog
from vmagent_marl.policies import make_policy
from vmagent_marl.policies.checkpoint import load_policy
from vmagent_marl.train.offline import OfflineSettings

PROGRAMS = {"discrete_cql": "cql", "behaviour_cloning": "bc"}


def test_every_program_on_the_shelf_is_tested_here() -> None:
    assert set(catalog.names("offline")) == set(PROGRAMS)


@pytest.mark.parametrize("name", PROGRAMS)
def test_it_learns_and_prints_how_it_compares(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    data = record("small/noisy-v0", small_region(), [make_policy("random")], 3)
    words = f"{name} --dataset {data} --out {tmp_path}/run --steps 4 --validate-every 2"
    words += " --batch-size 8 --hidden 8 --validation-episodes 2"
    monkeypatch.setattr(sys, "argv", words.split())
    runpy.run_path(str(catalog.find("offline", name)), run_name="__main__")
    out = capsys.readouterr().out
    assert f"{tmp_path}/run/policy.pt" in out
    assert "cheapest-first" in out
    policy = load_policy(tmp_path / "run" / "policy.pt")
    assert policy.training.algorithm == PROGRAMS[name]
    assert policy.network.shape.hidden == (8,)


@pytest.mark.parametrize("name", PROGRAMS)
def test_its_defaults_are_those_of_the_package(name: str) -> None:
    program = runpy.run_path(str(catalog.find("offline", name)), run_name=name)
    args = program["Args"](dataset=("a/b-v0",), out=Path("run"))
    settings = OfflineSettings(algorithm="cql", dataset=("a/b-v0",))
    for field, value in vars(args).items():
        if field != "out":
            assert value == getattr(settings, field), field


@pytest.mark.parametrize("name", PROGRAMS)
def test_its_errors_are_one_line(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "argv", [name, "--dataset", "no/such-v0", "--out", str(tmp_path)])
    with pytest.raises(SystemExit, match=rf"^{name}: unknown data set 'no/such-v0'[^\n]*$"):
        runpy.run_path(str(catalog.find("offline", name)), run_name="__main__")


@pytest.mark.parametrize("name", PROGRAMS)
def test_help_is_printed(name: str) -> None:
    done = subprocess.run(
        [sys.executable, str(catalog.find("offline", name)), "--help"],
        capture_output=True,
        text=True,
        check=True,
    )
    for word in ("Differences from the", "--learning-rate", "--validation-episodes"):
        assert word in done.stdout
    assert done.stderr == ""
