"""What was played between two updates of PPO, and how much better it went than was thought."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor


class Segment(NamedTuple):
    """What T requests of B environments and K agents came to."""

    features: Tensor  # (T, B, K, F)
    mask: Tensor  # (T, B, K, A)
    state: Tensor  # (T, B, N), or of no floats where the critic does not read it
    action: Tensor  # (T, B, K)
    log_prob: Tensor  # (T, B, K)
    value: Tensor  # (T, B, K), in units of reward
    reward: Tensor  # (T, B, K)
    counts: Tensor  # (T, B, K) bool: reached, with a choice
    alive: Tensor  # (T, B) bool: a request was decided
    after: Tensor  # (T, B, K) value of what came next: 0 after termination
    goes_on: Tensor  # (T, B) bool: the next row is of the same episode


def advantages_of(played: Segment, gamma: float, gae_lambda: float) -> Tensor:
    """(T, B, K) generalised advantages; none crosses the end of an episode."""
    delta = played.reward + gamma * played.after - played.value
    goes_on = played.goes_on[:, :, None]
    advantages = torch.zeros_like(delta)
    later = torch.zeros_like(delta[0])
    for t in range(len(delta) - 1, -1, -1):
        later = delta[t] + gamma * gae_lambda * goes_on[t] * later
        advantages[t] = later
    return advantages


def less_siblings(advantages: Tensor, alive: Tensor, siblings: int) -> Tensor:
    """Advantages (T, B, K) less the mean of those of a request's other live siblings."""
    requests, batch, clusters = advantages.shape
    grouped = advantages.view(requests, -1, siblings, clusters)
    live = alive.view(requests, -1, siblings, 1)
    others = (live.sum(2, keepdim=True) - 1.0).clamp(min=0.0)
    of_others = (grouped * live).sum(2, keepdim=True) - grouped * live
    less = grouped - of_others / others.clamp(min=1.0)
    return torch.where(live & (others > 0), less, 0.0).view(requests, batch, clusters)
