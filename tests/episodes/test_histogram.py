"""Histograms in characters, read back from the picture."""

from __future__ import annotations

import pytest

from vmagent_marl.episodes.collecting.histogram import EIGHTHS, ROWS, histogram, sparkline


@pytest.mark.parametrize("counts", [[0, 1, 2, 40, 3], [7] * 24, [0, 0, 5], [1, 39, 40]])
def test_bars_are_as_high_as_there_are_episodes(counts: list[int]) -> None:
    lines = histogram(counts, -3.0, 1250.5).splitlines()
    assert len(lines) == ROWS + 2
    label = len(str(max(counts)))
    bars = [line[label + 2 :].ljust(2 * len(counts)) for line in lines[:ROWS]]
    for i, count in enumerate(counts):
        column = [row[2 * i] for row in bars]
        assert column == [row[2 * i + 1] for row in bars]
        height = sum(EIGHTHS.index(character) for character in column)
        exact = count / max(counts) * 8 * ROWS
        assert exact <= height < exact + 1
    assert lines[0].startswith(f"{max(counts)} │")
    assert lines[ROWS].startswith("0 └".rjust(label + 2))
    assert lines[-1].split() == ["-3", "1,250"]
    assert all(line == line.rstrip() for line in lines)


def test_a_line_of_bars_tells_the_least_from_nothing() -> None:
    assert sparkline([0, 1, 50, 100]) == "·▁▄█"
    assert sparkline([0, 0]) == "··"
