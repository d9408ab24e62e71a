"""What is recorded of an episode, against the simulator, and how it is drawn."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pytest

from vmagent_marl.errors import PolicyError, SettingError
from vmagent_marl.evaluation import play
from vmagent_marl.policies import make_policy
from vmagent_marl.scenario import load_scenario
from vmagent_marl.sim import Episode
from vmagent_marl.view import Occupancy, plot_occupancy, record_occupancy

EPISODE = Episode(first=60_000, stop=70_000, seed=4)


@pytest.fixture(scope="module")
def region() -> Occupancy:
    outage = {"cluster": 1, "at": 2000, "seconds": 4000}
    scenario = load_scenario("region-prices", horizon=1500, servers=[2, 3, 1], outages=[outage])
    return record_occupancy(scenario, make_policy("first-fit"), EPISODE, samples=200)


def test_shapes_and_times(region: Occupancy) -> None:
    assert region.used.shape == region.in_service.shape == (200, 3, 3)
    assert region.gained.shape == (200, 3)
    assert region.servers == (2, 3, 1)
    assert region.time[0] == 0
    assert np.allclose(np.diff(region.time), region.time[1])


def test_it_ends_where_the_episode_does(region: Occupancy) -> None:
    (played,) = play(region.scenario, make_policy("first-fit"), [EPISODE])
    assert region.time[-1] == played.metrics.seconds
    assert region.gained[-1] == pytest.approx(played.metrics.cluster_profit)
    assert region.gained_name == "profit"
    assert region.turned_away.size == played.metrics.turned_away > 0
    assert (region.turned_away <= region.time[-1]).all()
    assert (np.diff(region.turned_away) >= 0).all()


def test_servers_fill_and_are_out_of_service_during_the_outage(
    region: Occupancy,
) -> None:
    assert np.nanmax(region.used[0]) < 0.1  # a few VMs arrive in the first second
    assert np.nanmax(region.used) > 0.5
    assert np.nanmin(region.used) >= 0
    assert np.nanmax(region.used) <= 1
    arrivals_pass = 500  # s; what is shown is as of the last arrival
    out = (region.time > 2000 + arrivals_pass) & (region.time < 6000)
    assert out.any()
    assert not region.in_service[out, 1].any()
    assert np.isnan(region.used[out, 1]).all()
    assert region.in_service[out, 0, :2].all()
    assert np.isnan(region.used[:, 2, 1:]).all()  # padding


def test_used_share_is_the_larger_of_cpu_and_memory() -> None:
    scenario = load_scenario(
        "recovering",
        servers=2,
        node_cpu=10,
        node_memory=20,
        trace={"requests": [[0, 99, 5, 2], [5, 99, 1, 10], [9, 9, 1, 1]]},
    )
    seen = record_occupancy(scenario, make_policy("first-fit"), Episode(first=0), samples=10)
    # 5 of 20 vCPU against 2 of 40 GB; then 6 of 20 against 12 of 40.
    assert seen.time.tolist() == list(range(10))
    assert seen.used[4, 0].tolist() == [0.0, 0.0]
    assert seen.used[5, 0] == pytest.approx([0.25, 0.0])
    assert seen.used[8, 0] == pytest.approx([0.25, 0.0])
    assert seen.gained_name == "VMs placed"
    assert seen.gained[:, 0].tolist() == [0, 0, 0, 0, 0, 1, 1, 1, 1, 3]
    assert seen.used[9, 0] == pytest.approx([0.35, 0.0])


def test_what_cannot_be_recorded_is_refused() -> None:
    scenario = load_scenario("recovering")
    with pytest.raises(SettingError, match="samples: 1 are too few"):
        record_occupancy(scenario, make_policy("first-fit"), EPISODE, samples=1)
    blind = load_scenario("region-prices", summaries="none")
    with pytest.raises(PolicyError, match="summaries"):
        record_occupancy(blind, make_policy("cheapest-first"), EPISODE)


def test_the_picture_names_clusters_prices_and_units(region: Occupancy, tmp_path: Path) -> None:
    file = plot_occupancy(region, tmp_path / "occupancy.svg")
    text = "\n".join(re.findall(r"<(?:text|tspan)[^>]*>(.*?)</(?:text|tspan)>", file.read_text()))
    for words in (
        "region-prices: first-fit, from row 60,000",
        "cluster 0",
        "power 0.35",
        "simulated time (",
        "used share of a server",
        "hatched: out of service",
        f"turned away: {region.turned_away.size}",
        "profit",
    ):
        assert words in text, words


@pytest.mark.parametrize("name", ["recovering", "expanding", "waiting", "tiny"])
def test_every_kind_of_scenario_is_drawn(name: str, tmp_path: Path) -> None:
    first = 0 if name == "tiny" else 60_000
    episode = Episode(first=first, stop=first + 400)
    seen = record_occupancy(load_scenario(name), make_policy("first-fit"), episode, samples=60)
    for suffix in (".png", ".pdf"):
        assert plot_occupancy(seen, tmp_path / f"o{suffix}").stat().st_size > 4000
