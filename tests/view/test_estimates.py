from __future__ import annotations

from pathlib import Path

import pytest

from vmagent_marl.episodes.collecting.intervals import Estimate
from vmagent_marl.errors import SettingError
from vmagent_marl.view.estimates import Panel, plot_estimates

UNKNOWN = float("nan")


def test_every_panel_its_labels_and_levels_are_drawn(tmp_path: Path) -> None:
    panels = [
        Panel("one", {"cloning": Estimate(1, 0, 2)}, {"cloning": [0.5, 1.5]}, {"best": 2.0}),
        Panel("two", {"cql": Estimate(3, UNKNOWN, UNKNOWN)}, x_label="profit share"),
        Panel("three", {"bcq": Estimate(3, 2, 4), "iql": Estimate(1, 0, 2)}),
    ]
    file = plot_estimates(panels, tmp_path / "scores.svg", title="All of it")
    text = file.read_text(encoding="utf-8")
    for word in ("one", "two", "three", "cloning", "cql", "bcq", "iql", "best", "profit share"):
        assert f">{word}<" in text
    assert ">All of it<" in text


@pytest.mark.parametrize("panels", [[], [Panel("empty", {})]])
def test_nothing_is_not_drawn(panels: list[Panel], tmp_path: Path) -> None:
    with pytest.raises(SettingError, match="no estimate to draw"):
        plot_estimates(panels, tmp_path / "scores.png")
    assert not (tmp_path / "scores.png").exists()
