"""Where what stands in an observation."""

from __future__ import annotations

import pytest

from oracle.tiny import tiny_rules, tiny_trace
from vmagent_marl.sim.layout import ObservationLayout
from vmagent_marl.sim.rules import COARSE, FULL, HINTS, NO_HINTS, NO_SUMMARIES
from vmagent_marl.sim.simulator import Simulator


@pytest.mark.parametrize("clusters", [1, 2, 5])
@pytest.mark.parametrize("servers", [1, 3, 40])
@pytest.mark.parametrize("summaries", [NO_SUMMARIES, COARSE, FULL])
@pytest.mark.parametrize("hints", [NO_HINTS, HINTS])
def test_the_parts_tile_the_observation(
    clusters: int, servers: int, summaries: int, hints: int
) -> None:
    layout = ObservationLayout(clusters, servers, summaries, hints)
    end = 0
    for part in layout.parts.values():
        assert part.start == end
        assert part.stop >= part.start
        end = part.stop
    assert end == layout.size
    rules = tiny_rules(clusters=clusters, servers=servers, summaries=summaries, hints=hints)
    simulator = Simulator(rules, tiny_trace((0, 1, 1, 1)), batch=2)
    assert simulator.observation.shape == (2, clusters, layout.size)
    assert simulator.mask.shape == (2, clusters, layout.actions) == (2, clusters, 2 * servers + 1)


def test_what_a_scenario_has_not_takes_no_room() -> None:
    parts = ObservationLayout(3, 4, NO_SUMMARIES).parts
    assert parts["summaries"].stop == parts["others"].stop == parts["time"].stop
    coarse = ObservationLayout(3, 4, COARSE)
    assert coarse.size == coarse.parts["summaries"].stop
    assert ObservationLayout(3, 4, COARSE, HINTS).size == coarse.size + 1 + 4
