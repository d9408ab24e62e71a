"""The program, as it is typed: with learners of the shelf, killed, and interrupted."""

from __future__ import annotations

import os
import runpy
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from train.offline.comparing.programs import tries, write_own

import vmagent_marl as vm
from vmagent_marl import catalog

RECIPES = """\
scenario: recovering
fields: {servers: 2}
episodes: 4
tiers:
  noisy:
    description: Noisy.
    policies: [{name: server-best-fit, epsilon: 0.1}]
"""
FEW = "--steps 4 --validate-every 2 --validation-episodes 2 --episodes 4 --device cpu"
RECORDED = "vmagent/recovering/noisy-v0"


@pytest.fixture
def words(tmp_path: Path) -> list[str]:
    (tmp_path / "small.yaml").write_text(RECIPES)
    write_own(tmp_path, vm.load_scenario("recovering", servers=2))
    return [
        *("--datasets", str(tmp_path / "small.yaml"), "--out", str(tmp_path / "out")),
        *FEW.split(),
    ]


def run(monkeypatch: pytest.MonkeyPatch, *words: str) -> None:
    monkeypatch.setattr(sys, "argv", ["compare", *words])
    runpy.run_path(str(catalog.find("offline", "compare")), run_name="__main__")


def soon(holds: Callable[[], bool], seconds: float = 120.0) -> bool:
    end = time.monotonic() + seconds
    while not holds():
        if time.monotonic() > end:
            return False
        time.sleep(0.05)
    return True


def running(process: int) -> bool:
    try:
        state = Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[0]
    except OSError:
        return False
    return state != "Z"


def test_learners_of_the_shelf_and_ones_own_in_tables_and_figures(
    words: list[str],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    programs = ["--programs", "behaviour_cloning", str(tmp_path / "mine.py")]
    settings = ["--options", "behaviour_cloning: --hidden 8 --batch-size 8"]
    run(monkeypatch, *programs, *settings, *words, "--seeds", "2", "--workers", "2")
    out, err = capsys.readouterr()
    assert "4/4 mine on" in err
    assert "behaviour_cloning (hidden-8-batch-size-8)" in out
    folder = tmp_path / "out"
    names = ["results.json", "table.csv", "table.md", "scores.png"]
    names += ["curves/vmagent-recovering-noisy-v0.png"]
    for name in names:
        assert f"{folder / name}\n" in out
        assert (folder / name).stat().st_size > 0
    cell = folder / "behaviour_cloning.hidden-8-batch-size-8" / RECORDED / "1"
    assert {"policy.pt", "curve.csv", "config.json", "test.json"} <= {
        file.name for file in cell.iterdir()
    }


def test_a_failure_is_one_clear_line_in_the_end(
    words: list[str],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    frail = ["--programs", str(tmp_path / "mine.py"), "--options", "mine: --fails-on 1"]
    with pytest.raises(SystemExit, match=r"^compare: 1 of 2 cells failed, see [^\n]*table.md"):
        run(monkeypatch, *frail, *words, "--seeds", "2")
    out, err = capsys.readouterr()
    assert "1 (1 failed)" in out
    assert err.count("ValueError: too hard") == 1


def test_a_data_set_that_nobody_learned_from_is_told_of_beside_the_others(
    words: list[str],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    other = RECIPES.replace("servers: 2", "servers: 3").replace("noisy:", "larger:")
    (tmp_path / "larger.yaml").write_text(other)
    words[2:2] = [str(tmp_path / "larger.yaml")]
    with pytest.raises(SystemExit, match="1 of 2 cells failed"):
        run(monkeypatch, "--programs", str(tmp_path / "mine.py"), *words, "--seeds", "1")
    out = capsys.readouterr().out
    assert "was trained for" in out
    assert (tmp_path / "out" / "curves" / "vmagent-recovering-noisy-v0.png").is_file()
    assert not (tmp_path / "out" / "curves" / "vmagent-recovering-larger-v0.png").exists()


def test_a_program_that_is_nowhere_is_one_line(
    words: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(SystemExit, match=r"^compare: unknown program 'discrete_sql'[^\n]*$"):
        run(monkeypatch, "--programs", "discrete_sql", *words)


@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGINT])
def test_what_is_stopped_leaves_nothing_running_and_goes_on(
    how: signal.Signals, words: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    own = ["--programs", str(tmp_path / "mine.py"), "--seeds", "3", "--workers", "2"]
    own += ["--options", f"mine/waits: --until {tmp_path}/{{seed}}"]
    cells = [tmp_path / "out" / "mine.waits" / RECORDED / str(seed) for seed in (0, 1, 2)]
    (tmp_path / "0").touch()
    process = subprocess.Popen(
        [sys.executable, str(catalog.find("offline", "compare")), *own, *words],
        env={**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))},
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    assert soon(lambda: [tries(cell) for cell in cells] == [1, 1, 1])
    begun = [int((cell / "tries.txt").read_text()) for cell in cells]
    assert [running(each) for each in begun] == [False, True, True]
    os.killpg(process.pid, how) if how == signal.SIGINT else process.kill()
    _, told = process.communicate(timeout=60)
    assert soon(lambda: not any(map(running, begun)), 20)
    if how == signal.SIGINT:
        assert process.returncode == 130
        assert told.splitlines()[-1] == "interrupted: the same command again goes on"
        assert "Traceback" not in told
    for seed in (1, 2):
        (tmp_path / str(seed)).touch()
    run(monkeypatch, *own, *words)
    assert [tries(cell) for cell in cells] == [1, 2, 2]
    assert (tmp_path / "out" / "table.md").is_file()
