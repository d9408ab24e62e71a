"""What was played, remembered for a while: joint transitions, or each agent's decisions."""

from __future__ import annotations

from typing import Any, NamedTuple

import torch
from torch import Tensor


class Seen(NamedTuple):
    """What B environments showed before a request was decided."""

    features: Tensor  # (B, K, F)
    mask: Tensor  # (B, K, A) bool
    state: Tensor  # (B, S)


class Transitions(NamedTuple):
    """N decisions of M agents each: of one agent, or of all at once."""

    features: Tensor  # (N, M, F)
    mask: Tensor  # (N, M, A) bool
    action: Tensor  # (N, M)
    state: Tensor  # (N, S)
    earned: Tensor  # (N,) discounted sum of the rewards until the next decision
    discount: Tensor  # (N,) of the value of the next decision; 0: there is none
    next_features: Tensor  # (N, M, F)
    next_mask: Tensor  # (N, M, A) bool
    next_state: Tensor  # (N, S)


class JointReplay:
    """A ring of T rows, each of what B environments showed at one request, oldest overwritten.

    J deciders answer: every agent by itself (J = K), or all as one (J = 1). A decision lasts until
    the same decider's next one, t' - t requests later: it earns the rewards of these requests, each
    discounted, and is followed by gamma^(t' - t) times the value of the next (a semi-Markov
    process; Sutton, Precup & Singh 1999). Only decisions whose end is known are sampled; what
    follows lies in a later row, so it is overwritten later too.
    """

    def __init__(self, rows: int, seen: Seen, deciders: int, gamma: float) -> None:
        batch, device = len(seen.features), seen.features.device

        def ring(*shape: int, dtype: torch.dtype = torch.float32) -> Tensor:
            return torch.zeros(rows, *shape, dtype=dtype, device=device)

        self.rows, self.deciders, self.gamma = rows, deciders, gamma
        self.agents = seen.features.shape[1]
        self.count = 0  # rows written so far, those that were overwritten too
        self.columns = {name: ring(*x.shape, dtype=x.dtype) for name, x in seen._asdict().items()}
        self.columns["action"] = ring(batch, self.agents, dtype=torch.int64)
        self.columns["earned"] = ring(batch, deciders)
        self.columns["discount"] = ring(batch, deciders)
        self.columns["following"] = ring(batch, deciders, dtype=torch.int64)
        self.columns["known"] = ring(batch, deciders, dtype=torch.bool)
        shape = batch, deciders
        self.pending = {  # the decisions that last
            "since": torch.full(shape, -1, device=device),  # row as counted; -1: none
            "earned": torch.zeros(shape, device=device),
            "discount": torch.ones(shape, device=device),
        }

    def add(
        self, seen: Seen, action: Tensor, decided: Tensor, reward: Tensor, ended: Tensor
    ) -> None:
        """A request's row: answers (B, K), who decided (B, J), rewards (B, J), terminated (B,)."""
        self._write(seen, action)
        self._finish(decided)
        pending = self.pending
        pending["since"] = torch.where(decided, self.count, pending["since"])
        pending["earned"] = torch.where(decided, 0.0, pending["earned"])
        pending["discount"] = torch.where(decided, 1.0, pending["discount"])
        pending["earned"] = pending["earned"] + pending["discount"] * reward
        pending["discount"] = pending["discount"] * self.gamma
        pending["discount"] = torch.where(ended[:, None], 0.0, pending["discount"])
        self._finish(ended[:, None].expand_as(decided))
        self.count += 1

    def cut(self, seen: Seen, truncated: Tensor, asked: Tensor) -> None:
        """A row of what truncated environments (B,) show last, which nobody decides.

        There the decisions of those end who are asked (B, J). Those of the others are forgotten:
        what such a request, which never reaches them, is worth to them nothing has taught.
        """
        self._write(seen, torch.zeros_like(self.columns["action"][0]))
        self._finish(truncated[:, None] & asked)
        self.pending["since"] = torch.where(truncated[:, None], -1, self.pending["since"])
        self.count += 1

    def _write(self, seen: Seen, action: Tensor) -> None:
        at = self.count % self.rows
        for name, values in seen._asdict().items():
            self.columns[name][at] = values
        self.columns["action"][at] = action
        self.columns["known"][at] = False

    def _finish(self, over: Tensor) -> None:
        """Pending decisions that are over (B, J) end with the row that is being written."""
        since = self.pending["since"]
        b, j = (over & (since >= 0) & (since > self.count - self.rows)).nonzero(as_tuple=True)
        row = since[b, j] % self.rows
        self.columns["earned"][row, b, j] = self.pending["earned"][b, j]
        self.columns["discount"][row, b, j] = self.pending["discount"][b, j]
        self.columns["following"][row, b, j] = self.count % self.rows
        self.columns["known"][row, b, j] = True
        self.pending["since"] = torch.where(over, -1, since)

    def known(self) -> Tensor:
        """Places of the decisions whose end is known, to be drawn from."""
        return self.columns["known"].flatten().nonzero().squeeze(1)

    def at(self, places: Tensor) -> Transitions:
        """The decisions at N of these places."""
        columns, deciders = self.columns, self.deciders
        batch = columns["known"].shape[1]
        row = torch.div(places, batch * deciders, rounding_mode="floor")
        b = torch.div(places, deciders, rounding_mode="floor") % batch
        j = places % deciders
        who = torch.arange(self.agents, device=places.device)[None]
        if deciders > 1:
            who = j[:, None]
        following = columns["following"][row, b, j]
        return Transitions(
            features=columns["features"][row[:, None], b[:, None], who],
            mask=columns["mask"][row[:, None], b[:, None], who],
            action=columns["action"][row[:, None], b[:, None], who],
            state=columns["state"][row, b],
            earned=columns["earned"][row, b, j],
            discount=columns["discount"][row, b, j],
            next_features=columns["features"][following[:, None], b[:, None], who],
            next_mask=columns["mask"][following[:, None], b[:, None], who],
            next_state=columns["state"][following, b],
        )

    def state_dict(self) -> dict[str, Any]:
        """All that is remembered."""
        held = min(self.count, self.rows)
        return {
            "count": self.count,
            "columns": {name: column[:held].clone() for name, column in self.columns.items()},
            "pending": {name: values.clone() for name, values in self.pending.items()},
        }

    def load_state_dict(self, content: dict[str, Any]) -> None:
        """Go on from there."""
        self.count = content["count"]
        for name, column in self.columns.items():
            column.zero_()
            column[: len(content["columns"][name])] = content["columns"][name]
        for name, values in self.pending.items():
            self.pending[name] = content["pending"][name].to(values.device)
