"""The peer one would write: the same single-cluster game, vectorised over the batch in plain numpy.

It follows the rule of the `recovering` scenario with VMs turned away counted: halved VMs,
departures first within a second; observation and mask, the simulator's own, at every step.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from vmagent_marl.sim import Simulator
from vmagent_marl.trace import NEVER

FREE = np.iinfo(np.int64).max  # departure of a spot in the table of VMs that none takes
STAYS = FREE - 1
LIVE = 512  # VMs that can run at once in one environment, at first


class NumpyPeer:
    """B environments with one cluster of S servers, from these rows of a simulator's trace on."""

    def __init__(self, simulator: Simulator, servers: int, starts: list[int]) -> None:
        feed, node = simulator.feed, simulator.rules.node[0]
        self.arrival, self.lifetime, self.start_hour = feed.arrival, feed.lifetime, feed.start_hour
        self.demand, self.halved = feed.demand.astype(np.int64), feed.halved
        self.node, self.batch = node.astype(np.float64), len(starts)
        self.rows = np.array(starts)
        self.each = np.arange(self.batch)
        self.free = np.tile(node.astype(np.int64), (self.batch, 2 * servers, 1))
        self.leaves = np.full((self.batch, LIVE), FREE)
        self.slot = np.zeros((self.batch, LIVE), np.int64)
        self.vm = np.zeros((self.batch, LIVE), np.int64)
        self.observation = np.zeros((self.batch, simulator.layout.size), np.float32)
        self.in_service = np.ones((self.batch, servers))
        self.last = np.tile([0.0, 1.0, 0.0], (self.batch, 1))  # of the chain of one cluster
        self.observe()

    def observe(self) -> None:
        """Observation (B, F) and mask (B, 2 S + 1)."""
        demand, halved = self.demand[self.rows], self.halved[self.rows]
        fits = (self.free >= demand[:, None]).all(axis=2)
        pairs = fits.reshape(self.batch, -1, 2)
        both = np.zeros_like(pairs)
        both[:, :, 0] = pairs.all(axis=2)
        fits = np.where(halved[:, None], both.reshape(self.batch, -1), fits)
        self.mask = np.concatenate([fits, ~fits.any(axis=1, keepdims=True)], axis=1).astype(np.int8)
        hour = self.arrival[self.rows] // 3600 + self.start_hour
        parts = [
            (self.free / self.node).reshape(self.batch, -1),
            self.in_service,
            np.minimum(demand / self.node, 1.0),
            halved[:, None],
            self.last,
            np.stack([hour % 24 / 24, hour // 24 % 7 / 7], axis=1),
        ]
        self.observation = np.concatenate(parts, axis=1, dtype=np.float32)

    def step(self, actions: NDArray[np.int64]) -> NDArray[np.float64]:
        """Place, let time pass, and observe; reward 1 for each VM placed."""
        slots = self.free.shape[1]
        placed = (actions < slots) & (self.mask[self.each, actions] == 1)
        self._move(self.each[placed], actions[placed], self.rows[placed], -1)
        if placed.any():
            spot = np.argmax(self.leaves == FREE, axis=1)
            b, at = self.each[placed], spot[placed]
            if (self.leaves[b, at] != FREE).any():
                self._widen()
                at = np.argmax(self.leaves == FREE, axis=1)[placed]
            rows = self.rows[placed]
            lifetime = self.lifetime[rows]
            stays = lifetime == NEVER
            self.leaves[b, at] = np.where(stays, STAYS, self.arrival[rows] + lifetime * ~stays)
            self.slot[b, at], self.vm[b, at] = actions[placed], rows
        self.rows = self.rows + 1
        gone = self.leaves <= self.arrival[self.rows][:, None]
        b, at = np.nonzero(gone)
        self._move(b, self.slot[b, at], self.vm[b, at], 1)
        self.leaves[b, at] = FREE
        self.observe()
        return placed.astype(np.float64)

    def check(self, simulator: Simulator) -> None:
        """Raise unless a simulator that has played the same stands where this does."""
        np.testing.assert_array_equal(self.mask, simulator.mask[:, 0])
        np.testing.assert_array_equal(self.observation, simulator.observation[:, 0])

    def _move(
        self, b: NDArray[np.int64], slot: NDArray[np.int64], rows: NDArray[np.int64], sign: int
    ) -> None:
        demand = sign * self.demand[rows]
        np.add.at(self.free, (b, slot), demand)
        halved = self.halved[rows]
        np.add.at(self.free, (b[halved], slot[halved] + 1), demand[halved])

    def _widen(self) -> None:
        more = self.leaves.shape
        self.leaves = np.concatenate([self.leaves, np.full(more, FREE)], axis=1)
        self.slot = np.concatenate([self.slot, np.zeros(more, np.int64)], axis=1)
        self.vm = np.concatenate([self.vm, np.zeros(more, np.int64)], axis=1)
