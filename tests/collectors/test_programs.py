from __future__ import annotations

import runpy
import subprocess
import sys
from pathlib import Path
from typing import Any

import minari
import pytest

from vmagent_marl import catalog
from vmagent_marl.episodes.storage.minari_format import own_metadata

PROGRAMS: dict[str, dict[str, Any]] = {
    "heuristic": {"policy": "worst-fit", "episodes": 3, "scenario": "tiny"},
    "noisy_heuristic": {"policy": "best-fit", "epsilons": (0.0, 1.0), "episodes": 6},
    "from_recipe": {"recipe": "fading/expert", "episodes": 2},
}
IDS = {
    "heuristic": "vmagent/tiny/worst-fit-v0",
    "noisy_heuristic": "vmagent/recovering/noisy-best-fit-v0",
    "from_recipe": "vmagent/fading/expert-2-v0",
}


def program(name: str) -> dict[str, Any]:
    return runpy.run_path(str(catalog.find("collectors", name)))


@pytest.mark.parametrize("name", PROGRAMS)
def test_a_program_records_a_data_set(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    module = program(name)
    arguments = module["Args"](progress=False, **PROGRAMS[name])
    assert module["main"](arguments) == IDS[name]
    out, err = capsys.readouterr()
    assert out.startswith(IDS[name])
    assert err == ""
    assert minari.load_dataset(IDS[name]).total_episodes == PROGRAMS[name]["episodes"]


def test_noise_is_told_by_the_component(capsys: pytest.CaptureFixture[str]) -> None:
    module = program("noisy_heuristic")
    name = module["main"](module["Args"](progress=False, **PROGRAMS["noisy_heuristic"]))
    counts = own_metadata(name)["statistics"]["component_episodes"]
    lines = capsys.readouterr().out.splitlines()
    assert lines[1].split()[:4] == ["epsilon", "0", str(counts.get("0", 0)), "episodes,"]
    assert lines[2].split()[:4] == ["epsilon", "1", str(counts.get("1", 0)), "episodes,"]


def test_a_card_is_copied_to_where_it_is_asked_for(tmp_path: Path) -> None:
    module = program("from_recipe")
    card = tmp_path / "card.md"
    module["main"](module["Args"](progress=False, card=card, **PROGRAMS["from_recipe"]))
    assert card.read_text().startswith("# vmagent/fading/expert-2-v0\n")


@pytest.mark.parametrize("name", PROGRAMS)
def test_a_program_runs_by_itself_from_anywhere(name: str, tmp_path: Path) -> None:
    run = subprocess.run(
        [sys.executable, str(catalog.find("collectors", name)), "--help"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    assert "--overwrite" in run.stdout
    assert "Processes that record" in run.stdout


def test_a_program_takes_its_arguments_from_the_command_line(tmp_path: Path) -> None:
    arguments = "--scenario tiny --policy first-fit --episodes 2 --behaviour two"
    run = subprocess.run(
        [sys.executable, str(catalog.find("collectors", "heuristic")), *arguments.split()],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=120,
        check=True,
    )
    assert run.stdout.startswith("vmagent/tiny/two-v0: 2 episodes")
    assert minari.load_dataset("vmagent/tiny/two-v0").total_episodes == 2
