"""What is sent of a step, and what parts two recordings."""

from __future__ import annotations

import json

import numpy as np
import pytest

pytest.importorskip("dash", reason="dash is absent: pip install .[view]")

from vmagent_marl.sim.state import NOBODY, PLACED_IN, SLOT
from vmagent_marl.view.dashboard import series
from vmagent_marl.view.dashboard.frame import HELD_BACK, frame
from vmagent_marl.view.dashboard.server_map import map_figure, server_at, server_map
from vmagent_marl.view.dashboard.watch_charts import chart_figures
from vmagent_marl.view.replay import Replay, replayed


def test_the_chain_tells_who_passed_and_who_took_it(region: Replay) -> None:
    several = lost = 0
    for t in range(len(region)):
        shown = frame(region, t)
        chain, taker = shown["chain"], int(region.outcome[t, PLACED_IN])
        asked = [(shown["request"]["home"] + i) % 3 for i in range(len(chain))]
        assert [link["cluster"] for link in chain] == asked
        assert set(asked) == set(np.flatnonzero(region.reached[t]).tolist())
        takes = [link["cluster"] for link in chain if link["takes"]]
        assert takes == ([] if taker == NOBODY else [taker])
        if takes:
            assert chain[-1]["takes"]
            assert chain[-1]["server"] == region.outcome[t, SLOT] // 2
        else:
            assert shown["next"] is None
        several += len(chain) > 1
        lost += taker == NOBODY
    assert several > 50
    assert lost > 5


def test_the_last_placement_is_where_vms_came_to(recovering: Replay) -> None:
    for t in range(1, len(recovering)):
        last = frame(recovering, t)["last"]
        before, halved = frame(recovering, t - 1)["request"], len(last["nodes"]) == 2
        assert halved == before["halved"]
        assert last == frame(recovering, t - 1)["next"]


def test_drained_servers_are_told_from_lost_ones(region: Replay) -> None:
    second = region.second
    drained = int(np.searchsorted(second, 3600))
    shown = frame(region, drained)
    assert HELD_BACK in shown["status"][:2]  # of cluster 0, whose VMs run on
    assert shown["status"][2:5] == [0, 0, 0]  # cluster 1 is lost
    assert [each["down"] for each in shown["clusters"]] == [True, True, False]


def test_frames_are_plain_and_small_and_steps_beyond_the_end_are_the_end(region: Replay) -> None:
    end = frame(region, 10**9)
    assert end["t"] == len(region)
    assert end["request"] is None
    assert end["end"] == "the requests are over"
    assert frame(region, -5)["t"] == 0
    assert len(json.dumps(frame(region, 700), allow_nan=False)) < 4000
    assert len(end["cpu"]) == 2 * (2 + 3 + 1)  # no padding


def test_a_step_is_the_last_that_has_come_by_a_second(region: Replay) -> None:
    second = region.second
    assert (np.diff(second) == 0).any()  # several requests within one second
    for seconds in (0, 1, 999, 5000, int(second[-1]), 10**9):
        t = series.step_at(region, seconds, "time")
        assert second[t] <= seconds
        assert t == len(region) or second[t + 1] > seconds
    assert series.step_at(region, 12.0, "requests") == 12
    assert series.step_at(region, 10**9, "requests") == len(region)


def test_two_policies_part_where_their_placements_do(recovering: Replay, packed: Replay) -> None:
    assert series.same_window(recovering, packed)
    parting = series.first_parting(recovering, packed)
    assert parting is not None
    assert frame(recovering, parting)["request"] == frame(packed, parting)["request"]
    assert frame(recovering, parting)["next"] != frame(packed, parting)["next"]
    for t in range(parting):
        assert frame(recovering, t)["next"] == frame(packed, t)["next"]
    assert series.first_parting(recovering, replayed(recovering.recording)) is None


def test_other_requests_are_not_compared(recovering: Replay, waiting: Replay) -> None:
    assert not series.same_window(recovering, waiting)
    assert "difference" not in chart_figures([recovering, waiting], "time", False)


def test_the_difference_ends_at_the_difference_of_returns(
    recovering: Replay, packed: Replay
) -> None:
    for axis in ("requests", "time"):
        at, apart = series.difference(recovering, packed, axis)
        both = min(len(recovering), len(packed))
        assert apart[0] == 0
        assert (np.diff(at) > 0).all()
        if axis == "requests":
            sums = [replay.reward[:both].sum() for replay in (recovering, packed)]
            assert apart[-1] == sums[0] - sums[1]


def test_every_figure_has_titles_with_units_and_few_points(
    region: Replay, waiting: Replay, recovering: Replay, packed: Replay
) -> None:
    names = set()
    for replays in ([region], [waiting], [recovering, packed]):
        for axis in ("requests", "time"):
            same = len(replays) == 2
            for name, (title, about, figure) in chart_figures(replays, axis, same).items():
                names.add(name)
                assert title
                assert about
                for side in ("xaxis", "yaxis"):
                    assert figure["layout"][side]["title"]["text"]
                for line in figure["data"]:
                    assert len(line["x"]) == len(line["y"]) <= 3000
                json.dumps(figure, allow_nan=False)
    assert names == {
        "load", "reward", "difference", "queue", "wait", "profit", "power", "hops",
    }  # fmt: skip


def test_the_map_has_a_cell_for_each_node_and_none_twice() -> None:
    for most in ([5], [2, 3, 1], [250] * 4, [7, 100, 3]):
        shape = server_map(most, [0.0] * len(most))
        cells = list(zip(shape.row, shape.column, strict=True))
        assert len(cells) == len(set(cells)) == 2 * sum(most) == len(shape.owner)
        figure = map_figure(shape)
        values = figure["data"][0]["z"]
        assert len(figure["data"][0]["x"]) == len(values[0]) + 1
        assert len(figure["data"][0]["y"]) == len(values) + 1
        for (row, column), (k, server, _) in list(zip(cells, shape.owner, strict=True))[::17]:
            x = (shape.x[column] + shape.x[column + 1]) / 2
            y = (shape.y[row] + shape.y[row + 1]) / 2
            assert server_at(shape, x, y) == (k, server)
            assert server_at(shape, x, shape.y[row + 1] + 0.01) is None
