"""Heuristics against plain Python that reads as their definitions, and exact references."""

import csv
import math

import numpy as np
import pytest
from places import real_trace, reference

from oracle.slow_rules import is_empty, slow_pack, slow_pass, the_mix
from vmagent_marl.errors import PolicyError, UnknownNameError
from vmagent_marl.policies import about_policy, check_policy, make_policy, policy_names
from vmagent_marl.policies.heuristics import HINTED, PACKING, PASSING
from vmagent_marl.scenario import load_scenario
from vmagent_marl.sim import Episode
from vmagent_marl.sim.state import HOME, ROW
from vmagent_marl.windows import episode_of

MANY_SIZES = {
    "requests": [[i, 40 + i % 7, 1 + i % 11, 1.5 + i % 13] for i in range(143)],
    "repeat": 20,
    "every": 150,
}


@pytest.mark.parametrize(
    "rule", [rule for rule in PACKING if rule != "random" and PACKING[rule] not in HINTED]
)
def test_packing_is_its_definition(rule):
    scenario = load_scenario("recovering", turned_away="count", servers=3)
    sim = scenario.simulator(batch=3)
    sim.reset(
        {b: episode_of(scenario, sim.trace, "train", seed=1, number=b) for b in range(sim.batch)}
    )
    policy, noise, mix = make_policy(rule), make_policy("random"), the_mix(sim)
    kinds = set()
    for step in range(250):
        actions, chances = policy.act(sim, sim.keys())
        for b in range(sim.batch):
            slot = slow_pack(rule, sim, b, 0, mix)
            assert actions[b, 0] == (sim.actions - 1 if slot is None else slot)
            kinds.add((slot is None, bool(sim.feed.halved[sim.state.clock[b, ROW]])))
        assert (chances == 0).all()
        sim.step(noise.act(sim, sim.keys())[0] if step % 3 else actions)
    assert len(kinds) == 4  # VMs that fit nowhere and that do, halved and not


@pytest.mark.parametrize(
    "rule",
    [
        "dot-product",
        "fragmentation-gradient",
        "slot-preserving",
        "fragmentation-gradient-used-first",
        "slot-preserving-used-first",
    ],
)
def test_packing_of_more_types_than_the_mix_holds(rule):
    """On unlike clusters, some of which are too small for some types."""
    scenario = load_scenario(
        "region-prices",
        trace=MANY_SIZES,
        halve={"resource": "cpu", "above": 7},
        servers=[2, 3, 1],
        node_cpu=[10, 7, 23.5],
        node_memory=[17, 40, 13],
        horizon=None,
    )
    sim = scenario.simulator(batch=1)
    sim.reset({0: Episode(0)})
    policy, noise, mix = make_policy(rule), make_policy("random", epsilon=0.0), the_mix(sim)
    assert len(mix) == 16
    assert len({(row[0], row[1]) for row in sim.feed.demand.tolist()}) > 16
    compared = 0
    for step in range(200):
        actions, _ = policy.act(sim, sim.keys())
        for k in range(sim.clusters):
            slot = slow_pack(rule, sim, 0, k, mix)
            assert actions[0, k] == (sim.actions - 1 if slot is None else slot)
            compared += slot is not None
        sim.step(noise.act(sim, sim.keys())[0] if step % 2 else actions)
    assert compared > 150


@pytest.mark.parametrize("rule", ["server-best-fit", "dot-product"])
def test_rules_that_use_servers_first_without_being_told(rule):
    """Why these have no form of their own that opens servers last."""
    sim = load_scenario("recovering", turned_away="count", servers=4).simulator(batch=1)
    sim.reset({0: Episode(100)})
    noise, opened = make_policy("random"), 0
    for _ in range(200):
        slot = slow_pack(rule, sim, 0, 0)
        assert slot == slow_pack(f"{rule}-used-first", sim, 0, 0)
        opened += slot is not None and is_empty(sim, 0, 0, slot // 2)
        pack = slot is not None and opened % 2  # a random one now and then, so that others open
        sim.step([[slot]] if pack else noise.act(sim, sim.keys())[0])
    assert opened > 1


@pytest.mark.parametrize("rule", [rule for rule in PASSING if rule != "accept-always"])
@pytest.mark.parametrize(("tries", "every"), [(2, 0), (3, 7200)])
def test_passing_is_its_definition(rule, tries, every):
    """With fresh summaries and with old ones."""
    scenario = load_scenario("region-prices", tries=tries, summary_every=every, servers=[6, 3, 5])
    sim = scenario.simulator(batch=2)
    sim.reset(
        {b: episode_of(scenario, sim.trace, "train", seed=2, number=b) for b in range(sim.batch)}
    )
    policy = make_policy(rule)
    passed = kept = 0
    for _ in range(400):
        actions, _ = policy.act(sim, sim.keys())
        for b in range(sim.batch):
            for position in range(tries):
                k = (sim.state.clock[b, HOME] + position) % 3
                slot = slow_pack("server-best-fit", sim, b, k)
                may_pass = bool(sim.mask[b, k, -1])
                passes = slot is None or (may_pass and slow_pass(rule, sim, b, k, slot))
                assert actions[b, k] == (sim.actions - 1 if passes else slot)
                passed += passes and slot is not None
                kept += not passes
        sim.step(actions)
    assert passed > 40
    assert kept > 100


def test_noise_and_random_draw_as_their_probabilities_say():
    """Each action is taken as often as its log-probability claims."""
    scenario = load_scenario("recovering")
    sim = scenario.simulator(batch=1)
    sim.reset({0: Episode(1000)})
    for _ in range(20):
        sim.step(sim.mask.argmax(axis=2))
    legal = np.flatnonzero(sim.mask[0, 0])
    rng = np.random.default_rng(0)
    greedy = make_policy("best-fit").act(sim, sim.keys())[0][0, 0]
    for name, epsilon in (("best-fit", 0.3), ("random", 0.0), ("random", 0.5)):
        policy = make_policy(name, epsilon=epsilon)
        counts, said = np.zeros(sim.actions), {}
        draws = 20_000
        for bits in rng.integers(0, 2**63, draws, dtype=np.uint64) * np.uint64(2):
            action, chance = policy.act(sim, np.array([[bits]]))
            counts[action[0, 0]] += 1
            said[int(action[0, 0])] = math.exp(chance[0, 0])
        assert set(said) == set(legal.tolist())
        assert sum(said.values()) == pytest.approx(1.0)
        for action, probability in said.items():
            spread = 4 * math.sqrt(probability * (1 - probability) / draws)
            assert counts[action] / draws == pytest.approx(probability, abs=spread)
        if name == "best-fit":
            assert said[int(greedy)] == pytest.approx(0.7 + 0.3 / len(legal))


def test_draws_are_keyed_and_not_counted():
    """What a random policy answers does not depend on what was asked before."""
    scenario = load_scenario("region-prices")
    sim = scenario.simulator(batch=2)
    sim.reset({0: Episode(10, number=3, seed=1), 1: Episode(10, number=4, seed=1)})
    policy = make_policy("random")
    once = policy.act(sim, sim.keys())[0]
    again = policy.act(sim, sim.keys())[0]
    assert (once == again).all()
    assert len(np.unique(sim.keys())) == 6


@pytest.mark.parametrize("rule", ["first-fit", "balance-fit", "best-fit"])
def test_waiting_queue_reference(rule):
    """All 150 episodes of the published benchmark, to the last digit."""
    scenario = load_scenario("waiting", trace=real_trace())
    rows = list(csv.DictReader(reference("waiting_queue.csv").read_text().splitlines()))
    sim = scenario.simulator(batch=len(rows))
    sim.reset({b: Episode(int(row["start"])) for b, row in enumerate(rows)})
    policy = make_policy(rule)
    while sim.running.any():
        sim.step(policy.act(sim, sim.keys())[0])
    for b, row in enumerate(rows):
        metrics = sim.metrics(b)
        assert metrics.requests == metrics.placed == int(row["vms"])
        assert metrics.wait_s == float(row[f"{rule.replace('-', '_')}_wait_s"])


def test_names():
    assert make_policy("cheapest-first+best-fit", epsilon=0.1).name.startswith("cheapest-first+")
    for name in policy_names():
        assert make_policy(name).name == name
        assert about_policy(name)
    with pytest.raises(UnknownNameError, match="did you mean 'server-best-fit'"):
        make_policy("server-bestfit")
    with pytest.raises(UnknownNameError, match="packing rule"):
        make_policy("cheapest-first+bestest")
    with pytest.raises(PolicyError, match="no probability"):
        make_policy("first-fit", epsilon=1.5)
    with pytest.raises(PolicyError, match="publishes none"):
        check_policy(
            make_policy("cheapest-first"), load_scenario("region-prices", summaries="none")
        )
    assert "cheapest-first" not in policy_names(load_scenario("recovering"))
    silent = policy_names(load_scenario("region-prices", summaries="none"))
    assert not {"cheapest-first", "least-loaded", "central-by-summaries"} & set(silent)
    assert {"central", "pass-if-it-would-open-a-server"} <= set(silent)
    assert make_policy("central").needs == "everything"
    for missing in ("random-used-first", "server-best-fit-used-first"):
        with pytest.raises(UnknownNameError):
            make_policy(missing)
    assert "accept-always" in policy_names(load_scenario("region-prices"))


@pytest.mark.parametrize("name", ["best-fit", "balance-fit", "server-best-fit", "random"])
def test_environments_that_have_ended_are_passed_over(name):
    """Also behind the trace's last row, where there is no request to read."""
    scenario = load_scenario("tiny", turned_away="count", horizon=None)
    sim = scenario.simulator(batch=2)
    rows = len(sim.trace)
    sim.reset({0: Episode(rows - 2), 1: Episode(rows - 6)})
    policy = make_policy(name, epsilon=0.5)
    while sim.running.any():
        ended = ~sim.running
        actions, chances = policy.act(sim, sim.keys())
        assert (actions[ended] == sim.actions - 1).all()
        assert (chances[ended] == 0).all()
        sim.step(actions)
    assert sim.state.clock[0, ROW] == rows


def test_rules_that_read_hints_refuse_a_game_that_gives_none():
    """Before a kernel reads what is not there."""
    from vmagent_marl.policies.rollout import blank_tape, roll

    sim = load_scenario("recovering").simulator(batch=2)
    sim.reset({0: Episode(0), 1: Episode(5)})
    for name in ("nilas", "release-fit"):
        with pytest.raises(PolicyError, match="reads lifetime hints and the game gives none"):
            make_policy(name).act(sim, sim.keys())
        with pytest.raises(PolicyError, match="reads lifetime hints and the game gives none"):
            roll(sim, make_policy(name), np.arange(2), blank_tape(sim.layout, 2))
