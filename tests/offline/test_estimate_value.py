from __future__ import annotations

import json
import runpy
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from vmagent_marl import catalog
from vmagent_marl.episodes import collect, recipe_for
from vmagent_marl.policies.checkpoint import save_policy
from vmagent_marl.policies.network_policy import Training
from vmagent_marl.policies.new_networks import network_shape, new_network
from vmagent_marl.scenario import load_scenario
from vmagent_marl.sim.layout import layout_of

FIELDS = {"servers": 2, "horizon": 6}


def run(monkeypatch: pytest.MonkeyPatch, *words: object) -> None:
    monkeypatch.setattr(sys, "argv", ["estimate_value", *map(str, words)])
    runpy.run_path(str(catalog.find("offline", "estimate_value")), run_name="__main__")


def checkpoint(file: Path) -> Path:
    scenario = load_scenario("region-prices", **FIELDS)
    layout = layout_of(scenario.rules())
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(len(file.name))
        network = new_network(network_shape(layout, hidden=(8,)))
    sizes = layout.clusters, layout.servers, layout.summaries
    save_policy(file, network, Training("drawn", scenario.as_dict(), *sizes))
    return file


def test_it_prints_and_writes_every_estimate(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    recipe = recipe_for("region-prices", "random", episodes=10, fields=FIELDS, behaviour="random")
    data = collect(recipe, progress=False)
    files = [checkpoint(tmp_path / name) for name in ("a.pt", "bb.pt")]
    words = f"--dataset {data} --policies {files[0]} {files[1]} --epsilon 0.3 --gamma 0.9"
    words += (
        f" --estimators fqe is wdr --steps 4 --batch-size 8 --hidden 6 --json {tmp_path}/o.json"
    )
    run(monkeypatch, *words.split())
    out = capsys.readouterr().out
    assert out.endswith(f"{tmp_path}/o.json\n")
    for word in ("as recorded", "wdr", "discounted by 0.9 a request"):
        assert word in out
    told = json.loads((tmp_path / "o.json").read_text(encoding="utf-8"))
    assert (told["dataset"], told["episodes"], told["gamma"]) == ([data], 10, 0.9)
    assert [each["policy"] for each in told["policies"]] == [f"{f}-epsilon-0.3" for f in files]
    for each in told["policies"]:
        assert list(each["estimates"]) == ["fqe", "is", "wdr"]
        assert len(each["weights"]["effective_sample_size"]) == 6
        assert all(value["value"] is not None for value in each["estimates"].values())

    with pytest.raises(SystemExit, match=r"^estimate_value: epsilon: 2\.0 is no prob[^\n]*$"):
        run(monkeypatch, "--dataset", data, "--policies", files[0], "--epsilon", "2")
    with pytest.raises(SystemExit, match=r"^estimate_value: policies: there is none[^\n]*$"):
        run(monkeypatch, "--dataset", data, "--policies")
    with pytest.raises(SystemExit, match=r"^estimate_value: unknown data set 'no/su[^\n]*$"):
        run(monkeypatch, "--dataset", "no/such-v0", "--policies", files[0])


def test_help_is_printed() -> None:
    program = str(catalog.find("offline", "estimate_value"))
    done = subprocess.run(
        [sys.executable, program, "--help"], capture_output=True, text=True, check=True
    )
    assert "no environment is played" in " ".join(done.stdout.split())
    assert done.stderr == ""
