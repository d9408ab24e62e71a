"""Batches of decisions in tensors, each taken by one indexing."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor

from vmagent_marl.train.offline.data.decisions import Decisions


class Batch(NamedTuple):
    """N decisions, none of them closing; what is one number each stands in a column (N, 1)."""

    features: Tensor  # (N, inputs) float32
    mask: Tensor  # (N, actions) int8, 1 = legal
    action: Tensor  # int64, as it counted
    reward: Tensor  # float32, discounted up to the next decision
    after: Tensor  # (N, inputs) features at the next decision
    after_mask: Tensor  # (N, actions) all 0 behind a terminated trajectory
    after_action: Tensor  # int64
    terminal: Tensor  # float32, 1 where nothing comes after
    interval: Tensor  # float32, requests up to the next decision


class Batches:
    """Decisions on a device (on the CPU the same memory), drawn with replacement."""

    def __init__(self, decisions: Decisions, *, size: int, device: str) -> None:
        def column(values: Any, dtype: torch.dtype = torch.float32) -> Tensor:
            return torch.from_numpy(values).to(device, dtype)[:, None]

        self.size, self.device = size, device
        self._rows = np.flatnonzero(~decisions.closing)
        self._features = torch.from_numpy(decisions.features).to(device)
        self._mask = torch.from_numpy(decisions.mask).to(device)
        self._action = column(decisions.action, torch.int64)
        self._reward = column(decisions.reward)
        self._terminal = column(decisions.terminal)
        self._interval = column(decisions.interval)
        self.reseed(0)

    def reseed(self, *seed: int) -> None:
        """Draw from these numbers on."""
        self._generator = np.random.default_rng(seed)

    def draw(self) -> Batch:
        """The next `size` decisions, each as likely."""
        return self.at(torch.from_numpy(self._generator.choice(self._rows, self.size)))

    def at(self, rows: Tensor) -> Batch:
        """The decisions at these rows (N,)."""
        rows = rows.to(self.device)
        after = rows + 1
        return Batch(
            features=self._features.index_select(0, rows),
            mask=self._mask.index_select(0, rows),
            action=self._action.index_select(0, rows),
            reward=self._reward.index_select(0, rows),
            after=self._features.index_select(0, after),
            after_mask=self._mask.index_select(0, after),
            after_action=self._action.index_select(0, after),
            terminal=self._terminal.index_select(0, rows),
            interval=self._interval.index_select(0, rows),
        )
