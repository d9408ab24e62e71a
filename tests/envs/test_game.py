"""One game in two forms: determinism, equality of the forms, and what is handed out."""

import numpy as np
import pytest

import vmagent_marl as vm
from vmagent_marl import catalog
from vmagent_marl.errors import ActionError, ScenarioError, UnknownNameError

SCENARIOS = catalog.names("scenarios")
SEVERAL_TRIES = {"region-prices": [1, 2, 3]}


def plans_of(seed):
    """An answer by (request, agent) alone, so that the order of asking cannot matter."""

    def answer(request, k, mask):
        rng = np.random.default_rng((seed, request, k))
        if rng.random() < 0.05:
            return int(rng.integers(mask.size))  # legal or not
        return int(rng.choice(np.flatnonzero(mask)))

    return answer


def play_parallel(env, answer, seed, requests):
    observations, infos = env.reset(seed=seed)
    course = []
    for request in range(requests):
        if not env.agents:
            break
        plans = {
            agent: answer(request, k, observations[agent]["action_mask"])
            for k, agent in enumerate(env.possible_agents)
        }
        state = env.state()
        observations, rewards, terminations, truncations, infos = env.step(plans)
        course.append(
            (
                state.tobytes(),
                tuple(env.game.simulator.state.outcome[0].tolist()),
                tuple(rewards.values()),
                tuple(terminations.values()),
                tuple(truncations.values()),
                tuple(info["effective_action"] for info in infos.values()),
                tuple(info["illegal"] and info["reached"] for info in infos.values()),
                tuple(observations[agent]["observation"].tobytes() for agent in rewards),
            )
        )
    return course


def play_aec(env, answer, seed, requests):
    env.reset(seed=seed)
    course, request, state = [], 0, env.state()
    while request < requests and env.agents and not any(env.terminations.values()):
        agent = env.agent_selection
        k = env.possible_agents.index(agent)
        before = env.game.simulator.number(0)
        env.step(answer(request, k, env.observe(agent)["action_mask"]))
        ended = env.terminations[agent] or env.truncations[agent]
        if env.game.simulator.number(0) == before and not ended:
            assert state.tobytes() == env.state().tobytes()  # a pass changes nothing
            assert set(env.rewards.values()) == {0.0}
            continue
        course.append(
            (
                state.tobytes(),
                tuple(env.game.simulator.state.outcome[0].tolist()),
                tuple(env.rewards.values()),
                tuple(env.terminations.values()),
                tuple(env.truncations.values()),
                tuple(info["effective_action"] for info in env.infos.values()),
                tuple(info["illegal"] for info in env.infos.values()),
                tuple(env.observe(agent)["observation"].tobytes() for agent in env.possible_agents),
            )
        )
        request, state = request + 1, env.state()
        if any(env.truncations.values()):
            break
    return course


@pytest.mark.parametrize(
    ("name", "tries"),
    [(name, tries) for name in SCENARIOS for tries in SEVERAL_TRIES.get(name, [None])],
)
@pytest.mark.parametrize("state", ["public", "privileged"])
def test_aec_equals_parallel(name, tries, state):
    fields = {"tries": tries, "state": state}
    if name == "tiny":
        fields["turned_away"] = "count"  # else it is over after a few random answers
    parallel = play_parallel(vm.parallel_env(name, **fields), plans_of(1), 7, 250)
    turns = play_aec(vm.env(name, **fields), plans_of(1), 7, 250)
    assert len(parallel) > 20
    assert parallel == turns


def test_reset_without_seed_goes_on_to_the_next_episode():
    env = vm.parallel_env("recovering", seed=4)
    env.reset()
    first = env.state()
    env.reset()
    assert (env.state() != first).any()
    env.reset(seed=4)
    assert (env.state() == first).all()
    env.reset(options={"number": 0})
    assert (env.state() == first).all()


def test_a_reset_that_is_refused_leaves_the_game_as_it_was():
    env, same = vm.parallel_env("region-prices", seed=3), vm.parallel_env("region-prices", seed=3)
    for each in (env, same):
        each.reset()
    for options in ({"start": -1}, {"start": 5, "stop": 4}, {"start": 0, "number": "five"}):
        before = env.state().tobytes()
        with pytest.raises((ScenarioError, ValueError)):
            env.reset(seed=8, options=options)
        assert env.state().tobytes() == before
    for each in (env, same):
        each.reset()
    assert env.state().tobytes() == same.state().tobytes()


def test_observations_do_not_change_later():
    env = vm.parallel_env("region-prices", mask_in="both")
    observations, infos = env.reset(seed=0)
    before = observations["cluster_0"]["observation"].copy()
    masks = infos["cluster_0"]["action_mask"].copy()
    for _ in range(30):
        _, _, _, _, later = env.step(dict.fromkeys(env.agents, 0))
    assert (observations["cluster_0"]["observation"] == before).all()
    assert (infos["cluster_0"]["action_mask"] == masks).all()
    assert (env.observations()["cluster_0"]["observation"] != before).any()
    assert later["cluster_0"] is not infos["cluster_0"]


def test_spaces_are_the_same_objects():
    for env in (vm.parallel_env("region-prices"), vm.env("region-prices")):
        for agent in env.possible_agents:
            assert env.observation_space(agent) is env.observation_space(agent)
            assert env.action_space(agent) is env.action_space(agent)


@pytest.mark.parametrize("make", [vm.parallel_env, vm.env])
@pytest.mark.parametrize("actions", ["slots", "top-3"])
def test_snapshot_brings_everything_back(make, actions):
    env = make("region-prices", actions=actions)
    play = play_parallel if make is vm.parallel_env else play_aec
    play(env, plans_of(5), 1, 40)
    snapshot = env.snapshot()
    futures = []
    for _ in range(2):
        env.restore(snapshot)
        future = []
        for request in range(30):
            if make is vm.parallel_env:
                masks = env.game.view.mask[0]
                env.step({a: int(masks[k].argmax()) for k, a in enumerate(env.agents)})
            else:
                k = env.possible_agents.index(env.agent_selection)
                env.step(int(env.game.view.mask[0, k].argmax()))
            future.append((request, env.state().tobytes()))
        futures.append(future)
    assert futures[0] == futures[1]


def test_illegal_actions_are_reported_and_tolerated():
    with pytest.warns(UserWarning, match="larger than any server"):
        env = vm.parallel_env("region-prices", node_cpu=1, node_memory=1, servers=1)
    observations, _ = env.reset(seed=0)
    illegal = 0
    for _ in range(20):
        plans = {agent: 0 for agent in env.agents}
        masks = {agent: observations[agent]["action_mask"] for agent in env.agents}
        observations, _, _, _, infos = env.step(plans)
        for agent in env.agents:
            if not masks[agent][0] and masks[agent][2]:
                assert infos[agent]["illegal"]
                assert infos[agent]["effective_action"] == 2
                illegal += 1
    assert illegal > 0


def test_out_of_range_and_wrong_use_say_what_to_do():
    env = vm.parallel_env("region-prices")
    with pytest.raises(ActionError, match="call reset"):
        env.step({"cluster_0": 0, "cluster_1": 0, "cluster_2": 0})
    env.reset(seed=0)
    with pytest.raises(ActionError, match=r"action 13 of cluster_1 .* give 0 to 12"):
        env.step({"cluster_0": 0, "cluster_1": 13, "cluster_2": 0})
    with pytest.raises(ActionError, match="cluster_2"):
        env.step({"cluster_0": 0, "cluster_1": 1})
    turns = vm.env("region-prices")
    turns.reset(seed=0)
    with pytest.raises(ActionError, match="Discrete"):
        turns.step(-1)
    with pytest.raises(UnknownNameError, match="did you mean 'validation'"):
        vm.parallel_env("recovering", window="validaton")
    with pytest.raises(UnknownNameError, match="mask_in"):
        vm.parallel_env("recovering", mask_in="observation")
    with pytest.raises(ScenarioError, match="render_mode"):
        vm.parallel_env("recovering", render_mode="humans")


def test_windows_keep_to_their_rows():
    """An episode of one window never touches a row of another."""
    for window, rows in {"train": (0, 50_000), "validation": (50_000, 70_000)}.items():
        env = vm.parallel_env("recovering", window=window)
        for number in range(30):
            env.reset(seed=0, options={"number": number})
            clock = env.game.simulator.state.clock[0]
            assert rows[0] <= clock[2] < clock[4] == rows[1]
