"""Whole episodes repeat to the last bit in every form, and what was handed out stays as it was."""

from __future__ import annotations

import copy
import hashlib
import pickle
from typing import Any

import numpy as np
import pytest

import vmagent_marl as vm
from vmagent_marl import catalog
from vmagent_marl.envs.aec import ClusterAECEnv
from vmagent_marl.envs.candidates import Candidates
from vmagent_marl.envs.gym_env import ClusterEnv
from vmagent_marl.envs.vector import ClusterVectorEnv
from vmagent_marl.scenario import load_scenario
from vmagent_marl.sim import Episode

SCENARIOS = catalog.names("scenarios")
FORMS = {"parallel": vm.parallel_env, "aec": vm.env, "gym": ClusterEnv, "vector": ClusterVectorEnv}
ACTIONS = ["slots", "top-3"]
STEPS = 60
TOLD = {  # names in the infos of agents, and in those of all together
    "reached": "reached",
    "effective_action": "effective_action",
    "illegal": "illegal",
    "agent_reward": "agent_rewards",
}


def make(form: str, name: str, actions: str, **options: Any) -> Any:
    """An environment whose episodes have an end within sight."""
    if not isinstance(load_scenario(name).horizon, int):
        options["horizon"] = 50
    if form == "vector":
        options["num_envs"] = 3
    return FORMS[form](name, actions=actions, **options)


def view_of(env: Any) -> Any:
    return env.view if isinstance(env, ClusterVectorEnv) else env.game.view


def begin(env: Any, seed: int) -> Any:
    """All that a reset hands out."""
    if isinstance(env, ClusterAECEnv):
        env.reset(seed=seed)
        return env.observe(env.agent_selection), env.infos
    return env.reset(seed=seed)


def go_on(env: Any, tape: Any) -> Any:
    """One step by the tape, legal mostly; all that it hands out, None where it was the last."""
    mask = view_of(env).mask
    plans = np.where(
        tape.random(mask.shape[:2]) < 0.1, 0, (mask * tape.random(mask.shape)).argmax(2)
    )
    if isinstance(env, ClusterVectorEnv):
        return env.step(plans[:, 0] if mask.shape[1] == 1 else plans)
    if isinstance(env, ClusterEnv):
        if any(env.game.ends):
            return None
        return env.step(plans[0, 0] if mask.shape[1] == 1 else plans[0])
    if any(env.game.ends):
        return None
    if isinstance(env, ClusterAECEnv):
        env.step(int(plans[0, env.possible_agents.index(env.agent_selection)]))
        rewards, infos = dict(env.rewards), env.infos
        return [env.observe(agent) for agent in env.possible_agents], rewards, infos, env.state()
    return *env.step(dict(zip(env.possible_agents, plans[0].tolist(), strict=True))), env.state()


def digest(handed: Any) -> str:
    """Of everything in it, to the last bit."""
    hashed = hashlib.sha256()

    def add(thing: Any) -> None:
        if isinstance(thing, dict):
            for key in thing:
                add(key)
                add(thing[key])
        elif isinstance(thing, tuple | list):
            for item in thing:
                add(item)
        elif isinstance(thing, np.ndarray):
            hashed.update(str((thing.dtype, thing.shape)).encode() + thing.tobytes())
        else:
            hashed.update(repr(thing).encode())

    add(handed)
    return hashed.hexdigest()


def episode(env: Any, seed: int, steps: int = STEPS) -> list[str]:
    """A whole episode's course, or some of several ones."""
    tape, course = np.random.default_rng(seed), [digest(begin(env, seed))]
    for _ in range(steps):
        handed = go_on(env, tape)
        if handed is None:
            break
        course.append(digest(handed))
    return course


@pytest.mark.parametrize("actions", ACTIONS)
@pytest.mark.parametrize("name", SCENARIOS)
@pytest.mark.parametrize("form", FORMS)
def test_whole_episodes_repeat(form: str, name: str, actions: str) -> None:
    """Two environments, and one again after another episode."""
    env, other = make(form, name, actions), make(form, name, actions)
    first = episode(env, 11)
    assert len(first) > 4
    episode(env, 12, 30)
    assert episode(env, 11) == first
    assert episode(other, 11) == first
    assert episode(other, 12) != first


@pytest.mark.parametrize("actions", ACTIONS)
@pytest.mark.parametrize("mask_in", ["obs", "info", "both"])
@pytest.mark.parametrize("form", FORMS)
def test_what_was_handed_out_never_changes(form: str, mask_in: str, actions: str) -> None:
    for name in ("recovering", "region-prices"):
        env, tape = make(form, name, actions, mask_in=mask_in), np.random.default_rng(0)
        handed = [begin(env, 1)]
        digests = [digest(handed[0])]
        for _ in range(STEPS):
            handed.append(go_on(env, tape))
            if handed[-1] is None:
                handed[-1] = begin(env, 2)
            digests.append(digest(handed[-1]))
        if hasattr(env, "restore") and form in ("parallel", "aec"):
            env.restore(env.snapshot())
        assert [digest(thing) for thing in handed] == digests
        assert len(set(digests)) > STEPS // 2


@pytest.mark.parametrize("actions", ACTIONS)
@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("copied", [copy.deepcopy, lambda env: pickle.loads(pickle.dumps(env))])
def test_a_copy_goes_its_own_way(form: str, actions: str, copied: Any) -> None:
    """From where it was taken it plays the same, and neither changes the other."""
    env = make(form, "region-prices", actions, horizon=500)
    episode(env, 5, 40)
    twin = copied(env)
    before = digest(view_of(twin).snapshot())
    assert digest(view_of(env).snapshot()) == before
    futures = []
    for player, other in ((env, twin), (twin, env)):
        held = digest(view_of(other).snapshot())
        tape = np.random.default_rng(3)
        futures.append([digest(go_on(player, tape)) for _ in range(60)])
        assert digest(view_of(other).snapshot()) == held
    assert futures[0] == futures[1]
    assert digest(view_of(env).snapshot()) != before
    assert episode(twin, 9, 20) == episode(env, 9, 20)


@pytest.mark.parametrize("copied", [copy.deepcopy, lambda it: pickle.loads(pickle.dumps(it))])
def test_copies_of_candidates_take_their_simulator_along(copied: Any) -> None:
    view = Candidates(load_scenario("recovering").simulator(batch=2), 4)
    view.reset({0: Episode(0), 1: Episode(900)})
    twin = copied(view)
    assert twin.simulator is not view.simulator
    for _ in range(30):
        view.step(np.zeros((2, 1), np.int64))
    assert (twin.simulator.free != view.simulator.free).any()
    for _ in range(30):
        twin.step(np.zeros((2, 1), np.int64))
    assert digest(twin.snapshot()) == digest(view.snapshot())


@pytest.mark.parametrize("name", SCENARIOS)
@pytest.mark.parametrize("actions", ACTIONS)
def test_all_forms_play_one_game(name: str, actions: str) -> None:
    """The same seed and first legal answers: the same team rewards, and ends."""
    fields = {} if isinstance(load_scenario(name).horizon, int) else {"horizon": 50}
    single = ClusterEnv(name, actions=actions, seed=4, **fields)
    many = ClusterVectorEnv(name, num_envs=2, actions=actions, seed=4, **fields)
    parallel = vm.parallel_env(name, actions=actions, seed=4, **fields)
    single.reset()
    many.reset()
    parallel.reset()
    for _ in range(60):
        plans = view_of(many).mask.argmax(axis=2)
        np.testing.assert_array_equal(single.game.view.mask[0].argmax(axis=1), plans[0])
        alone = single.step(plans[0, 0] if plans.shape[1] == 1 else plans[0])
        batch = many.step(plans[:, 0] if plans.shape[1] == 1 else plans)
        agents = parallel.step(dict(zip(parallel.possible_agents, plans[0].tolist(), strict=True)))
        assert alone[1:4] == (batch[1][0], batch[2][0], batch[3][0])
        assert np.isclose(np.mean(list(agents[1].values())), alone[1])
        np.testing.assert_array_equal(alone[0]["observation"], batch[0]["observation"][0])
        for key in ("agent_rewards", "reached", "effective_action", "illegal", "seconds"):
            np.testing.assert_array_equal(alone[4][key], batch[4][key][0], err_msg=key)
        told = {key: [info[key] for info in agents[4].values()] for key in TOLD}
        for key, of_each in told.items():
            np.testing.assert_array_equal(alone[4][TOLD[key]], of_each, err_msg=key)
        np.testing.assert_array_equal(
            single.action_masks(), alone[0]["action_mask"].reshape(-1).astype(bool)
        )
        stacked = [seen["observation"] for seen in agents[0].values()]
        np.testing.assert_array_equal(
            np.array(stacked).reshape(alone[0]["observation"].shape), alone[0]["observation"]
        )
        if alone[2] or alone[3]:
            break
    assert parallel.agents == [] or not (alone[2] or alone[3])
