"""Evolution strategies: what they learn, that they go on, and that all play the same."""

from __future__ import annotations

import copy
import dataclasses
import json
import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from train.online.games import on_disk, small, small_region
from train.online.playing import equal, weights

from vmagent_marl.episodes.collecting.replay import replay_players
from vmagent_marl.errors import PolicyError, SettingError
from vmagent_marl.policies import make_policy
from vmagent_marl.policies.checkpoint import load_policy, policy_bytes
from vmagent_marl.policies.network_policy import NetworkPolicy, Training
from vmagent_marl.scenario import Scenario, scenario_from
from vmagent_marl.train.online.algorithms import train_agent
from vmagent_marl.train.online.evolution import ES, ESLearner, centred_ranks
from vmagent_marl.train.online.stage import Stage
from vmagent_marl.train.running import drawing_from
from vmagent_marl.train.validation import Validation

FEW = ES(batch=48, population=16, hidden=(8, 8), sigma=0.1, learning_rate=0.02, steps=10**9)
REQUESTS = [[60 * i, 900 + 300 * (i % 5), 1 + i % 2, 1 + i % 3] for i in range(20)]


def game(**fields: Any) -> Scenario:
    """Hours of servers count, and there is room for all: nothing is better than the least."""
    given: dict[str, Any] = {
        "name": "game",
        "trace": {"requests": REQUESTS, "repeat": 60, "every": 1500},
        "servers": 4,
        "node_cpu": 64,
        "node_memory": 400,
        "reward": "server_hours",
        "horizon": 30,
    }
    return scenario_from({**given, **fields})


REGION = game(
    clusters=3,
    servers=2,
    node_cpu=32,
    power=[0.05, 0.5, 0.9],
    summaries="coarse",
    home="round-robin",
    reward="profit",
)


def learner_on(scenario: Scenario, settings: ES = FEW, **fields: Any) -> ESLearner:
    settings = dataclasses.replace(settings, **fields)
    stage = Stage(scenario, batch=settings.batch, siblings=settings.siblings, seed=settings.seed)
    with drawing_from(settings.seed):
        return ESLearner(settings, stage)


def earned(learner: ESLearner, scenario: Scenario) -> float:
    layout = learner.stage.layout
    training = Training("es", scenario.as_dict(), layout.clusters, layout.servers, layout.summaries)
    policy = NetworkPolicy("learner", learner.network, training)
    return Validation(scenario, episodes=16).score(policy).mean_return


@pytest.mark.parametrize("network", ["servers", "numbered"])
def test_one_cluster_learns_to_keep_one_server_awake(network: Any) -> None:
    """All that ever runs fits one server: first fit keeps it there, and nothing can be better."""
    scenario = game()
    best = Validation(scenario, episodes=16).score(make_policy("first-fit")).mean_return
    learner = learner_on(scenario, network=network, seed=3)
    before = earned(learner, scenario)
    for _ in range(30):
        learner.advance()
    assert before < best - 0.1
    assert earned(learner, scenario) == pytest.approx(best)


def test_slot_values_learn_to_keep_one_server_awake() -> None:
    """They begin as server best fit, which does; so here they begin as its opposite."""
    scenario = game()
    best = Validation(scenario, episodes=16).score(make_policy("first-fit")).mean_return
    learner = learner_on(scenario, network="slots", seed=3)
    with torch.no_grad():
        dict(learner.network.named_parameters())["direct.weight"].mul_(-1.0)
    before = earned(learner, scenario)
    for _ in range(60):
        learner.advance()
    assert before < best - 0.1
    assert earned(learner, scenario) == pytest.approx(best)


def test_a_region_learns_to_pass_to_the_cheapest() -> None:
    """The cheapest cluster has room for all, on one server."""
    validation = Validation(REGION, episodes=16)
    best = validation.score(make_policy("cheapest-first+first-fit")).mean_return
    assert best > validation.score(make_policy("accept-always")).mean_return + 0.5
    learner = learner_on(REGION, seed=2)  # two of five seeds end in a lesser optimum
    for _ in range(100):
        learner.advance()
    assert earned(learner, REGION) == pytest.approx(best)


@pytest.mark.parametrize(
    ("scenario", "network"),
    [(small(), "servers"), (small(), "slots"), (small_region(), "servers")],
)
def test_every_parameter_moves_and_the_seed_decides_where(scenario: Scenario, network: Any) -> None:
    ends = []
    for seed in (1, 1, 2):
        learner = learner_on(scenario, seed=seed, network=network)
        before = weights(learner.network)
        for _ in range(2):
            figures = learner.advance()
        after = weights(learner.network)
        assert figures["spread"] > 0
        for old, new in zip(before, after, strict=True):
            assert not torch.equal(old, new)
            assert torch.isfinite(new).all()
        ends.append(after)
    assert equal(ends[0], ends[1])
    assert not equal(ends[0], ends[2])


@pytest.mark.parametrize(("scenario", "network"), [(small_region(), "servers"), (small(), "slots")])
def test_it_goes_on_from_what_was_kept(scenario: Scenario, network: Any) -> None:
    whole = learner_on(scenario, network=network)
    for _ in range(2):
        whole.advance()
    kept = copy.deepcopy(whole.state_dict())
    resumed = learner_on(scenario, network=network, seed=0)
    resumed.load_state_dict(kept)
    for learner in (whole, resumed):
        learner.advance()
    assert equal(weights(whole.network), weights(resumed.network))
    assert whole.steps == resumed.steps


def test_it_begins_with_what_the_network_was_taught_meanwhile() -> None:
    learner = learner_on(small(), learning_rate=1e-9, sigma=1e-6)
    with torch.no_grad():
        for parameter in learner.network.parameters():
            parameter.fill_(0.25)
    learner.advance()
    for value in weights(learner.network):
        torch.testing.assert_close(value, torch.full_like(value, 0.25), rtol=0, atol=1e-6)


def test_a_run_that_was_stopped_ends_as_one_that_was_not(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = on_disk(small_region(), tmp_path / "scenarios")
    settings = dataclasses.replace(
        FEW, scenario=file, steps=9000, validate_every=1500, validation_episodes=2
    )
    whole = train_agent("es", settings, tmp_path / "whole", progress=False)
    assert load_policy(whole).training.algorithm == "es"
    told = json.loads((whole.parent / "config.json").read_text(encoding="utf-8"))
    assert (told["algorithm"], told["population"], told["sigma"]) == ("es", 16, 0.1)
    calls, advance = iter(range(100)), ESLearner.advance

    def stopped(learner: ESLearner) -> dict[str, float]:
        if next(calls) == 3:
            raise KeyboardInterrupt
        return advance(learner)

    monkeypatch.setattr(ESLearner, "advance", stopped)
    with pytest.raises(KeyboardInterrupt):
        train_agent("es", settings, tmp_path / "stopped", progress=False)
    resumed = train_agent("es", settings, tmp_path / "stopped", progress=False)
    for name in ("policy.pt", "last.pt", "curve.csv"):
        assert (resumed.parent / name).read_bytes() == (whole.parent / name).read_bytes(), name


def test_all_members_play_the_same_episodes() -> None:
    """Without a difference between them they earn the same."""
    learner = learner_on(small_region(), sigma=1e-12)
    assert learner.advance()["spread"] == 0.0
    assert learner.stage.course.number == 2 * FEW.batch // FEW.population


def test_requests_are_counted_and_returns_told() -> None:
    learner = learner_on(small_region())
    learner.advance()
    assert learner.steps > FEW.batch
    assert len(learner.stage.returns) == FEW.batch
    assert np.mean(learner.stage.returns) == pytest.approx(
        learner_on(small_region()).advance()["population_return"]
    )


def test_no_return_counts_as_less_than_the_floor() -> None:
    learner = learner_on(small(), floor=1e9)
    assert learner.advance()["population_return"] == 1e9
    assert max(learner.stage.returns) < 1e9, "what is told of the run is what it earned"
    free, below = learner_on(small()), learner_on(small(), floor=-1e9)
    assert below.advance() == free.advance()
    assert equal(weights(below.network), weights(free.network))


def test_ranks_are_of_the_order_alone() -> None:
    np.testing.assert_allclose(
        centred_ranks(np.array([3.0, -1e9, 7.0, 5.0])), [-1 / 6, -0.5, 0.5, 1 / 6]
    )
    np.testing.assert_allclose(centred_ranks(np.array([1.0, 1.0, 0.0, 2.0])), [0.0, 0.0, -0.5, 0.5])
    np.testing.assert_array_equal(centred_ranks(np.full(4, 2.5)), np.zeros(4))


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"population": 3}, "population: 3 is odd or too few"),
        ({"population": 32}, "batch: 48 environments are no whole number of episodes for each"),
        ({"sigma": 0.0}, "sigma: 0.0 is no deviation"),
        ({"sigma": math.inf}, "sigma: inf is no deviation"),
        ({"floor": -math.inf}, "floor: -inf is no return"),
        ({"network": "flat"}, "network: flat: this agent learns no such network"),
        ({"network": "slots"}, "network: slots: it chooses within one cluster"),
        ({"gamma": 0.9}, "gamma: 0.9: es judges members by what the team earns"),
        ({"reward": "own"}, "reward: own: es judges members"),
        ({"reward_scale": 2.0}, "reward_scale: 2.0: es judges members"),
        ({"device": "cuda"}, "device: cuda: es plays on the CPU"),
        ({"device": "auto"}, "device: auto: es plays on the CPU"),
        ({"set": ("summaries=full",)}, "summaries: es reads no full ones"),
    ],
)
def test_what_it_cannot_do_is_refused(fields: dict[str, Any], message: str, tmp_path: Path) -> None:
    file = on_disk(small_region(), tmp_path / "scenarios")
    settings = dataclasses.replace(FEW, scenario=file, **fields)
    with pytest.raises(SettingError, match=f"^{message}"):
        train_agent("es", settings, tmp_path / "run", progress=False)
    assert not (tmp_path / "run").exists()


def test_slot_values_begin_from_those_of_the_same_types_alone(tmp_path: Path) -> None:
    """Those of other VMs have tables of the same sizes."""
    few = dataclasses.replace(
        FEW, network="slots", steps=1, validate_every=1, validation_episodes=2, imitate_steps=200
    )
    file = on_disk(game(), tmp_path / "scenarios")
    taught = dataclasses.replace(few, scenario=file, imitate="first-fit")
    first = train_agent("es", taught, tmp_path / "first", progress=False)
    again = dataclasses.replace(few, scenario=file, init=str(first))
    train_agent("es", again, tmp_path / "again", progress=False)
    assert load_policy(tmp_path / "again" / "last.pt").network.shape.kind == "slots"
    requests = [[*row[:2], 2 * row[2], row[3]] for row in REQUESTS]
    other = game(trace={"requests": requests, "repeat": 60, "every": 1500})
    file = on_disk(other, tmp_path / "others")
    with pytest.raises(PolicyError, match=r"^init: .* its network \(slots, .* types of VM, .* is"):
        train_agent("es", dataclasses.replace(again, scenario=file), tmp_path / "x", progress=False)


def test_its_checkpoints_hold_plain_tensors_and_are_not_drawn_by(tmp_path: Path) -> None:
    file = on_disk(small_region(), tmp_path / "scenarios")
    settings = dataclasses.replace(
        FEW, scenario=file, steps=1, imitate="cheapest-first", imitate_steps=200
    )
    settings = dataclasses.replace(settings, validate_every=1, validation_episodes=2)
    policy = load_policy(train_agent("es", settings, tmp_path / "run", progress=False))
    for kept in (tmp_path / "run").glob("*/*.pt"):
        again = load_policy(kept)
        written = policy_bytes(again.network, again.training)
        assert len(written) == kept.stat().st_size  # views of one vector take less and are others
    assert not any(player.sampled for player in replay_players(tmp_path / "run"))
    with pytest.raises(PolicyError, match="es learned the best answer alone"):
        dataclasses.replace(policy, sampled=True)
