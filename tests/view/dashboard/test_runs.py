"""Runs in folders: curves over seeds, tables of scores, and their page."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("dash", reason="dash is absent: pip install .[view]")

from vmagent_marl.evaluation import evaluate, write_json
from vmagent_marl.scenario import load_scenario
from vmagent_marl.view.dashboard.discovery import look_through
from vmagent_marl.view.dashboard.library import Library
from vmagent_marl.view.dashboard.runs import bands, columns, read_run, read_score
from vmagent_marl.view.dashboard.runs_page import folders, runs_page


def write_run(folder: Path, seed: int, values: list[float], **config: object) -> None:
    folder.mkdir(parents=True)
    told = {"algorithm": "cql", "seed": seed, **config}
    (folder / "config.json").write_text(json.dumps(told))
    rows = [f"{100 * i},{value},{value / 2}" for i, value in enumerate(values)]
    (folder / "curve.csv").write_text("\n".join(["step,loss,mean_return", *rows]) + "\n")


@pytest.fixture
def runs(tmp_path: Path) -> Path:
    write_run(tmp_path / "a", 0, [1, 2, 3])
    write_run(tmp_path / "b", 1, [3, 4, 5, 6])
    write_run(tmp_path / "c", 2, [5, 9, 7])
    write_run(tmp_path / "other", 0, [1, 1], alpha=2)
    return tmp_path


def test_runs_that_differ_in_their_seed_are_one_curve_with_an_interval(runs: Path) -> None:
    found = look_through(runs)
    assert columns(found.runs) == ["mean_return", "loss"]
    many, one = bands(found.runs, "loss")
    assert (many.name, many.seeds) == ("cql (3 seeds)", 3)
    assert many.step.tolist() == [0, 100, 200]  # that all of them reached
    assert many.mean.tolist() == pytest.approx([3, 5, 5])
    assert (many.low <= many.mean).all()
    assert (many.low < many.high).all()
    assert many.low[0] >= 1
    assert many.high[0] <= 5
    assert (one.name, one.seeds) == ("other", 1)
    assert np.array_equal(one.low, one.mean)


def test_a_runs_page_has_curves_and_tables(runs: Path) -> None:
    scenario = load_scenario("recovering", servers=2)
    scores = evaluate(scenario, ["first-fit", "worst-fit", "random"], episodes=3)
    write_json(scores, runs / "scores.json")
    library = Library()
    library.add_found(look_through(runs))
    assert folders(library) == [runs]
    shown = json.dumps(
        runs_page(library, runs).to_plotly_json(), default=lambda x: x.to_plotly_json()
    )
    for words in ("Mean return", "cql (3 seeds)", "95 % bootstrap interval", "Scores on recovering",
                  "worst-fit", "the baseline is first-fit"):  # fmt: skip
        assert words in shown, words


def test_one_policys_scores_are_a_table_too(tmp_path: Path) -> None:
    scores = evaluate(load_scenario("recovering", servers=2), "first-fit", episodes=2)
    write_json(scores, tmp_path / "one.json")
    score = read_score(tmp_path / "one.json")
    assert score is not None
    assert score.scenario == "recovering"
    assert [each["policy"] for each in score.documents] == ["first-fit"]


@pytest.mark.parametrize(
    "table",
    [
        "",
        "step\n",
        "step,x\n5,1\n3,2\n5,9\n1,4\n",
        "a,b\n1,2\n",
        "step,x\n1,\n,\n",
        "step,x\n\x00",
        "step,step\n1,2\n",
    ],
)
def test_a_broken_curve_is_no_error(tmp_path: Path, table: str) -> None:
    write_run(tmp_path / "a", 0, [1.0])
    (tmp_path / "a" / "curve.csv").write_text(table)
    run = read_run(tmp_path / "a")
    if run is not None:
        assert all(len(values) == len(run.curve["step"]) for values in run.curve.values())
        for column in columns([run]):
            bands([run], column)
