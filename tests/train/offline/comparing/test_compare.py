from __future__ import annotations

import csv
import dataclasses
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from train.offline.comparing.programs import tries, write_own
from train.recordings import record, small_region

import vmagent_marl as vm
from vmagent_marl.episodes import collect, recipe_for
from vmagent_marl.errors import SettingError, UnknownNameError, VmagentError
from vmagent_marl.policies import make_policy, policy_names
from vmagent_marl.policies.checkpoint import load_policy, save_policy
from vmagent_marl.train.offline.comparing.compare import Compared, Plan, compare
from vmagent_marl.train.offline.comparing.results import write_results

RECIPES = """\
scenario: recovering
fields: {servers: 2}
episodes: 4
tiers:
  noisy:
    description: Noisy.
    policies: [{name: server-best-fit, epsilon: 0.1}, {name: random}]
"""
RECORDED = "vmagent/recovering/noisy-v0"
SHIPPED = "recovering-dqn"


@pytest.fixture
def plan(tmp_path: Path) -> dict[str, Any]:
    """A user's program on a recipe of theirs."""
    (tmp_path / "small.yaml").write_text(RECIPES)
    mine = write_own(tmp_path, vm.load_scenario("recovering", servers=2))
    return {
        "programs": (str(mine),),
        "datasets": (str(tmp_path / "small.yaml"),),
        "out": tmp_path / "out",
        "seeds": 2,
        "steps": 4,
        "validate_every": 2,
        "validation_episodes": 3,
        "episodes": 6,
        "device": "cpu",
    }


def compared(plan: dict[str, Any], **changes: Any) -> tuple[Compared, list[str]]:
    told: list[str] = []
    return compare(Plan(**{**plan, **changes}), told.append), told


def test_what_is_finished_is_kept_and_what_is_missing_is_trained(plan: dict[str, Any]) -> None:
    first, told = compared(plan)
    cells = [each.cell.folder for each in first.trained]
    assert cells == [plan["out"].absolute() / "mine" / RECORDED / str(seed) for seed in (0, 1)]
    assert [each.best for each in first.trained] == [4.0, 14.0]
    assert told[0].startswith(f"1/2 mine on {RECORDED}, seed 0: best on validation 4 (")
    again, told = compared(plan, seeds=3)
    assert [each.seconds is None for each in again.trained] == [True, True, False]
    assert told[0].endswith("(kept)")
    assert [tries(each.cell.folder) for each in again.trained] == [1, 1, 1]
    longer, _ = compared(plan, steps=6)  # which its learner may go on to
    assert [each.best for each in longer.trained] == [6.0, 16.0]


def test_the_test_window_is_played_once_by_everybody_on_the_same_episodes(
    plan: dict[str, Any],
) -> None:
    found, _ = compared(plan)
    (board,) = found.boards
    scenario = vm.load_scenario("recovering", servers=2)
    names = ["server-best-fit", "random", make_policy("server-best-fit", epsilon=0.1)]
    scores = vm.evaluate(scenario, names, windows="test", episodes=6)
    for policy in scores.policies:
        row = board.row(next(each for each in board.entrants if each.name == policy))
        estimate = scores.estimate(policy)
        assert row["score"] == pytest.approx(estimate.value)
    kinds = {each.name: each.kind for each in board.entrants}
    assert kinds["mine"] == "learner"
    assert kinds["server-best-fit-epsilon-0.1"] == kinds["random"] == "behaviour"
    assert kinds["server-best-fit"] == "heuristic"
    learner = board.entrants[0]
    assert [table["start"] for table in learner.test] == [learner.test[0]["start"]] * 2
    assert board.runs["mine"].part.shape == (2, 6)
    before = {file: file.stat().st_mtime_ns for file in plan["out"].rglob("test*.json")}
    assert before
    compared(plan)
    assert {file: file.stat().st_mtime_ns for file in before} == before


def test_references_and_behaviours_are_chosen_on_validation(plan: dict[str, Any]) -> None:
    found, _ = compared(plan)
    (board,) = found.boards
    scenario = vm.load_scenario("recovering", servers=2)
    rules = [each.name for each in board.entrants if each.is_rule]
    assert set(rules) == set(policy_names(scenario)) - {"random"}
    best = vm.evaluate(scenario, rules, windows="validation", episodes=6).ranked[0]
    assert board.reference == best
    noisy = make_policy("server-best-fit", epsilon=0.1)
    behaviours = vm.evaluate(scenario, [noisy, "random"], windows="validation", episodes=6)
    assert board.behaviour == behaviours.ranked[0]


def test_trained_policies_that_made_the_data_play_as_they_did_and_are_no_rules(
    plan: dict[str, Any], tmp_path: Path
) -> None:
    like = load_policy(tmp_path / "like.pt")
    drawn = str(tmp_path / "drawn.pt")
    save_policy(Path(drawn), like.network, dataclasses.replace(like.training, algorithm="ppo"))
    (tmp_path / "small.yaml").write_text(
        RECIPES.replace("{name: random}", f"{{name: {drawn}, sampled: true}}, {{name: {SHIPPED}}}")
    )
    found, _ = compared(plan)
    (board,) = found.boards
    players = [make_policy(drawn, sampled=True), make_policy(SHIPPED)]
    scenario = vm.load_scenario("recovering", servers=2)
    scores = vm.evaluate(scenario, players, windows="test", episodes=6)
    for player in players:
        [entrant] = [each for each in board.entrants if each.name == player.name]
        assert (entrant.kind, entrant.is_rule) == ("behaviour", False)
        assert board.runs[player.name].score == pytest.approx(scores.estimate(player.name).value)
    assert board.reference in policy_names(scenario)


def test_the_best_setting_on_validation_plays_for_a_program(plan: dict[str, Any]) -> None:
    options = ("mine: --gain 1", "mine/strong: --gain 3", "mine/weak: --gain 0.1")
    found, _ = compared(plan, options=options)
    (board,) = found.boards
    (learner,) = [each for each in board.entrants if each.kind == "learner"]
    assert (learner.name, learner.setting, learner.tried) == ("mine", "strong", 3)
    assert learner.validation == np.mean([3 * 4, 3 * 14])
    assert len(found.trained) == 6
    played = [each.cell.contender.setting for each in found.trained if _played(each.cell.folder)]
    assert played == ["strong", "strong"]
    page = write_results(found)[2].read_text(encoding="utf-8")
    assert "mine (strong, tuned: the best of 3 on validation)" in page
    assert f"| {RECORDED} |    mine |    weak |     2 |        0.9 |" in page


def _played(cell: Path) -> bool:
    return (cell / "test.json").is_file()


def test_a_setting_of_which_a_seed_failed_comes_behind(plan: dict[str, Any]) -> None:
    options = ("mine/plain:", "mine/frail: --gain 9 --fails-on 1")
    found, _ = compared(plan, options=options)
    assert found.boards[0].entrants[0].setting == "plain"


def test_a_cell_that_fails_is_told_of_and_the_others_go_on(plan: dict[str, Any]) -> None:
    found, told = compared(plan, options=("mine: --fails-on 0",))
    (failed,) = found.failed
    assert failed.cell.seed == 0
    assert told[0].count("\n") >= 2
    assert "mine.py ended with 1; the last that it said" in told[0]
    assert "thinking" in (failed.cell.folder / "log.txt").read_text()
    assert told[0].endswith("ValueError: too hard")
    (board,) = found.boards
    row = board.row(board.entrants[0])
    assert (row["seeds"], row["failed"]) == (1, 1)
    page = write_results(found)[2].read_text(encoding="utf-8")
    assert "1 (1 failed)" in page
    assert f"```text\nmine.fails-on-0 on {RECORDED}, seed 0: mine.py ended with 1" in page
    assert "ValueError: too hard" in page
    compared(plan, options=("mine: --fails-on 0",))
    assert tries(failed.cell.folder) == 2  # which is tried anew


def test_where_all_fail_there_is_nothing_to_compare(plan: dict[str, Any]) -> None:
    with pytest.raises(VmagentError, match="none of 1 cells was trained"):
        compared(plan, options=("mine: --no-such-option 3",), seeds=1)


def test_a_program_that_writes_no_policy_fails(plan: dict[str, Any], tmp_path: Path) -> None:
    (tmp_path / "idle.py").write_text("print('done')\n")
    both = (*plan["programs"], str(tmp_path / "idle.py"))
    found, told = compared(plan, programs=both, seeds=1)
    assert [each.cell.contender.program for each in found.failed] == ["idle"]
    assert "curve.csv: no curve with columns step and mean_return" in told[1]


def test_a_program_that_failed_is_mended_and_run_again(
    plan: dict[str, Any], tmp_path: Path
) -> None:
    late = tmp_path / "late.py"
    late.write_text("raise ValueError('my shapes')\n")
    both = (*plan["programs"], str(late))
    found, _ = compared(plan, programs=both, seeds=1)
    assert [each.cell.contender.program for each in found.failed] == ["late"]
    late.write_text(Path(plan["programs"][0]).read_text(encoding="utf-8"))
    found, told = compared(plan, programs=both, seeds=1)
    assert not found.failed
    assert told[0].endswith("(kept)")


def test_a_policy_that_cannot_be_read_fails(plan: dict[str, Any], tmp_path: Path) -> None:
    torn = tmp_path / "torn.py"
    mine = Path(plan["programs"][0]).read_text(encoding="utf-8")
    tail = "\nimport sys\n\nout = sys.argv[sys.argv.index('--out') + 1]\n"
    torn.write_text(mine + tail + "open(f'{out}/policy.pt', 'w').write('torn')\n")
    found, told = compared(plan, programs=(*plan["programs"], str(torn)), seeds=1)
    assert [each.cell.contender.program for each in found.failed] == ["torn"]
    assert "is no checkpoint, or a torn one" in told[1]


def test_a_policy_of_another_game_fails_and_is_said_so(
    plan: dict[str, Any], tmp_path: Path
) -> None:
    other = tmp_path / "other"
    other.mkdir()
    wrong = write_own(other, vm.load_scenario("recovering", servers=3), "wrong.py")
    found, _ = compared(plan, programs=(*plan["programs"], str(wrong)), seeds=1)
    (board,) = found.boards
    assert "wrong" not in board.runs
    assert [each.cell.contender.program for each in found.failed] == ["wrong"]
    assert "was trained for" in write_results(found)[2].read_text(encoding="utf-8")


def test_the_files_hold_every_episode_and_plain_numbers(plan: dict[str, Any]) -> None:
    found, _ = compared(plan)
    results, table, page = write_results(found)
    document = json.loads(results.read_text(encoding="utf-8"))
    assert document["settings"]["seeds"] == 2
    assert [cell["validation_return"] for cell in document["cells"]] == [4.0, 14.0]
    (board,) = document["datasets"]
    learner = next(each for each in board["entrants"] if each["algorithm"] == "mine")
    assert learner["seeds"] == [0, 1]
    returns = np.array([run["return"] for run in learner["runs"]])
    assert returns.shape == (2, 6)
    assert len(board["blocks"]) == 6
    with table.open(encoding="utf-8", newline="") as lines:
        rows = {row["algorithm"]: row for row in csv.DictReader(lines)}
    assert set(rows) == {each["algorithm"] for each in board["entrants"]}
    assert float(rows["mine"]["score"]) == pytest.approx(returns.mean())
    noisy = next(e for e in board["entrants"] if e["algorithm"] == board["behaviour"])
    gap = returns.mean() - np.mean(noisy["runs"][0]["return"])
    assert float(rows["mine"]["less_behaviour"]) == pytest.approx(gap)
    assert rows["mine"]["less_cloning"] == ""  # which did not play
    text = page.read_text(encoding="utf-8")
    assert "chosen on validation windows only" in text
    assert f"## {RECORDED}" in text


def test_profit_shares_of_data_that_nobody_knows_the_makers_of(
    plan: dict[str, Any], tmp_path: Path
) -> None:
    region = small_region()
    name = record("small/region-v0", region, [make_policy("random")], 3)
    mine = write_own(tmp_path, region)
    found, _ = compared(plan, programs=(str(mine),), datasets=(name,))
    (board,) = found.boards
    assert board.behaviour is None
    assert board.score == "profit share"
    scores = vm.evaluate(region, ["accept-always", "central"], windows="test", episodes=6)
    for policy in scores.policies:
        assert board.runs[policy].score == pytest.approx(scores.estimate(policy).value)
    assert next(e for e in board.entrants if e.name == "central").kind == "reference"
    assert "Best behaviour: none known" in write_results(found)[2].read_text(encoding="utf-8")


def test_other_settings_are_not_mixed_into_a_folder(plan: dict[str, Any], tmp_path: Path) -> None:
    compared(plan, seeds=1)
    for name, value in {"validate_every": 1, "validation_episodes": 2, "steps": 2}.items():
        with pytest.raises(SettingError, match=f"holds a run with {name} .*another folder"):
            compared(plan, **{name: value})
    (tmp_path / "mine.py").write_text("print('better')\n")
    with pytest.raises(SettingError, match="runs here are of mine with another sha256"):
        compared(plan)
    write_own(tmp_path, vm.load_scenario("recovering", servers=2))
    collect(
        recipe_for("recovering", "random", episodes=2, behaviour="noisy", fields={"servers": 2}),
        overwrite=True,
        progress=False,
    )
    with pytest.raises(SettingError, match=f"runs here are of {RECORDED} with another sha256"):
        compared(plan, datasets=(RECORDED,))


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"datasets": ("vmagent/recovering/nosy-v0",)}, "unknown data set 'vmagent/recovering/no"),
        ({"datasets": ("recovering/nosy-10",)}, "did you mean 'recovering/noisy-10'"),
        ({"datasets": ()}, "datasets: there is none"),
        ({"programs": ("behavior_cloning",)}, "did you mean 'behaviour_cloning'"),
        ({"seeds": 0}, "seeds: 0 is too few"),
        ({"workers": 0}, "workers: 0 are too few"),
    ],
)
def test_what_cannot_be_compared_is_refused_before_anything_is_trained(
    changes: dict[str, Any], told: str, plan: dict[str, Any]
) -> None:
    with pytest.raises((SettingError, UnknownNameError), match=told):
        compared(plan, **changes)
    assert not list(plan["out"].rglob("tries.txt"))
