"""Gymnasium's vector form: the same episodes, and the next-step autoreset it declares."""

import numpy as np
import pytest
from adapters.replays import ENDS, Numbers, Replays, plans_for
from gymnasium.vector import AutoresetMode

import vmagent_marl as vm


@pytest.mark.parametrize(("name", "fields"), ENDS)
def test_episodes_are_ours(name, fields):
    env = vm.vector_env(name, 3, **fields)
    assert env.metadata["autoreset_mode"] is AutoresetMode.NEXT_STEP
    replays, numbers, ends = Replays(name, 5, **fields), Numbers(3), 0
    seen, _ = env.reset(seed=5)
    over = np.zeros(3, bool)
    for _ in range(200):
        plans, expected = [], []
        for b in range(3):
            mask = seen["action_mask"][b]
            if over[b]:  # whatever its action, the next episode begins
                plans.append(np.zeros(np.atleast_2d(mask).shape[0], np.int64))
                expected.append(None)
                continue
            now = replays.at(numbers.number[b], numbers.request[b])
            assert (seen["observation"][b] == now.seen).all()
            assert (mask == now.mask).all()
            plans.append(plans_for(numbers.number[b], numbers.request[b], mask))
            expected.append(now)
        actions = np.array(plans).reshape(env.action_space.shape)
        seen, rewards, terminated, truncated, _ = env.step(actions)
        for b, now in enumerate(expected):
            if now is None:
                assert rewards[b] == 0
                continue
            assert rewards[b] == pytest.approx(now.reward.mean(), rel=1e-12)
            assert (terminated[b], truncated[b]) == (now.terminated, now.truncated)
            assert (seen["observation"][b] == now.seen_after).all()
        for b in np.flatnonzero(~over):
            numbers.request[b] += 1
        over = terminated | truncated
        for b in np.flatnonzero(over):
            numbers.number[b], numbers.request[b] = numbers.following, 0
            numbers.following += 1
        ends += int(over.sum())
    assert ends >= 6
