"""Performance profiles by hand and by simulation, and learning curves over seeds."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pytest

from vmagent_marl.errors import SettingError
from vmagent_marl.evaluation import evaluate
from vmagent_marl.evaluation.statistics import interquartile_mean
from vmagent_marl.view import plot_learning_curve, plot_profiles
from vmagent_marl.view.curves import read_runs
from vmagent_marl.view.profiles import profile, profile_band


def text_of(svg: Path) -> str:
    return "\n".join(re.findall(r"<text[^>]*>(.*?)</text>", svg.read_text(encoding="utf-8")))


def test_a_profile_counts_what_is_strictly_above() -> None:
    scores = [[0.0, 1.0], [1.0, 2.0]]  # two runs of two tasks
    at = np.array([-1.0, 0.0, 0.5, 1.0, 1.5, 2.0])
    assert profile(scores, at).tolist() == [1.0, 0.75, 0.75, 0.25, 0.25, 0.0]


def test_each_task_draws_its_own_runs() -> None:
    """Where runs of a task do not differ nothing is unsure, however unlike the tasks are."""
    at = np.array([0.5])
    low, high = profile_band([[0.0, 1.0]] * 5, at)
    assert low == high == profile([[0.0, 1.0]] * 5, at) == 0.5
    low, high = profile_band([[0.0], [1.0]] * 5, at)
    assert low < 0.5 < high


def test_bands_hold_the_truth_as_often_as_they_say() -> None:
    rng, at = np.random.default_rng(7), np.array([0.0])
    held = 0
    for i in range(100):
        low, high = profile_band(rng.normal(size=(30, 3)), at, seed=i)
        held += int(low[0] <= 0.5 <= high[0])
    assert 0.87 < held / 100 <= 1.0


def test_one_run_has_no_band() -> None:
    low, high = profile_band([[1.0, 2.0]], np.array([0.0]))
    assert np.isnan([low, high]).all()


def test_profiles_are_drawn_from_arrays_and_from_an_evaluation(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    tables = {"dqn": rng.normal(size=(5, 3)), "ppo": rng.normal(0.5, size=(4, 3))}
    text = text_of(plot_profiles(tables, tmp_path / "a.svg", x_label="normalised"))
    for words in ("dqn", "ppo", "score: normalised", "4 to 5 runs of 3 tasks"):
        assert words in text
    scores = evaluate("recovering", ["first-fit", "worst-fit"], episodes=6)
    text = text_of(plot_profiles(scores, tmp_path / "b.svg"))
    for words in ("first-fit", "worst-fit", "Episodes of recovering", "score: return", "6 runs"):
        assert words in text


@pytest.mark.parametrize("scores", [np.zeros((2, 2, 2)), [], [np.nan, 1.0]])
def test_what_makes_no_profile_is_refused(scores: object, tmp_path: Path) -> None:
    with pytest.raises(SettingError, match="dqn: scores of shape"):
        plot_profiles({"dqn": scores}, tmp_path / "a.png")  # type: ignore[dict-item]
    with pytest.raises(SettingError, match="one or more"):
        plot_profiles({}, tmp_path / "a.png")
    assert not list(tmp_path.iterdir())


def test_runs_are_read_from_a_file_each_at_the_steps_they_share(tmp_path: Path) -> None:
    for seed, steps in enumerate([(0, 100, 200), (0, 200, 300), (200, 0, 400)]):
        rows = "".join(f"{step},{step + seed}\n" for step in steps)
        (tmp_path / f"{seed}.csv").write_text("step,score\n" + rows)
    files = sorted(tmp_path.glob("*.csv"))
    steps, runs = read_runs(files, "step", "score")
    assert steps.tolist() == [0, 200]
    assert runs.tolist() == [[0, 200], [1, 201], [2, 202]]
    text = text_of(plot_learning_curve({"dqn": files}, tmp_path / "a.svg"))
    assert "interquartile mean of up to 3 runs" in text
    (tmp_path / "1.csv").write_text("step,score\n7,1\n")
    with pytest.raises(SettingError, match="no step"):
        read_runs(files, "step", "score")
    with pytest.raises(SettingError, match="3 parts"):
        read_runs(([0], [1], [2]), "step", "score")  # type: ignore[arg-type]


def test_one_run_gone_wrong_does_not_move_the_curve(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from matplotlib.axes import Axes

    drawn = []
    monkeypatch.setattr(Axes, "plot", lambda self, x, y, *a, **k: drawn.append(np.asarray(y)))
    monkeypatch.setattr(Axes, "legend", lambda self, **k: None)
    runs = np.array([[1.0, 2.0]] * 7 + [[-1000.0, 2.0]])
    plot_learning_curve({"dqn": ([0, 1], runs)}, tmp_path / "a.png")
    assert drawn[0].tolist() == [1.0, 2.0] == interquartile_mean(runs.T).tolist()
