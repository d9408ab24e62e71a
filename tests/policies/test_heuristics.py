"""Heuristics against plain Python that reads as their definitions, and exact references."""

import csv
import math

import numpy as np
import pytest
from places import real_trace, reference

from vmagent_marl.errors import PolicyError, UnknownNameError
from vmagent_marl.policies import about_policy, check_policy, make_policy, policy_names
from vmagent_marl.scenario import load_scenario
from vmagent_marl.sim import Episode
from vmagent_marl.sim.state import HOME, ROW
from vmagent_marl.windows import episode_of


def share(sim, b, k, slot):
    free = sim.free[b, k, :, slot]
    return min(
        float(free[0]) / float(sim.rules.node[k, 0]), float(free[1]) / float(sim.rules.node[k, 1])
    )


def slow_pack(rule, sim, b, k):
    """The slot by the rule's definition, or None."""
    mask = sim.mask[b, k]
    fitting = [slot for slot in range(mask.size - 1) if mask[slot]]
    if not fitting:
        return None
    halved = bool(sim.feed.halved[sim.state.clock[b, ROW]])

    def room(slot):
        return share(sim, b, k, slot) + (share(sim, b, k, slot + 1) if halved else 0.0)

    def both(server):
        return share(sim, b, k, 2 * server) + share(sim, b, k, 2 * server + 1)

    def emptier(server):
        return max(
            (s for s in fitting if s // 2 == server), key=lambda s: (share(sim, b, k, s), -s)
        )

    servers = sorted({slot // 2 for slot in fitting})
    if rule == "first-fit":
        return fitting[0]
    if rule == "best-fit":
        return min(fitting, key=room)
    if rule == "worst-fit":
        return max(fitting, key=lambda slot: (room(slot), -slot))
    if rule == "server-best-fit":
        return emptier(min(servers, key=both))
    if rule == "first-server-emptier-node":
        return emptier(servers[0])

    def difference(server):
        return abs(share(sim, b, k, 2 * server) - share(sim, b, k, 2 * server + 1))

    most = max(difference(server) for server in servers)
    if halved or most == 0:
        return fitting[0]
    return emptier(next(server for server in servers if difference(server) == most))


@pytest.mark.parametrize(
    "rule",
    [
        "first-fit",
        "best-fit",
        "worst-fit",
        "server-best-fit",
        "first-server-emptier-node",
        "balance-fit",
    ],
)
def test_packing_is_its_definition(rule):
    scenario = load_scenario("recovering", turned_away="count", servers=2)
    sim = scenario.simulator(batch=6)
    sim.reset(
        {b: episode_of(scenario, sim.trace, "train", seed=1, number=b) for b in range(sim.batch)}
    )
    policy, noise = make_policy(rule), make_policy("random")
    kinds = set()
    for step in range(400):
        actions, chances = policy.act(sim, sim.keys())
        for b in range(sim.batch):
            slot = slow_pack(rule, sim, b, 0)
            assert actions[b, 0] == (sim.actions - 1 if slot is None else slot)
            kinds.add((slot is None, bool(sim.feed.halved[sim.state.clock[b, ROW]])))
        assert (chances == 0).all()
        sim.step(noise.act(sim, sim.keys())[0] if step % 3 else actions)
    assert len(kinds) == 4  # VMs that fit nowhere and that do, halved and not


@pytest.mark.parametrize("rule", ["cheapest-first", "pass-unless-cheapest-or-last"])
@pytest.mark.parametrize("tries", [2, 3])
def test_passing_is_its_definition(rule, tries):
    scenario = load_scenario("region-prices", tries=tries)
    sim = scenario.simulator(batch=4)
    sim.reset(
        {b: episode_of(scenario, sim.trace, "train", seed=2, number=b) for b in range(sim.batch)}
    )
    policy, power = make_policy(rule), sim.rules.power
    passed = kept = 0
    for _ in range(600):
        actions, _ = policy.act(sim, sim.keys())
        for b in range(sim.batch):
            row, home = sim.state.clock[b, ROW], sim.state.clock[b, HOME]
            chain = [(home + position) % 3 for position in range(tries)]
            for position, k in enumerate(chain):
                slot = slow_pack("server-best-fit", sim, b, k)
                cheaper = [j for j in chain[position + 1 :] if power[j] < power[k]]
                if rule == "cheapest-first":
                    total = sim.feed.total[row]
                    room = sim.state.published[b].astype(float)[:, :2] * 6 * 2 * sim.rules.node
                    cheaper = [j for j in cheaper if (room[j] >= total).all()]
                passes = slot is None or bool(cheaper)
                assert actions[b, k] == (sim.actions - 1 if passes else slot)
                passed += passes and slot is not None
                kept += not passes
        sim.step(actions)
    assert passed > 100
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
