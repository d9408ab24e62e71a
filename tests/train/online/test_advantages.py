"""Advantages against loops written from their definitions; siblings on the stage."""

from __future__ import annotations

import pytest
import torch
from train.online.games import learner_on, small, small_region

from vmagent_marl.errors import SettingError
from vmagent_marl.train.online.advantages import Segment, advantages_of, less_siblings
from vmagent_marl.train.online.stage import Stage

GAMMA, LAMBDA = 0.9, 0.8


def segment(requests: int = 12, batch: int = 5, clusters: int = 2) -> Segment:
    """Drawn figures, with ends of both kinds inside and at the end of it."""
    draw = torch.Generator().manual_seed(7)
    shape = (requests, batch, clusters)
    value, reward = torch.randn(shape, generator=draw), torch.randn(shape, generator=draw)
    ends = torch.rand(requests, batch, generator=draw) < 0.2
    terminated = ends & (torch.rand(requests, batch, generator=draw) < 0.5)
    genuine = torch.randn(shape, generator=draw)  # of the observation behind a truncation, or last
    following = torch.cat([value[1:], genuine[-1:]])
    after = torch.where(ends[:, :, None], genuine, following)
    after = torch.where(terminated[:, :, None], 0.0, after)
    none = torch.zeros(requests, batch, clusters, 0)
    return Segment(
        features=none,
        mask=none,
        state=none[:, :, 0],
        action=torch.zeros(shape, dtype=torch.int64),
        log_prob=torch.zeros(shape),
        value=value,
        reward=reward,
        counts=torch.ones(shape, dtype=torch.bool),
        alive=torch.ones(requests, batch, dtype=torch.bool),
        after=after,
        goes_on=~ends,
    )


@pytest.mark.parametrize("gae_lambda", [0.0, LAMBDA, 1.0])
def test_advantages_are_discounted_sums_of_surprises_up_to_the_episodes_end(
    gae_lambda: float,
) -> None:
    """A_t = sum over l of (gamma lambda)^l (r + gamma V' - V)_(t + l), Schulman et al. 2016, 16."""
    played = segment()
    found = advantages_of(played, GAMMA, gae_lambda)
    requests, batch, clusters = found.shape
    for b in range(batch):
        for k in range(clusters):
            for t in range(requests):
                total, weight = 0.0, 1.0
                for later in range(t, requests):
                    surprise = played.reward[later, b, k] - played.value[later, b, k]
                    surprise = surprise + GAMMA * played.after[later, b, k]
                    total += weight * float(surprise)
                    weight *= GAMMA * gae_lambda
                    if not played.goes_on[later, b]:
                        break
                assert float(found[t, b, k]) == pytest.approx(total, abs=1e-5)


def test_whole_returns_are_the_advantages_of_lambda_one() -> None:
    played = segment()
    returns = advantages_of(played, GAMMA, 1.0) + played.value
    last = played.reward[-1] + GAMMA * played.after[-1]
    torch.testing.assert_close(returns[-1], last)
    goes_on = played.goes_on[:-1, :, None]
    before = played.reward[:-1] + GAMMA * torch.where(goes_on, returns[1:], played.after[:-1])
    torch.testing.assert_close(returns[:-1], before)


def test_what_came_next_is_known_at_every_end() -> None:
    """After termination nothing, after truncation and a segment's end what the critic says."""
    learner = learner_on(small(), batch=16, segment=30, siblings=1)
    kinds: set[str] = set()
    plain_ends, ends = learner.stage.ends, []

    def remembered() -> tuple[torch.Tensor, torch.Tensor]:
        ends.append(plain_ends())
        return ends[-1]

    learner.stage.ends = remembered  # type: ignore[method-assign]
    played = learner._play()
    for t, (terminated, truncated) in enumerate(ends):
        assert (played.after[t][terminated] == 0).all()
        assert (played.after[t][truncated & played.alive[t]] != 0).all()
        assert torch.equal(played.goes_on[t], ~(terminated | truncated))
        kinds |= {"terminated"} if terminated.any() else set()
        kinds |= {"truncated"} if truncated.any() else set()
    assert kinds == {"terminated", "truncated"}
    going = played.goes_on[:-1]
    assert torch.equal(played.after[:-1][going], played.value[1:][going])
    with torch.no_grad():
        last = learner.critic.values(learner.stage.features(), learner.critic.state())
    assert torch.equal(played.after[-1][played.goes_on[-1]], last[played.goes_on[-1]])


def test_siblings_advantages_are_less_the_mean_of_the_others_that_live() -> None:
    draw = torch.Generator().manual_seed(2)
    advantages = torch.randn(4, 6, 2, generator=draw)
    alive = torch.rand(4, 6, generator=draw) < 0.7
    alive[0, :3] = torch.tensor([True, False, False])  # nobody to be held against
    found = less_siblings(advantages, alive, 3)
    for t in range(4):
        for b in range(6):
            family = range(b // 3 * 3, b // 3 * 3 + 3)
            others = [i for i in family if i != b and alive[t, i]]
            for k in range(2):
                expected = 0.0
                if alive[t, b] and others:
                    mean = sum(float(advantages[t, i, k]) for i in others) / len(others)
                    expected = float(advantages[t, b, k]) - mean
                assert float(found[t, b, k]) == pytest.approx(expected, abs=1e-6)


def test_less_siblings_leaves_the_expected_gradient_as_it_is() -> None:
    """Over all pairs of answers of two siblings: sum of p (A - A') grad log p is that of p A."""
    logits = torch.tensor([0.3, -0.8, 1.1], requires_grad=True)
    value = torch.tensor([1.0, 4.0, -2.0]) + 10.0  # what the trace brings is the same for both
    log_probs = torch.log_softmax(logits, 0)
    (plain,) = torch.autograd.grad((log_probs.exp() * value).sum(), logits, retain_graph=True)
    total = torch.zeros(3)
    for first in range(3):
        for second in range(3):
            pair = torch.tensor([first, second])
            less = less_siblings(value[pair].view(1, 2, 1), torch.ones(1, 2, dtype=torch.bool), 2)
            weight = log_probs[first].exp() * log_probs[second].exp()
            gain = (less.flatten() * log_probs[pair]).mean()
            (gradient,) = torch.autograd.grad(gain, logits, retain_graph=True)
            total += weight.detach() * gradient
    torch.testing.assert_close(total, plain)


def test_siblings_begin_together_and_who_ends_first_waits() -> None:
    stage = Stage(small(), batch=6, siblings=3, seed=1)
    draw = torch.Generator().manual_seed(0)
    waited, begun = 0, 0
    for _ in range(200):
        alive = stage.alive.view(2, 3)
        features = stage.features().view(2, 3, -1)
        legal = stage.mask().float()
        stage.step(torch.multinomial(legal[:, 0], 1, generator=draw))
        stays = ~alive.reshape(-1)
        after = stage.features().view(2, 3, -1)
        assert torch.equal(after.reshape(6, -1)[stays], features.reshape(6, -1)[stays])
        assert (stage.rewards()[stays] == 0).all()
        over = ~stage.alive.view(2, 3).any(1)
        waited += int((~alive).any(1).sum())
        stage.renew()
        begun += int(over.sum())
        assert stage.alive.view(2, 3)[over].all()
        for group in over.nonzero().flatten().tolist():
            assert (stage.features().view(2, 3, -1)[group] == stage.features()[3 * group]).all()
        untouched = ~over.repeat_interleave(3)
        assert torch.equal(stage.features()[untouched], after.reshape(6, 1, -1)[untouched])
    assert waited > 10
    assert begun > 10
    assert len(stage.returns) == 3 * begun


def test_siblings_learn_from_live_requests_alone() -> None:
    learner = learner_on(small_region(), siblings=4, batch=8, segment=40)
    figures = learner.advance()
    assert all(torch.isfinite(torch.tensor(value)) for value in figures.values())
    assert 0 < learner.steps <= 8 * 40
    with pytest.raises(SettingError, match="batch: 8 environments are no whole number of groups"):
        learner_on(small(), siblings=3)
