"""The greedy rule that sees everything: a reference; and what clusters can follow of it."""

import numpy as np

from vmagent_marl.episodes.collecting.reference import reference_scores
from vmagent_marl.evaluation import evaluate
from vmagent_marl.policies import make_policy, policy_names
from vmagent_marl.scenario import load_scenario
from vmagent_marl.sim import Episode
from vmagent_marl.sim.state import HOME, ROW


def test_a_cluster_that_is_down_is_nobodys_choice():
    """Central greedy sends no VM where it cannot run, and nobody waits for that cluster."""
    outage = {"cluster": 0, "at": 100, "seconds": 10**7}
    scenario = load_scenario("region-prices", outages=[outage])
    sim = scenario.simulator(batch=1)
    sim.reset({0: Episode(0)})
    policy, before = make_policy("central"), sim.snapshot()
    for _ in range(200):
        sim.step(policy.act(sim, sim.keys())[0])
    metrics = sim.metrics(0)
    assert sim.state.clock[0, ROW] - before.clock[0, ROW] == 200
    assert metrics.turned_away == 0
    assert sim.state.vms_on[0, 0].sum() == 0
    assert sim.state.vms_on[0, 1].sum() > 0


def test_it_is_shown_and_is_nobodys_reference():
    """Scores are normalised by the best rule that clusters can follow by themselves."""
    scenario = load_scenario("region-prices", servers=3, horizon=300)
    assert "central" in policy_names(scenario)
    players = ["random", "accept-always", "central", "central+best-fit"]
    scores = evaluate(scenario, players, windows="train", episodes=4)
    assert all(name.startswith("central") for name in scores.ranked[:2])
    assert scores.reference == "accept-always"
    references = reference_scores(scenario, episodes=8)
    assert "central" not in references.returns
    assert references.best_policy != "central"


def test_it_avoids_opening_servers_then_dear_power_then_hops():
    """One server a cluster; the third request meets clusters in use and not, dear and cheap."""
    day = 86_400
    requests = {
        "requests": [[0, day, 10, 10], [1, day, 10, 10], [2, day, 35, 10], [3, day, 35, 10]],
    }
    scenario = load_scenario(
        "region-prices",
        trace=requests,
        servers=1,
        node_cpu=40,
        power=[0.5, 0.2, 0.2],
        home="round-robin",
        horizon=None,
    )
    sim = scenario.simulator()
    sim.reset({0: Episode(0)})
    policy, taken = make_policy("central+first-fit"), []
    while sim.running[0]:
        sim.step(policy.act(sim, sim.keys())[0])
        taken.append(int(sim.state.effective[0].argmin()))
    # 0: all would open, the nearest of the cheap; 1, 2: that server is in use and fits still;
    # 3, whose home is the dear one: it does not fit there any more, and the other cheap one opens
    assert taken == [1, 1, 1, 2]


def homes_and_takers(scenario, rule):
    """(requests, 64) each: whom VMs were offered to first, and who took them."""
    sim = scenario.simulator(batch=64)
    sim.reset({b: Episode(0, number=b) for b in range(sim.batch)})
    policy, homes, takers = make_policy(rule), [], []
    while sim.running.any():
        homes.append(sim.state.clock[:, HOME].copy())
        sim.step(policy.act(sim, sim.keys())[0])
        takers.append(sim.state.effective.argmin(axis=1))
    return np.array(homes), np.array(takers)


def test_by_summaries_it_asks_for_room_for_four():
    """One server of 80 vCPU each: the dear home passes what the cheap one likely takes."""
    day = 86_400
    small, large = [day, 10, 10], [day, 16, 10]
    scenario = load_scenario(
        "region-prices",
        trace={"requests": [[second, *vm] for second, vm in enumerate([small, small, large])]},
        clusters=2,
        servers=1,
        node_cpu=40,
        power=[0.5, 0.2],
        tries=2,
        home="random",
        horizon=None,
    )
    _, by_sight = homes_and_takers(scenario, "central+first-fit")
    homes, by_summaries = homes_and_takers(scenario, "central-by-summaries+first-fit")
    assert (by_sight == 1).all()
    # the first two are small: 40 of 80, then 40 of 70 free, at the cheap cluster; then 64 of 60
    assert (by_summaries[:2] == 1).all()
    assert (by_summaries[2] == homes[2]).all()
    assert set(homes[2].tolist()) == {0, 1}
