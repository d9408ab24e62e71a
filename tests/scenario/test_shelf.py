"""Every scenario of the shelf plays a short episode with every heuristic that goes with it."""

from __future__ import annotations

import math

import pytest

from vmagent_marl import catalog
from vmagent_marl.episodes.recording.play import play
from vmagent_marl.policies import make_policy, policy_names
from vmagent_marl.scenario import Scenario, load_scenario
from vmagent_marl.windows import episode_of

SCENARIOS = catalog.names("scenarios")
REGIONS = [name for name in SCENARIOS if name.startswith("region")]
SHORT = 120  # requests


def short(name: str) -> Scenario:
    """As it stands on the shelf, but for its length."""
    scenario = load_scenario(name)
    return scenario.replace(horizon=SHORT) if isinstance(scenario.horizon, int) else scenario


@pytest.mark.parametrize("name", SCENARIOS)
def test_every_heuristic_plays(name: str) -> None:
    scenario = short(name)
    trace = scenario.load_trace()
    episode = episode_of(scenario, trace, "test", seed=0, number=0)
    names = policy_names(scenario)
    assert len(names) >= 7
    for policy in names:
        (played,) = play(scenario, make_policy(policy), [episode], trace=trace)
        metrics = played.metrics
        assert metrics.requests == metrics.placed + metrics.turned_away, policy
        assert metrics.placed > 0, policy
        assert math.isfinite(played.team_return), policy
        if isinstance(scenario.horizon, int):
            assert metrics.requests == SHORT or scenario.turned_away == "end", policy


@pytest.mark.parametrize("name", SCENARIOS)
def test_headers_tell_what_is_to_be_learned(name: str) -> None:
    text = catalog.find("scenarios", name).read_text()
    header = text.split("description:")[0]
    assert all(line.startswith("# ") for line in header.splitlines())
    told = " ".join(header.replace("# ", "").split())
    assert "agent learns" in told or name in ("tiny", "region-prices")
    assert max(map(len, text.splitlines())) <= 102


def test_the_readme_tells_of_every_scenario() -> None:
    text = (catalog.shelf("scenarios") / "README.md").read_text()
    assert [name for name in SCENARIOS if f"`{name}`" not in text] == []


def test_regions_are_what_they_say() -> None:
    sizes = {name: sum(load_scenario(name).each("servers")) for name in REGIONS}
    assert sizes == {
        "region": 18,
        "region-1000": 1000,
        "region-hotspot": 20,
        "region-outage": 20,
        "region-prices": 18,
        "region-sizes": 30,
        "region-stale": 40,
    }
    for name in REGIONS:
        scenario = load_scenario(name)
        assert (scenario.trace, scenario.reward) == ("synthetic", {"profit": 1.0})


def test_an_outage_ends_vms_and_a_drain_does_not() -> None:
    scenario = load_scenario("region-outage")
    lost, drained = scenario.outages
    assert (lost.kind, drained.kind) == ("outage", "drain")
    trace = scenario.load_trace()
    episode = episode_of(scenario, trace, "train", seed=0, number=0)
    policy = make_policy("accept-always")
    (both,) = play(scenario, policy, [episode], trace=trace)
    assert both.metrics.seconds > drained.at + drained.seconds  # it sees them come back
    assert both.metrics.killed > 0
    only = scenario.replace(outages=[scenario.as_dict()["outages"][1]])
    (drain,) = play(only, policy, [episode], trace=trace)
    assert drain.metrics.killed == 0
    assert drain.metrics.capacity_hours < 20 * drain.metrics.seconds / 3600


def test_a_vm_turned_away_costs_more_than_consolidating_saves() -> None:
    """A server can be spared for a month at the most."""
    assert load_scenario("consolidate").turned_away_cost > 31 * 24
