"""One game in two forms: every scenario on the shelf, every policy, request by request."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import vmagent_marl as vm
from vmagent_marl import catalog
from vmagent_marl.errors import PolicyError
from vmagent_marl.policies import check_policy, make_policy, policy_names
from vmagent_marl.scenario import load_scenario

REQUESTS = 40
SCENARIOS = catalog.names("scenarios")
PAIRS = [(name, policy) for name in SCENARIOS for policy in policy_names(load_scenario(name))]
Answer = Callable[[Any], Any]  # from an environment to its clusters' plans (K,)


def played_by(policy: str) -> Answer:
    """A policy's answers, which depend on what the environment is in alone."""
    player = make_policy(policy)

    def answer(env: Any) -> Any:
        simulator = env.game.simulator
        return player.act(simulator, simulator.keys())[0][0]

    return answer


def any_choice(env: Any) -> Any:
    """Any legal action of whatever view the environment has, and one in eight outside of it."""
    plans = []
    for bits, (_, mask) in zip(env.game.simulator.keys()[0].tolist(), env.game.seen, strict=True):
        choices = range(len(mask)) if bits % 8 == 0 else np.flatnonzero(mask)
        plans.append(int(choices[bits // 8 % len(choices)]))
    return plans


def play_both(name: str, answer: Answer, **options: Any) -> int:
    """Both forms in step; how many requests were decided. Asserts all that they share."""
    if load_scenario(name).horizon is None:
        options["horizon"] = REQUESTS
    parallel, turns = vm.parallel_env(name, **options), vm.env(name, **options)
    parallel.reset(seed=3)
    turns.reset(seed=3)
    agents = parallel.possible_agents
    for request in range(REQUESTS):
        home = parallel.game.home
        state = parallel.state()
        plans = answer(parallel)
        seen, rewards, terminations, truncations, infos = parallel.step(
            dict(zip(agents, plans, strict=True))
        )
        reached = [k for k, agent in enumerate(agents) if infos[agent]["reached"]]
        asked = [(home + i) % len(agents) for i in range(len(reached))]
        assert sorted(asked) == reached  # the first of the ring from home on, in its order
        for turn, k in enumerate(asked):
            assert turns.agent_selection == agents[k]
            np.testing.assert_array_equal(turns.state(), state)  # a pass changes nothing
            if turn > 0:
                assert set(turns.rewards.values()) == {0.0}
            turns.step(int(answer(turns)[k]))
        assert turns.rewards == rewards
        assert turns.terminations == terminations
        assert turns.truncations == truncations
        np.testing.assert_array_equal(
            turns.game.simulator.state.outcome, parallel.game.simulator.state.outcome
        )
        np.testing.assert_array_equal(turns.state(), parallel.state())
        for k, agent in enumerate(agents):
            for key in ("reached", "effective_action", "agent_reward", "seconds"):
                assert turns.infos[agent][key] == infos[agent][key]
            illegal = infos[agent]["illegal"] and k in reached  # who was not asked did nothing
            assert turns.infos[agent]["illegal"] == illegal
            ours, theirs = turns.observe(agent), seen[agent]
            np.testing.assert_array_equal(ours["observation"], theirs["observation"])
            np.testing.assert_array_equal(ours["action_mask"], theirs["action_mask"])
        if not parallel.agents:
            return request + 1
    return REQUESTS


@pytest.mark.parametrize(("name", "policy"), PAIRS)
def test_a_policy_plays_the_same_in_turns_as_at_once(name: str, policy: str) -> None:
    try:
        check_policy(make_policy(policy), load_scenario(name))
    except PolicyError as error:
        pytest.skip(str(error))
    assert play_both(name, played_by(policy)) > 3


@pytest.mark.parametrize("name", SCENARIOS)
@pytest.mark.parametrize("actions", ["slots", "top-1", "top-4"])
def test_any_answers_count_the_same_in_turns_as_at_once(name: str, actions: str) -> None:
    fields = {"turned_away": "count"} if load_scenario(name).turned_away == "end" else {}
    clusters = load_scenario(name).clusters
    for tries in range(1, clusters + 1):
        tried = {"tries": tries} if clusters > 1 else {}
        played = play_both(name, any_choice, actions=actions, **fields, **tried)
        assert played > 3
