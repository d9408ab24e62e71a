"""Probabilities over legal actions, against torch's own distribution and against frequencies."""

from __future__ import annotations

import math

import torch
from torch import Tensor
from torch.distributions import Categorical

from vmagent_marl.train.online.masked_categorical import MaskedCategorical


def drawn(rows: int = 64, actions: int = 9) -> tuple[Tensor, Tensor]:
    """Logits, and masks with at least one legal action."""
    generator = torch.Generator().manual_seed(3)
    logits = 5 * torch.randn(rows, actions, generator=generator)
    mask = torch.rand(rows, actions, generator=generator) < 0.5
    mask[torch.arange(rows), torch.randint(actions, (rows,), generator=generator)] = True
    return logits, mask


def test_it_is_torchs_categorical_of_the_legal_part() -> None:
    logits, mask = drawn()
    policy = MaskedCategorical(logits, mask)
    torch.testing.assert_close(policy.probs.sum(1), torch.ones(len(logits)))
    assert (policy.probs[~mask] == 0).all()
    for row, legal in enumerate(mask):
        part = Categorical(logits=logits[row, legal])
        torch.testing.assert_close(policy.probs[row, legal], part.probs)
        torch.testing.assert_close(policy.entropy()[row], part.entropy(), atol=1e-5, rtol=1e-5)
        for place, action in enumerate(legal.nonzero().flatten()):
            told = policy.log_prob(action.expand(len(logits)))[row]
            torch.testing.assert_close(told, part.log_prob(torch.tensor(place)))
        mean = policy.expected(logits)[row]
        torch.testing.assert_close(mean, (part.probs * logits[row, legal]).sum())


def test_gradients_reach_legal_logits_alone() -> None:
    logits, mask = drawn()
    logits.requires_grad_()
    policy = MaskedCategorical(logits, mask)
    action = policy.sample(torch.Generator().manual_seed(0))
    weights = torch.linspace(1, 2, len(logits))
    figures = policy.log_prob(action) + policy.entropy() + policy.expected(torch.ones(9).cumsum(0))
    (figures * weights).sum().backward()
    assert logits.grad is not None
    assert (logits.grad[~mask] == 0).all()
    several = mask.sum(1) > 1
    assert (logits.grad.abs().sum(1)[several] > 0).all()
    assert torch.isfinite(logits.grad).all()


def test_a_single_legal_action_is_certain() -> None:
    policy = MaskedCategorical(torch.tensor([[50.0, -50.0]]), torch.tensor([[False, True]]))
    assert policy.sample(torch.Generator().manual_seed(0)).item() == 1
    assert policy.log_prob(torch.tensor([1])).item() == 0.0
    assert policy.entropy().item() == 0.0


def test_illegal_actions_are_never_drawn_and_legal_ones_by_their_probabilities() -> None:
    """Pearson's chi-square; 4 degrees of freedom pass 18.47 with probability 0.001."""
    number = 100_000
    logits = torch.tensor([2.0, 9.0, -1.0, 0.5, 7.0, 0.0, 1.0])
    mask = torch.tensor([True, False, True, True, False, True, True])
    policy = MaskedCategorical(logits.expand(number, -1), mask.expand(number, -1))
    counts = policy.sample(torch.Generator().manual_seed(1)).bincount(minlength=7)
    assert (counts[~mask] == 0).all()
    expected = number * torch.softmax(logits[mask], 0)
    statistic = ((counts[mask] - expected) ** 2 / expected).sum().item()
    assert statistic < 18.47
    assert not math.isclose(statistic, 0.0)
