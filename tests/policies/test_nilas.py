"""Packing by lifetime hints: against plain Python that reads as its definition, and the month."""

from __future__ import annotations

import numpy as np
import pytest
from places import real_trace

from vmagent_marl.errors import PolicyError
from vmagent_marl.evaluation import evaluate
from vmagent_marl.policies import check_policy, make_policy, policy_names
from vmagent_marl.scenario import load_scenario
from vmagent_marl.sim import Simulator
from vmagent_marl.sim.state import HINT, NOW
from vmagent_marl.windows import episode_of

RULES = ("nilas", "release-fit")


def by_definition(rule: str, sim: Simulator, b: int) -> int | None:
    """The slot, or None where none fits."""
    free, node = sim.free[b, 0].astype(float), sim.rules.node[0].astype(float)
    share = (free / node[:, None]).min(axis=0)
    fitting = np.flatnonzero(sim.mask[b, 0, :-1]).tolist()
    now = int(sim.state.clock[b, NOW])
    leaves = now + int(sim.state.clock[b, HINT])

    def added(server: int) -> int:
        return max(0, leaves - max(now, int(sim.state.release[b, 0, server])))

    def order(server: int) -> tuple[float, ...]:
        full = share[2 * server] + share[2 * server + 1]
        release = max(now, int(sim.state.release[b, 0, server]))
        return (added(server), *([release] if rule == "release-fit" else []), full, server)

    servers = sorted({slot // 2 for slot in fitting}, key=order)
    if not servers:
        return None
    return max((s for s in fitting if s // 2 == servers[0]), key=lambda s: (share[s], -s))


@pytest.mark.parametrize("rule", RULES)
@pytest.mark.parametrize("hints", ["exact", {"log_sigma": 1.0}])
def test_it_is_its_definition(rule: str, hints: object) -> None:
    scenario = load_scenario("recovering", turned_away="count", servers=4, hints=hints)
    sim = scenario.simulator(batch=4)
    drawn = [episode_of(scenario, sim.trace, "train", seed=1, number=b) for b in range(4)]
    sim.reset(dict(enumerate(drawn)))
    policy, first_fit = make_policy(rule), make_policy("first-fit")
    full = unlike = 0
    for _ in range(500):
        actions, _ = policy.act(sim, sim.keys())
        for b in range(sim.batch):
            slot = by_definition(rule, sim, b)
            assert actions[b, 0] == (sim.actions - 1 if slot is None else slot)
            full += slot is None
        unlike += int((actions != first_fit.act(sim, sim.keys())[0]).sum())
        sim.step(actions)
    assert full > 10
    assert unlike > 100


def test_it_needs_hints() -> None:
    plain, hinted = load_scenario("recovering"), load_scenario("recovering", hints="exact")
    for rule in RULES:
        assert make_policy(rule).needs == "lifetimes"
        assert rule in policy_names(hinted)
        assert rule not in policy_names(plain)
        with pytest.raises(PolicyError, match=r"reads lifetime hints .* set `hints: exact`"):
            check_policy(make_policy(rule), plain)
        check_policy(make_policy(rule), hinted)
    both = make_policy("cheapest-first+nilas")
    assert both.needs == "summaries and lifetimes"
    with pytest.raises(PolicyError, match="publishes none"):
        check_policy(both, load_scenario("region-prices", summaries="none", hints="exact"))
    with pytest.raises(PolicyError, match="reads lifetime hints"):
        check_policy(both, load_scenario("region-prices"))


def test_hours_of_the_real_month() -> None:
    """Published for true lifetimes: 1.29 times the bound, where first fit needs 1.48."""
    scenario = load_scenario(
        "recovering-l",
        trace=real_trace(),
        turned_away="count",
        reward="server_hours",
        hints="exact",
    )
    scores = evaluate(scenario, [*RULES, "first-fit"], starts=[0])
    over = {}
    for rule in scores.policies:
        metrics = scores.result(rule).played[0].metrics
        assert metrics.turned_away == 0
        over[rule] = metrics.active_server_hours / metrics.server_hours_bound
    assert over["nilas"] == pytest.approx(1.293, abs=5e-4)
    assert over["release-fit"] < 1.2 < over["nilas"] < over["first-fit"]
