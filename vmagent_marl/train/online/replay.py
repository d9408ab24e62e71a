"""What environments played, remembered for learners that learn from old play.

Prioritised as in Schaul, Quan, Antonoglou & Silver (ICLR 2016, arXiv 1511.05952), in proportion to
the errors. Differences from the paper: in the place of a sum tree stand the sums of the rows, which
are added up at every draw (a row holds all environments, so there are few); and the newest requests
are drawn once what n requests later was seen is there, or would be.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import torch
from torch import Tensor

BELOW = 1.0 - 1e-12  # keeps draws off the upper end, where rounding may find nothing


class Row(NamedTuple):
    """One request of B environments; one that has ended shows its last observation for a row."""

    features: Tensor  # (B, F) float32
    mask: Tensor  # (B, A) bool
    action: Tensor  # (B,) int64
    reward: Tensor  # (B,) float32
    alive: Tensor  # (B,) bool: a request was decided
    terminated: Tensor  # (B,) bool: by it; nothing comes after
    truncated: Tensor  # (B,) bool: by it; what comes after is not played


class Drawn(NamedTuple):
    """N requests, what they earned in the next n, and what was seen then."""

    place: Tensor  # (N,) for `Replay.weigh`
    weight: Tensor  # (N,) corrects for what is drawn more often; the largest is 1
    features: Tensor  # (N, F)
    mask: Tensor  # (N, A)
    action: Tensor  # (N,)
    reward: Tensor  # (N,) discounted sum
    after: Tensor  # (N, F) features n requests later, or at the end of the episode
    after_mask: Tensor  # (N, A)
    discount: Tensor  # (N,) of the value of `after`: 0 where the episode terminated before


class Replay:
    """A ring of T rows of B environments; the row behind a request's shows what came of it.

    So an observation is held once, and an environment that has ended must be recorded a row
    longer, not alive, before it begins anew.
    """

    def __init__(
        self,
        *,
        rows: int,
        batch: int,
        features: int,
        actions: int,
        n_step: int = 1,
        gamma: float = 0.99,
        alpha: float = 0.0,
        device: torch.device | str = "cpu",
    ) -> None:
        """`alpha`: how much more often large errors are drawn; 0: all alike."""
        if rows <= n_step:
            raise ValueError(f"{rows} rows hold nothing that {n_step} steps come after")
        self.rows, self.batch, self.alpha, self.written = rows, batch, alpha, 0
        self.largest = 1.0  # priority so far, which new requests get
        self.powers = gamma ** torch.arange(n_step + 1, device=device)
        self._held = {
            "features": torch.zeros(rows, batch, features, device=device),
            "mask": torch.zeros(rows, batch, actions, dtype=torch.bool, device=device),
            "action": torch.zeros(rows, batch, dtype=torch.int16, device=device),
            "reward": torch.zeros(rows, batch, device=device),
            "terminated": torch.zeros(rows, batch, dtype=torch.bool, device=device),
            "ended": torch.zeros(rows, batch, dtype=torch.bool, device=device),
            "priority": torch.zeros(rows, batch, dtype=torch.float64, device=device),
            "sums": torch.zeros(rows, dtype=torch.float64, device=device),
        }
        self._flat = {
            name: held.flatten(0, 1) for name, held in self._held.items() if held.ndim > 1
        }

    @property
    def n_step(self) -> int:
        """Requests whose rewards are summed before a value stands for the rest."""
        return len(self.powers) - 1

    @property
    def ready(self) -> bool:
        """Whether there is something to draw."""
        return bool((self._held["sums"] > 0).any())

    def add(self, row: Row) -> None:
        """Remember a row in the place of the oldest."""
        at, held = self.written % self.rows, self._held
        held["features"][at] = row.features
        held["mask"][at] = row.mask
        held["action"][at] = row.action.to(torch.int16)
        held["reward"][at] = row.reward
        held["terminated"][at] = row.terminated & row.alive
        held["ended"][at] = (row.terminated | row.truncated) & row.alive
        held["priority"][at] = self.largest * row.alive
        held["sums"][at] = 0.0  # not drawn yet: what comes of it is not known
        if self.written >= self.n_step:
            known = (self.written - self.n_step) % self.rows
            held["sums"][known] = held["priority"][known].sum()
        self.written += 1

    def draw(self, number: int, generator: torch.Generator, beta: float = 1.0) -> Drawn:
        """Requests by their priorities; `beta`: how far weights make up for these."""
        place, weight = self._drawn(number, generator, beta)
        row, b = place // self.batch, place % self.batch
        steps = torch.arange(self.n_step, device=place.device)
        follows = (row[:, None] + steps) % self.rows * self.batch + b[:, None]
        ended = self._flat["ended"][follows]
        goes_on = (ended.cumsum(1) - ended.long()) == 0  # (N, n) no end before it
        terminated = (self._flat["terminated"][follows] & goes_on).any(1)
        taken = goes_on.sum(1)
        after = (row + taken) % self.rows * self.batch + b
        paid = self._flat["reward"][follows] * self.powers[:-1] * goes_on
        return Drawn(
            place=place,
            weight=weight,
            features=self._flat["features"][place],
            mask=self._flat["mask"][place],
            action=self._flat["action"][place].long(),
            reward=paid.sum(1),
            after=self._flat["features"][after],
            after_mask=self._flat["mask"][after],
            discount=self.powers[taken] * ~terminated,
        )

    def weigh(self, place: Tensor, error: Tensor) -> None:
        """Requests that were just drawn have these errors (N,)."""
        if self.alpha == 0.0:
            return
        priority = (error.detach().abs().double() + 1e-3) ** self.alpha
        self._flat["priority"][place] = priority
        row = place // self.batch
        self._held["sums"][row] = self._held["priority"][row].sum(1)
        self.largest = max(self.largest, float(priority.max()))

    def _drawn(self, number: int, generator: torch.Generator, beta: float) -> tuple[Tensor, Tensor]:
        """Places (N,) and weights (N,): a row by the rows' sums, an environment by the row's."""
        sums, priority = self._held["sums"], self._held["priority"]
        upto = sums.cumsum(0)
        share = torch.rand(number, generator=generator, dtype=torch.float64, device=sums.device)
        at = share * (BELOW * upto[-1])
        row = torch.searchsorted(upto, at, right=True)
        inside = priority[row].cumsum(1)
        left = (at - (upto[row] - sums[row])).clamp(min=0.0).minimum(inside[:, -1] * BELOW)
        place = row * self.batch + torch.searchsorted(inside, left[:, None], right=True).squeeze(1)
        if self.alpha == 0.0:
            return place, torch.ones(number, device=sums.device)
        weight = self._flat["priority"][place] ** -beta
        return place, (weight / weight.max()).float()

    def state_dict(self) -> dict[str, Any]:
        """What is remembered, without the room that is left."""
        full = min(self.written, self.rows)
        held = {name: tensor[:full].clone() for name, tensor in self._held.items()}
        return {"written": self.written, "largest": self.largest, "held": held}

    def load_state_dict(self, content: dict[str, Any]) -> None:
        """Remember that."""
        self.written, self.largest = content["written"], content["largest"]
        for name, tensor in content["held"].items():
            self._held[name][: len(tensor)] = tensor
