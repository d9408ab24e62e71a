from __future__ import annotations

import pytest
import torch

from vmagent_marl.train.mixers import Mixer, Mixing, MonotonicMixer, SumMixer, new_mixer


@pytest.fixture
def mixer() -> MonotonicMixer:
    torch.manual_seed(0)
    return MonotonicMixer(agents=3, state_size=5, width=8)


def test_the_teams_value_rises_with_every_agents(mixer: MonotonicMixer) -> None:
    values = (10 * torch.randn(500, 3)).requires_grad_()
    mixer(values, torch.randn(500, 5)).sum().backward()
    assert values.grad is not None
    assert (values.grad >= 0).all()
    assert (values.grad > 0).float().mean() > 0.99


def test_the_state_decides_how_much_an_agent_counts(mixer: MonotonicMixer) -> None:
    values = torch.randn(1, 3).repeat(2, 1).requires_grad_()
    mixer(values, torch.randn(2, 5)).sum().backward()
    assert values.grad is not None
    assert not torch.allclose(values.grad[0], values.grad[1])


def test_gradients_reach_every_parameter(mixer: MonotonicMixer) -> None:
    mixer(torch.randn(64, 3), torch.randn(64, 5)).square().sum().backward()
    for name, parameter in mixer.named_parameters():
        assert parameter.grad is not None, name
        assert parameter.grad.abs().sum() > 0, name


def test_the_monotonic_mixer_is_what_its_formula_says(mixer: MonotonicMixer) -> None:
    values, state = torch.randn(1, 3), torch.randn(1, 5)
    hidden = mixer.first_bias(state)[0].clone()
    weight = mixer.first_weight(state)[0]
    for agent in range(3):
        hidden += values[0, agent] * weight[8 * agent : 8 * agent + 8].abs()
    hidden = torch.where(hidden > 0, hidden, hidden.exp() - 1)
    wanted = (hidden * mixer.last_weight(state)[0].abs()).sum() + mixer.last_bias(state)[0, 0]
    assert torch.allclose(mixer(values, state)[0], wanted, atol=1e-6)


@pytest.mark.parametrize("mixing", ["sum", "monotonic"])
def test_several_answers_to_one_state_are_mixed_each_as_if_alone(mixing: Mixing) -> None:
    torch.manual_seed(0)
    mixer = new_mixer(mixing, agents=3, state_size=5, width=8)
    values, state = torch.randn(6, 2, 4, 3), torch.randn(6, 5)
    together = mixer(values, state)
    assert together.shape == (6, 2, 4)
    for i in range(2):
        for j in range(4):
            torch.testing.assert_close(together[:, i, j], mixer(values[:, i, j], state))


def test_the_sum_is_a_sum_and_one_agent_is_itself() -> None:
    values = torch.randn(4, 3)
    assert torch.equal(SumMixer()(values, torch.empty(4, 0)), values.sum(1))
    assert torch.equal(SumMixer()(values[:, :1], torch.empty(4, 0)), values[:, 0])


@pytest.mark.parametrize(
    ("mixing", "kind"), [("none", SumMixer), ("sum", SumMixer), ("monotonic", MonotonicMixer)]
)
def test_a_mixer_has_a_name(mixing: Mixing, kind: type[Mixer]) -> None:
    assert type(new_mixer(mixing, agents=2, state_size=4, width=8)) is kind
