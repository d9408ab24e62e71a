"""Counts of a data set, put together from blocks, and the blocks that hold them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from vmagent_marl.episodes import record
from vmagent_marl.episodes.collecting import coverage
from vmagent_marl.episodes.collecting.block import read_block, write_block
from vmagent_marl.episodes.collecting.coverage import joined, statistics, tally
from vmagent_marl.policies import make_policy
from vmagent_marl.scenario import load_scenario
from vmagent_marl.sim.layout import layout_of

SCENARIOS = {
    "one": load_scenario("recovering", servers=2),
    "many": load_scenario("region-prices", servers=(2, 3, 2), horizon=40, turned_away="end"),
}


def recorded(kind: str) -> tuple[list[Any], Any]:
    scenario = SCENARIOS[kind]
    played = record(scenario, make_policy("random"), episodes=9, seed=1)
    return list(played), layout_of(scenario.rules())


@pytest.mark.parametrize("kind", SCENARIOS)
def test_parts_put_together_are_counted_like_the_whole(kind: str) -> None:
    episodes, layout = recorded(kind)
    parts = None
    for part in (episodes[:2], episodes[2:7], episodes[7:]):
        parts = joined(parts, tally(part, layout))
    assert parts is not None
    assert statistics(parts, layout) == statistics(tally(episodes, layout), layout)


@pytest.mark.parametrize("kind", SCENARIOS)
def test_a_block_gives_back_what_it_was_given(kind: str, tmp_path: Path) -> None:
    episodes, layout = recorded(kind)
    write_block(tmp_path / "block.npy", episodes, layout)
    counts, found = read_block(tmp_path / "block.npy")
    for left, right in zip(counts, tally(episodes, layout), strict=True):
        np.testing.assert_array_equal(left, right, strict=True)
    for read, episode in zip(found, episodes, strict=True):
        assert (read.played, read.metrics) == (episode.played, episode.metrics)
        assert read.component == episode.component
        assert (read.terminated, read.truncated) == (episode.terminated, episode.truncated)
        for name, array in read.arrays.items():
            np.testing.assert_array_equal(array, episode.arrays[name], name, strict=True)
    assert [file.name for file in tmp_path.iterdir()] == ["block.npy"]


@pytest.mark.parametrize("kind", SCENARIOS)
def test_unlike_pairs_are_counted_one_by_one(kind: str) -> None:
    """Of each agent, of all of them pooled, and of all at once, with sets of tuples."""
    episodes, layout = recorded(kind)
    seen = layout.parts["request"].stop
    agents: list[set[Any]] = [set() for _ in range(layout.clusters)]
    joint, answers, transitions = set(), np.zeros(layout.clusters, int), 0
    for episode in episodes:
        rounded = np.rint(episode.observations[:-1, :, :seen] * 16).astype(int)
        for t in range(len(episode)):
            taken = episode.effective_action[t].tolist()
            pairs = [(*rounded[t, k].tolist(), taken[k]) for k in range(layout.clusters)]
            joint.add(tuple(pairs))
            for k in np.flatnonzero(episode.reached[t]):
                agents[k].add(pairs[k])
        answers += episode.reached.sum(axis=0)
        transitions += len(episode)
    told = statistics(tally(episodes, layout), layout)
    assert told["coverage"] == len(set.union(*agents)) / answers.sum()
    assert told["agent_coverage"] == [len(agents[k]) / answers[k] for k in range(layout.clusters)]
    assert told["joint_coverage"] == len(joint) / transitions
    if kind == "one":
        assert told["joint_coverage"] == told["coverage"] == told["agent_coverage"][0]


def test_many_unlike_pairs_are_told_from_the_least_hashes(monkeypatch: pytest.MonkeyPatch) -> None:
    episodes, layout = recorded("many")
    exact = statistics(tally(episodes, layout), layout)
    monkeypatch.setattr(coverage, "PAIRS", 64)
    few = tally(episodes, layout)
    assert few.pairs_of.tolist() == [64] * layout.clusters
    assert len(few.pairs) == 64 * layout.clusters
    again = joined(few, few)
    assert (len(again.pairs), len(again.joint)) == (len(few.pairs), 64)
    told = statistics(few, layout)
    for name in ("coverage", "joint_coverage", "agent_coverage"):
        assert told[name] == pytest.approx(exact[name], rel=3 / 8)  # 1/8, 3 times


def test_hashes_are_spread_evenly() -> None:
    episodes, layout = recorded("one")
    counts = tally(episodes, layout)
    shares = counts.joint / 2.0**64
    np.testing.assert_array_equal(np.unique(counts.pairs), counts.pairs)  # of one agent
    assert len(shares) > 300
    heights = np.histogram(shares, 8, (0, 1))[0] / len(shares)
    assert abs(heights - 1 / 8).max() < 4 * np.sqrt(1 / 8 / len(shares))
