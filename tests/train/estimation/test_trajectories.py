"""Recorded data sets as estimators read them, with networks that played them as targets."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from train.recordings import record as record_unknown
from train.recordings import small_region

from vmagent_marl.episodes import Recipe, collect
from vmagent_marl.episodes.collecting.recipe import Player
from vmagent_marl.episodes.storage.hdf5_reader import load_episodes
from vmagent_marl.errors import DatasetError, PolicyError, SettingError
from vmagent_marl.policies import make_policy
from vmagent_marl.policies.checkpoint import save_policy
from vmagent_marl.policies.network_policy import NetworkPolicy, Training
from vmagent_marl.policies.new_networks import network_shape, new_network
from vmagent_marl.scenario import load_scenario
from vmagent_marl.sim.layout import layout_of
from vmagent_marl.train.estimation.estimating import as_dict, estimate_returns
from vmagent_marl.train.estimation.fitted_q import Fit
from vmagent_marl.train.estimation.report import estimates_table
from vmagent_marl.train.estimation.trajectories import read_trajectories

FIELDS: dict[str, Any] = {"servers": 2, "horizon": 8, "tries": 2}
QUICK = Fit(steps=6, batch_size=8, hidden=(8,))
NOISY = (Player("cheapest-first", 0.5), Player("accept-always", 0.4))


def made(behaviour: str, *players: Player, **fields: Any) -> str:
    recipe = Recipe(
        scenario="region-prices",
        behaviour=behaviour,
        policies=players,
        episodes=12,
        fields=FIELDS,
        **fields,
    )
    return collect(recipe, progress=False)


def network(seed: int = 0) -> NetworkPolicy:
    scenario = load_scenario("region-prices", **FIELDS)
    layout = layout_of(scenario.rules())
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        drawn = new_network(network_shape(layout, hidden=(8,)))
    training = Training(
        "drawn", scenario.as_dict(), layout.clusters, layout.servers, layout.summaries
    )
    return NetworkPolicy(f"network-{seed}", drawn, training)


@pytest.fixture(scope="module")
def mixed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A data set of two noisy heuristics, and the place where data sets are."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("MINARI_DATASETS_PATH", str(tmp_path_factory.mktemp("minari")))
        yield made("mixed", *NOISY)


@pytest.fixture(autouse=True)
def minari_home() -> None:
    """In place of the folder a test: data sets are made once."""


def test_trajectories_hold_what_was_recorded(mixed: str) -> None:
    data, episodes = read_trajectories(mixed), load_episodes(mixed)
    assert (data.lengths == 8).all()
    assert data.mask.shape[:2] == (data.reward.size + 12, 3)
    for number, episode in enumerate(episodes):
        rows = data.episode == number
        assert data.step[rows].tolist() == list(range(8))
        np.testing.assert_array_equal(data.reward[rows], episode.rewards)
        np.testing.assert_array_equal(data.action[rows], episode.effective_action)
        np.testing.assert_array_equal(data.observation[data.seen[rows]], episode.observations[:-1])
        np.testing.assert_array_equal(data.padded(data.reward)[number], episode.rewards)
        assert data.component[number] == episode.component
    assert data.components == ("cheapest-first", "accept-always")
    assert data.bare == frozenset()
    assert (data.tries, data.dataset) == (2, (mixed,))


def test_who_was_reached_follows_from_the_places_and_the_passes(mixed: str) -> None:
    data = read_trajectories(mixed)
    passed = data.action == data.mask.shape[2] - 1
    for i, seen in enumerate(data.seen):
        goes_on = True
        for position in range(3):
            [agent] = np.flatnonzero(data.place[seen] == position)
            goes_on = goes_on and position < data.tries
            assert data.reached[i, agent] == goes_on
            goes_on = goes_on and passed[i, agent]
    assert data.reached.sum() > 1.05 * data.reward.size


def test_the_network_that_was_recorded_returns_what_was_recorded(
    mixed: str, tmp_path: Path
) -> None:
    """Its answers and their probabilities are those of its play, and all ratios are 1."""
    from vmagent_marl.episodes.recording.record import record
    from vmagent_marl.episodes.storage.minari_format import OWN, write_dataset

    scenario, player = load_scenario("region-prices", **FIELDS), network().with_noise(0.3)
    trace = scenario.load_trace()
    episodes = list(record(scenario, player, episodes=10, trace=trace))
    folder = Path(mixed_home()) / "vmagent" / "played-v0"
    storage = write_dataset(folder, "vmagent/played-v0", scenario, "train", trace, episodes)
    storage.update_metadata({OWN: {"scenario": scenario.as_dict()}})
    data = read_trajectories("vmagent/played-v0")
    assert data.components == ("component 0",)
    found = estimate_returns(data, [player], gamma=0.9, estimators=("is", "wis"))
    weights = found.policies[0].weights
    assert weights is not None
    np.testing.assert_allclose(weights.log, 0.0, atol=1e-9)
    assert weights.mean_ratio == pytest.approx(1.0)
    for estimate in found.policies[0].estimates.values():
        assert estimate.value == pytest.approx(found.recorded.value)
    by_hand = [sum(0.9**t * r for t, r in enumerate(each.rewards)) for each in episodes]
    assert found.recorded.value == pytest.approx(np.mean(by_hand))
    answered = np.concatenate([np.exp(each.behavior_logp[each.reached]) for each in episodes])
    assert 0.6 < (answered > 0.7).mean() < 0.99  # its own, or a random one


def mixed_home() -> str:
    import os

    return os.environ["MINARI_DATASETS_PATH"]


def test_every_estimate_is_told_with_what_to_mind(mixed: str) -> None:
    data = read_trajectories((mixed,))
    targets = [network(seed).with_noise(0.2) for seed in (0, 1)]
    every = ("fqe", "is", "wis", "dr", "wdr")
    found = estimate_returns(data, targets, gamma=0.9, estimators=every, fit=QUICK)
    assert [each.policy for each in found.policies] == [
        "network-0-epsilon-0.2",
        "network-1-epsilon-0.2",
    ]
    for each in found.policies:
        assert tuple(each.estimates) == every
        assert all(np.isfinite(estimate.value) for estimate in each.estimates.values())
        assert found.warnings(each)  # of 12 episodes weights are worth few
    told = as_dict(found)
    assert told["policies"][0]["weights"]["effective_sample_size"][0] <= 12  # type: ignore[index]
    text = _printed(found)
    for word in ("as recorded", "network-1-epsilon-0.2", "wdr", "12 episodes", "Mind network-0"):
        assert word in text


def test_behaviours_without_noise_are_refused_and_fqe_is_left(mixed: str) -> None:
    plain = made("plain", Player("cheapest-first"))
    blend = made("blend", Player("cheapest-first"), Player("accept-always"), per="step")
    target = network().with_noise(0.2)
    assert read_trajectories(blend).bare == frozenset({0})  # of two rules, neither with noise
    for name, why in ((plain, "first is certain of an"), (blend, "accept-always is certain of an")):
        data = read_trajectories(name)
        found = estimate_returns(data, [target], gamma=0.9, fit=QUICK)
        assert tuple(found.policies[0].estimates) == ("fqe",)
        [warning] = found.warnings(found.policies[0])
        assert why in warning
        assert why in _printed(found)
        with pytest.raises(DatasetError, match=why):
            estimate_returns(data, [target], estimators=("wis", "dr"))
    several = read_trajectories((mixed, plain))
    assert several.components == ("cheapest-first", "accept-always", "cheapest-first")
    assert several.bare == frozenset({2})


def test_answers_that_were_drawn_by_their_probabilities_are_noise_enough(
    mixed: str, tmp_path: Path
) -> None:
    player = network()
    training = dataclasses.replace(player.training, algorithm="ippo")
    save_policy(tmp_path / "drawn.pt", player.network, training)
    data = read_trajectories(made("drawn", Player(str(tmp_path / "drawn.pt"), sampled=True)))
    assert data.bare == frozenset()
    target = network(1).with_noise(0.2)
    [found] = estimate_returns(data, [target], gamma=0.9, estimators=("wis",)).policies
    assert not found.refused
    assert np.isfinite(found.estimates["wis"].value)


def test_what_cannot_be_estimated_is_refused(mixed: str) -> None:
    data = read_trajectories(mixed)
    target = network().with_noise(0.2)
    with pytest.raises(SettingError, match=r"gamma: 1\.5"):
        estimate_returns(data, [target], gamma=1.5)
    with pytest.raises(SettingError, match="estimators: 'fq' is none: choose from fqe, is"):
        estimate_returns(data, [target], estimators=("fq",))
    other = collect(
        Recipe(scenario="tiny", behaviour="random", policies=(Player("random"),), episodes=2),
        progress=False,
    )
    with pytest.raises(DatasetError, match="are of two scenarios"):
        read_trajectories((mixed, other))
    with pytest.raises(PolicyError, match=r"policy 'network-0-epsilon-0\.2' reads"):
        estimate_returns(read_trajectories(other), [target])


def test_data_that_others_recorded_is_refused(mixed: str) -> None:
    name = record_unknown("small/unknown-v0", small_region(), [make_policy("random")], 1)
    with pytest.raises(DatasetError, match="was not recorded by vmagent_marl"):
        read_trajectories(name)


def _printed(found: Any) -> str:
    from io import StringIO

    from rich.console import Console

    out = Console(file=StringIO(), width=100)
    out.print(estimates_table(found))
    return " ".join(out.file.getvalue().split())  # type: ignore[attr-defined]
