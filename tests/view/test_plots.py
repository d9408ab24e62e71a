"""Pictures: every format, labelled axes, nothing half written, no global state."""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from matplotlib.figure import Figure

from vmagent_marl.errors import SettingError, VmagentError
from vmagent_marl.evaluation import Scores, evaluate
from vmagent_marl.scenario import load_scenario
from vmagent_marl.view import plot_learning_curve, plot_scores, style

MAGIC = {".png": b"\x89PNG", ".svg": b"<?xml", ".pdf": b"%PDF"}


@pytest.fixture(scope="module")
def scores() -> Scores:
    scenario = load_scenario("region-prices", horizon=200)
    return evaluate(scenario, ["accept-always", "random", "worst-fit"], episodes=8)


def text_of(svg: Path) -> str:
    """What a reader sees written in a figure; text is kept as text in SVG."""
    return "\n".join(re.findall(r"<text[^>]*>(.*?)</text>", svg.read_text(encoding="utf-8")))


def curve(path: Path) -> Path:
    x = np.arange(10) * 1000
    return plot_learning_curve({"dqn": (x, x / 10), "ppo": (x, np.stack([x / 9, x / 8]))}, path)


@pytest.mark.parametrize("suffix", MAGIC)
def test_every_figure_in_every_format(suffix: str, scores: Scores, tmp_path: Path) -> None:
    draw: list[Callable[[Path], Path]] = [
        lambda path: plot_scores(scores, path),
        curve,
    ]
    for i, function in enumerate(draw):
        file = function(tmp_path / f"{i}{suffix}")
        data = file.read_bytes()
        assert data.startswith(MAGIC[suffix])
        assert len(data) > 4000
    assert len(list(tmp_path.iterdir())) == len(draw)


def test_the_same_figure_is_the_same_file(scores: Scores, tmp_path: Path) -> None:
    for suffix in MAGIC:
        one, two = tmp_path / f"one{suffix}", tmp_path / f"two{suffix}"
        assert plot_scores(scores, one).read_bytes() == plot_scores(scores, two).read_bytes()


def test_scores_are_named_ranked_and_labelled(scores: Scores, tmp_path: Path) -> None:
    text = text_of(plot_scores(scores, tmp_path / "scores.svg"))
    assert (
        "region-prices (horizon=200): 8 episodes, validation window, rows 50,000 to 69,999" in text
    )
    assert "profit share (profit / possible revenue); more is better" in text
    assert f"95 % interval over {scores.block_count} blocks" in text
    places = [text.index(f"{policy}") for policy in scores.ranked]
    assert places == sorted(places)


def test_the_bound_and_the_differences_are_drawn(scores: Scores, tmp_path: Path) -> None:
    text = text_of(plot_scores(scores, tmp_path / "scores.svg"))
    assert "bound (fluid)" in text
    assert "difference from accept-always" in text
    for policy in ("random", "worst-fit"):
        assert f"{scores.difference(policy).value:+.3g}" in text
    alone = replace(scores, results=scores.results[:1], bound=None)
    text = text_of(plot_scores(alone, tmp_path / "alone.svg"))
    assert "bound" not in text
    assert "difference" not in text


def test_rows_of_the_whole_trace_are_not_called_given(tmp_path: Path) -> None:
    whole = evaluate("recovering", "first-fit", episodes=2, windows="all")
    assert "2 episodes, whole trace" in text_of(plot_scores(whole, tmp_path / "whole.svg"))
    given = evaluate("recovering", "first-fit", starts=[10, 11])
    assert "2 episodes, given rows" in text_of(plot_scores(given, tmp_path / "given.svg"))


def test_waits_are_drawn_from_zero(tmp_path: Path) -> None:
    scores = evaluate("waiting", ["first-fit", "server-best-fit"], episodes=20)
    text = text_of(plot_scores(scores, tmp_path / "waits.svg"))
    assert "waiting per episode (s); less is better" in text
    assert "\N{MINUS SIGN}" not in text


def test_no_interval_is_said_so(tmp_path: Path) -> None:
    scores = evaluate("recovering", "first-fit", starts=[10, 11])
    assert "too few for an interval" in text_of(plot_scores(scores, tmp_path / "one.svg"))


def test_learning_curves_come_from_files_and_skip_rows_without_a_score(tmp_path: Path) -> None:
    file = tmp_path / "progress.csv"
    file.write_text("step,loss,score\n0,1.0,5\n100,0.9,\n200,0.8,7.5\n")
    picture = plot_learning_curve({"dqn": file}, tmp_path / "curve.svg", y_label="return")
    text = text_of(picture)
    for words in ("Learning curve", "dqn", "step", "return"):
        assert words in text
    losses = plot_learning_curve({"dqn": str(file)}, tmp_path / "loss.svg", y="loss")
    assert "loss" in text_of(losses)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("step,scores\n0,1\n", "no column 'score': did you mean 'scores'"),
        ("step,score\n0,1\n1,x\n", r"p\.csv:3: could not convert"),
        ("step,score\n0,\n", "no row has a value of 'score'"),
        ("", "no column 'step'"),
    ],
)
def test_files_without_a_curve_are_refused(content: str, message: str, tmp_path: Path) -> None:
    file = tmp_path / "p.csv"
    file.write_text(content)
    with pytest.raises(SettingError, match=message):
        plot_learning_curve({"dqn": file}, tmp_path / "curve.png")
    assert [path.name for path in tmp_path.iterdir()] == ["p.csv"]


def test_curves_without_points_or_of_unlike_length_are_refused(tmp_path: Path) -> None:
    with pytest.raises(SettingError, match="give one or more"):
        plot_learning_curve({}, tmp_path / "curve.png")
    with pytest.raises(SettingError, match=r"x of shape \(3,\) and y of shape \(1, 2\)"):
        plot_learning_curve({"dqn": ([1, 2, 3], [1, 2])}, tmp_path / "curve.png")
    with pytest.raises(SettingError, match="cannot be read"):
        plot_learning_curve({"dqn": tmp_path / "absent.csv"}, tmp_path / "curve.png")


def test_an_unknown_format_is_refused(scores: Scores, tmp_path: Path) -> None:
    with pytest.raises(SettingError, match=r"end the name in \.png, \.svg, \.pdf"):
        plot_scores(scores, tmp_path / "scores.gif")


def test_what_fails_leaves_the_old_picture(
    scores: Scores, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = plot_scores(scores, tmp_path / "scores.png")
    before = file.read_bytes()

    def fails(*_: object, **__: object) -> None:
        raise OSError("disk full")

    monkeypatch.setattr(Figure, "savefig", fails)
    with pytest.raises(VmagentError, match=r"scores.png: cannot be written \(disk full\)"):
        plot_scores(scores, file)
    assert file.read_bytes() == before
    assert [path.name for path in tmp_path.iterdir()] == ["scores.png"]


def test_colours_are_told_apart_without_colour_vision() -> None:
    def lightness(colour: str) -> float:
        red, green, blue = (int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5))
        return 0.2126 * red + 0.7152 * green + 0.0722 * blue

    assert len(set(style.PALETTE)) == len(style.PALETTE)
    steps = np.diff([lightness(colour) for colour in style.PALETTE])
    assert (abs(steps) > 0.05).all()


def test_drawing_needs_no_display_and_no_pyplot(tmp_path: Path) -> None:
    program = (
        "import sys; import vmagent_marl.view as view;"
        "assert 'matplotlib' not in sys.modules;"
        f"view.plot_learning_curve({{'a': ([0, 1], [0, 1])}}, {str(tmp_path / 'a.png')!r});"
        "assert 'matplotlib.pyplot' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", program], check=True, timeout=120)
    assert (tmp_path / "a.png").stat().st_size > 4000
