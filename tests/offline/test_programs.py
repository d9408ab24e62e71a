from __future__ import annotations

import json
import re
import runpy
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from train.recordings import record, small_region

from vmagent_marl import catalog
from vmagent_marl.evaluation import evaluate
from vmagent_marl.policies import make_policy
from vmagent_marl.policies.checkpoint import load_policy

SHARED: dict[str, tuple[str, Any]] = {  # option and value on the command line, and in config.json
    "steps": ("3", 3),
    "batch-size": ("9", 9),
    "learning-rate": ("0.01", 0.01),
    "hidden": ("7", None),
    "seed": ("5", 5),
    "validate-every": ("2", 2),
    "validation-episodes": ("1", 1),
    "network": ("servers", None),
    "device": ("cpu", None),
}
VALUES: dict[str, tuple[str, Any]] = {
    "gamma": ("0.5", 0.5),
    "reward": ("own", "own"),
    "reward-scale": ("4.0", 4.0),
}
TARGET: dict[str, tuple[str, Any]] = {"target-every": ("3", 3)}
OWN: dict[str, dict[str, tuple[str, Any]]] = {
    "behaviour_cloning": {"beta": ("0.25", 0.25)},
    "discrete_bcq": {
        **VALUES,
        **TARGET,
        "flexibility": ("0.6", 0.6),
        "beta": ("0.25", 0.25),
    },
    "discrete_cql": {**VALUES, **TARGET, "alpha": ("0.7", 0.7)},
    "discrete_sac": {
        **VALUES,
        **TARGET,
        "temperature": ("0.7", 0.7),
        "target-entropy": ("0.2", 0.2),
    },
    "double_dqn": {**VALUES, **TARGET},
    "implicit_q_learning": {
        **VALUES,
        "expectile": ("0.8", 0.8),
        "sharpness": ("2.0", 2.0),
        "tau": ("0.1", 0.1),
    },
    "value_decomposition_cql": {
        **TARGET,
        "mixing": ("monotonic", "monotonic"),
        "unreached": ("pass", "pass"),
        "gamma": ("0.5", 0.5),
        "alpha": ("0.7", 0.7),
        "mixer-width": ("5", 5),
        "reward-scale": ("4.0", 4.0),
    },
}
ALGORITHM = {
    "behaviour_cloning": "masked_bc",
    "discrete_bcq": "masked_bcq",
    "discrete_cql": "discrete_cql",
    "discrete_sac": "masked_sac",
    "double_dqn": "double_dqn",
    "implicit_q_learning": "implicit_q",
    "value_decomposition_cql": "vdn_cql",
}
WHERE = {  # d3rlpy's names in config.json; one option may stand for several
    "target-every": ("target_update_interval",),
    "flexibility": ("action_flexibility",),
    "temperature": ("initial_temperature",),
}
RATES = {"discrete_sac": ("actor_learning_rate", "critic_learning_rate", "temp_learning_rate")}


def test_every_program_on_the_shelf_is_tested_here() -> None:
    others = {"compare", "estimate_value"}  # which test_compare.py and test_estimate_value.py run
    assert set(catalog.names("offline")) - others == set(OWN)


def run(name: str, monkeypatch: pytest.MonkeyPatch, *words: object) -> None:
    monkeypatch.setattr(sys, "argv", [name, *map(str, words)])
    runpy.run_path(str(catalog.find("offline", name)), run_name="__main__")


def noisy() -> str:
    return record("small/noisy-v0", small_region(), [make_policy("random")], 3)


@pytest.mark.parametrize("window", ["validation", "test"])
@pytest.mark.parametrize("name", OWN)
def test_it_learns_and_prints_how_it_compares(
    name: str,
    window: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    words = f"--dataset {noisy()} --out {tmp_path}/run --steps 4 --validate-every 2"
    words += f" --batch-size 8 --hidden 8 --validation-episodes 2 --compare {window}"
    run(name, monkeypatch, *words.split())
    out = capsys.readouterr().out
    assert f"{tmp_path}/run/policy.pt" in out
    assert "cheapest-first" in out
    assert f"{window} window" in out
    assert ("looks better here than it is" in out) == (window == "validation")
    policy = load_policy(tmp_path / "run" / "policy.pt")
    assert policy.training.algorithm == ALGORITHM[name]
    assert policy.network.shape.hidden == (8,)


@pytest.mark.parametrize("name", OWN)
def test_every_option_reaches_the_run(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    options = {**SHARED, **OWN[name]}
    program = runpy.run_path(str(catalog.find("offline", name)), run_name=name)
    fields = {field.replace("_", "-") for field in program["Args"].__dataclass_fields__}
    assert fields == {"dataset", "out", "compare", *options}
    data = noisy()
    words = [word for key, (value, _) in options.items() for word in (f"--{key}", value)]
    run(name, monkeypatch, "--dataset", data, "--out", tmp_path, "--compare", "no", *words)
    assert capsys.readouterr().out == f"The policy is in {tmp_path}/policy.pt\n"
    config = json.loads((tmp_path / "config.json").read_text(encoding="utf-8"))
    assert config["dataset"] == [data]
    network = load_policy(tmp_path / "policy.pt").network
    assert (network.shape.kind, network.shape.hidden) == ("servers", (7,))
    where = {**WHERE, "learning-rate": RATES.get(name, ("learning_rate",))}
    for key, (_, value) in options.items():
        ours = key.replace("-", "_")
        places = [ours] if ours in config else where.get(key, [ours])
        for place in places if value is not None else ():
            assert config[place] == value, key


@pytest.mark.parametrize("name", OWN)
def test_its_errors_are_one_line(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(SystemExit, match=rf"^{name}: unknown data set 'no/such-v0'[^\n]*$"):
        run(name, monkeypatch, "--dataset", "no/such-v0", "--out", tmp_path)


@pytest.mark.parametrize("name", OWN)
def test_a_mistyped_option_is_refused_with_the_nearest(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as stopped:
        run(name, monkeypatch, "--dataset", "a/b-v0", "--out", tmp_path, "--learning-rat", "0.1")
    assert stopped.value.code == 2
    assert "--learning-rate" in capsys.readouterr().err


@pytest.mark.parametrize("name", OWN)
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


def test_the_readme_adds_an_algorithm(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    readme = catalog.shelf("offline") / "README.md"
    [block] = re.findall(r"```python\n(.*?)```", readme.read_text(encoding="utf-8"), re.DOTALL)
    scenario = small_region()
    record("vmagent/region-prices/mixed-v0", scenario, [make_policy("random")], 3)
    monkeypatch.chdir(tmp_path)
    assert "steps=4000" in block
    exec(compile(block.replace("steps=4000", "steps=4"), str(readme), "exec"), {})
    policy = load_policy(Path("runs/dqn/policy.pt"))
    assert policy.training.algorithm == "dqn"
    assert evaluate(scenario, policy, episodes=2).policies == ["runs/dqn/policy.pt"]
