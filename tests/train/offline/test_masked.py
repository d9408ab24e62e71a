from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from d3rlpy import load_learnable
from d3rlpy.models.torch import compute_discrete_imitation_loss
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from train.offline import learners

from vmagent_marl.policies.networks import ILLEGAL
from vmagent_marl.train.offline.on_d3rlpy.d3rlpy_learner import acting_network
from vmagent_marl.train.offline.on_d3rlpy.masked import imitation
from vmagent_marl.train.offline.on_d3rlpy.quiet_d3rlpy import TransitionMiniBatch

FEATURES, ACTIONS = 3, 5


MAKE = {"cql": learners.cql, "dqn": learners.dqn, "bcq": learners.bcq, "sac": learners.sac}
ALL = (*MAKE, "bc")


def make(algorithm: str, *, seed: int = 0, **fields: Any) -> Any:
    torch.manual_seed(seed)
    config = {**MAKE, "bc": learners.bc}[algorithm](
        hidden=(16, 16), **{"learning_rate": 1e-2, **fields}
    )
    learner = config.create()
    learner.create_impl(((FEATURES,), (ACTIONS,)), ACTIONS)
    return learner


def batch(
    mask: NDArray[np.float32],
    action: NDArray[np.int64],
    reward: NDArray[np.float64] | float = 0.0,
    terminal: float = 1.0,
    features: NDArray[np.float32] | None = None,
    after: tuple[NDArray[np.float32], NDArray[np.float32]] | None = None,
) -> Any:
    rows = len(mask)
    if features is None:
        features = np.ones((rows, FEATURES), np.float32)
    column = np.ones((rows, 1), np.float32)
    return TransitionMiniBatch(
        observations=[features, mask],
        actions=action[:, None].astype(np.float32),
        rewards=column * np.reshape(reward, (-1, 1)).astype(np.float32),
        next_observations=list(after or (np.zeros_like(features), np.zeros_like(mask))),
        next_actions=0 * column,
        terminals=np.float32(terminal) * column,
        intervals=column,
        transitions=[],
    )


def random_masks(draw: np.random.Generator, rows: int) -> NDArray[np.float32]:
    mask = draw.integers(0, 2, (rows, ACTIONS)).astype(np.float32)
    mask[np.arange(rows), draw.integers(0, ACTIONS, rows)] = 1
    return mask


def parameters(learner: Any) -> list[torch.Tensor]:
    return [p.detach().clone() for p in acting_network(learner).parameters()]


@pytest.mark.parametrize("algorithm", ALL)
@settings(max_examples=10, deadline=None)
@given(seed=st.integers(0, 2**32 - 1))
def test_illegal_actions_never_win(algorithm: str, seed: int) -> None:
    draw = np.random.default_rng(seed)
    learner = make(algorithm, seed=seed)
    mask = random_masks(draw, 64)
    features = draw.normal(scale=100.0, size=(64, FEATURES)).astype(np.float32)
    for _ in range(2):  # before and after an update whose rewards are all bad
        chosen = learner.predict([features, mask])
        assert (mask[np.arange(64), chosen] == 1).all()
        action = (draw.random(mask.shape) * mask).argmax(axis=1)
        loss = learner.update(
            batch(mask, action, -1e4, 0.0, features, (features, random_masks(draw, 64)))
        )
        assert np.isfinite(list(loss.values())).all()
        assert max(map(abs, loss.values())) < -ILLEGAL / 100  # no fill leaked into them


@pytest.mark.parametrize("algorithm", ["cql", "dqn"])
def test_the_target_of_an_end_ignores_what_is_beyond(algorithm: str) -> None:
    """d3rlpy's next observation is zeros there, the mask too: every value is the fill."""
    learner = make(algorithm, gamma=0.9)
    mask = np.ones((8, ACTIONS), np.float32)
    for _ in range(300):
        learner.update(batch(mask, np.arange(8) % ACTIONS, 2.0))
    value = learner.predict_value([np.ones((8, FEATURES), np.float32), mask], np.zeros(8, np.int64))
    if algorithm == "dqn":
        np.testing.assert_allclose(value, 2.0, atol=0.1)
    assert np.isfinite(value).all()


def test_an_illegal_action_does_not_inflate_the_target() -> None:
    """Action 0 pays 100 where it is legal; the next state forbids it, so its value is 1."""
    learner = make("dqn", gamma=1.0, target_update_interval=20)
    mask = np.ones((4, ACTIONS), np.float32)
    state, later = np.zeros((4, FEATURES), np.float32), np.ones((4, FEATURES), np.float32)
    state[:, 0] = 1.0
    forbidden = mask.copy()
    forbidden[:, 0] = 0
    draw = np.random.default_rng(0)
    for _ in range(600):
        action = draw.integers(0, ACTIONS, 4)
        learner.update(batch(mask, action, np.where(action == 0, 100.0, 1.0), 1.0, later))
        learner.update(batch(mask, action, 0.0, 0.0, state, (later, forbidden)))
    values = learner.predict_value([state, mask], np.arange(1, 5))
    np.testing.assert_allclose(values, 1.0, atol=10.0)  # 100 where the target takes action 0


@pytest.mark.parametrize("algorithm", ALL)
def test_the_best_legal_action_is_learned_where_a_better_one_is_illegal(algorithm: str) -> None:
    """Where all are legal, action 4 pays and is recorded most; where it is not, action 1 does."""
    draw = np.random.default_rng(1)
    learner = make(algorithm, **({"alpha": 0.1} if algorithm == "cql" else {}))
    free = np.ones((32, ACTIONS), np.float32)
    bound = free.copy()
    bound[:, 4] = 0
    for _ in range(150):
        action = np.where(draw.random(32) < 0.8, 4, draw.integers(0, ACTIONS, 32))
        learner.update(batch(free, action, np.where(action == 4, 10.0, 0.0)))
        action = np.where(draw.random(32) < 0.4, 1, draw.integers(0, 4, 32))
        learner.update(batch(bound, action, np.where(action == 1, 1.0, 0.0)))
    features = np.ones((2, FEATURES), np.float32)
    chosen = learner.predict([features, np.stack([free[0], bound[0]])])
    np.testing.assert_array_equal(chosen, [4, 1])


def test_the_imitator_learns_the_shares_among_legal_actions() -> None:
    learner = make("bc")
    mask = np.tile(np.array([1, 0, 1, 0, 0], np.float32), (100, 1))
    action = np.where(np.arange(100) < 75, 0, 2)
    for _ in range(200):
        learner.update(batch(mask, action))
    observation = [torch.ones(1, FEATURES), torch.tensor(mask[:1])]
    chances = learner.impl.modules.imitator(observation).probs[0].detach().numpy()
    np.testing.assert_allclose(chances, [0.75, 0, 0.25, 0, 0], atol=0.02)
    assert (chances[[1, 3, 4]] == 0).all()


def test_the_penalty_leaves_illegal_logits_out() -> None:
    learner = make("bc", beta=0.5)
    mask = np.tile(np.array([1, 0, 1, 0, 0], np.float32), (4, 1))
    loss = learner.update(batch(mask, np.zeros(4, np.int64)))
    assert 0 < loss["regularization_loss"] < 10


@pytest.mark.parametrize("algorithm", ALL)
def test_every_parameter_moves(algorithm: str) -> None:
    learner = make(algorithm)
    before = parameters(learner)
    draw = np.random.default_rng(2)
    features = draw.random((64, FEATURES)).astype(np.float32)
    mask = np.ones((64, ACTIONS), np.float32)
    for _ in range(5):
        learner.update(batch(mask, draw.integers(0, ACTIONS, 64), 1.0, features=features))
    for old, new in zip(before, parameters(learner), strict=True):
        assert not torch.equal(old, new)


@pytest.mark.parametrize("algorithm", ALL)
def test_d3rlpy_saves_and_loads_the_learner(algorithm: str, tmp_path: Path) -> None:
    learner = make(algorithm)
    learner.save(str(tmp_path / "learner.d3"))
    again = load_learnable(str(tmp_path / "learner.d3"))
    draw = np.random.default_rng(3)
    observation = [draw.random((32, FEATURES)).astype(np.float32), random_masks(draw, 32)]
    np.testing.assert_array_equal(learner.predict(observation), again.predict(observation))
    for old, new in zip(parameters(learner), parameters(again), strict=True):
        assert torch.equal(old, new)


@pytest.mark.parametrize("algorithm", ALL)
def test_our_network_says_what_the_learner_says(algorithm: str) -> None:
    learner = make(algorithm)
    draw = np.random.default_rng(4)
    features = draw.random((32, FEATURES)).astype(np.float32)
    for mask in (np.ones((32, ACTIONS), np.float32), random_masks(draw, 32)):
        values = acting_network(learner).legal(torch.tensor(features), torch.tensor(mask))
        np.testing.assert_array_equal(values.argmax(dim=1), learner.predict([features, mask]))
    values = acting_network(learner)(torch.tensor(features))
    free = np.ones((32, ACTIONS), np.float32)
    np.testing.assert_array_equal(values.argmax(dim=1), learner.predict([features, free]))


@pytest.mark.parametrize("beta", [0.0, 0.5])
def test_where_all_is_legal_the_imitators_loss_is_that_of_d3rlpy(beta: float) -> None:
    imitator = make("bc").impl.modules.imitator
    draw = np.random.default_rng(5)
    x = [torch.tensor(draw.random((16, FEATURES)).astype(np.float32)), torch.ones(16, ACTIONS)]
    actions = torch.tensor(draw.integers(0, ACTIONS, (16, 1)))
    ours, theirs = (
        loss_of(imitator, x, actions, beta)
        for loss_of in (imitation, compute_discrete_imitation_loss)
    )
    for part in ("loss", "imitation_loss", "regularization_loss"):
        torch.testing.assert_close(getattr(ours, part), getattr(theirs, part))


def test_masks_find_an_optimum_that_values_alone_miss_and_conservatism_guesses() -> None:
    """What fits where there is just room enough is worth much, and a hair below it is illegal.

    From the start action 2 ends and pays 3, action 1 leads to where it is short of that hair: all
    that is legal there pays 1, and never was action 0 recorded, which pays 10 where it fits. The
    optimum is 3. Without masks double DQN takes the one place for the other; whatever it then
    answers counts as a legal action, and pays 1. CQL distrusts what was not recorded, as nothing
    illegal ever is, and finds the optimum also without.
    """
    start, short, fits = ([1.0, 0.0, 0.0], [0.0, 1.0, 0.49], [0.0, 1.0, 0.5])
    features = np.repeat(np.array([start, short, fits], np.float32), [40, 40, 40], axis=0)
    free = np.ones((120, ACTIONS), np.float32)
    told = free.copy()
    told[40:80, 0] = 0
    action = np.arange(120) % ACTIONS
    action[40:80] = 1 + np.arange(40) % 4
    reward = np.where(features[:, 0] == 1, 3.0 * (action == 2), 1.0)
    reward[80:] = 10.0 * (action[80:] == 0)
    leads = (features[:, 0] == 1) & (action == 1)
    after = np.repeat(np.array([short], np.float32), 120, axis=0)

    def played(algorithm: str, masks: NDArray[np.float32]) -> float:
        learner = make(algorithm, gamma=0.9, target_update_interval=10)
        given = batch(
            masks, action, reward, 1.0, features, (after, np.repeat(masks[40:41], 120, axis=0))
        )
        ends = np.where(leads, 0.0, 1.0).astype(np.float32)[:, None]
        given = replace(given, terminals=ends)
        for _ in range(250):
            learner.update(given)
        first = int(learner.predict([features[:1], masks[:1]])[0])
        return {1: 0.9, 2: 3.0}.get(first, 0.0)  # all that is legal behind action 1 pays 1

    assert played("dqn", told) == 3.0
    assert played("dqn", free) == 0.9
    assert played("cql", free) == 3.0
