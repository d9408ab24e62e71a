"""The peer one would write: the same single-cluster game, vectorised over the batch in plain numpy.

It follows the rule of the `recovering` scenario with VMs turned away counted: halved VMs,
departures first within a second, observation and mask written at every step.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from vmagent_marl.sim.rules import Feed
from vmagent_marl.trace import NEVER

FREE = np.iinfo(np.int64).max  # departure of a spot in the table of VMs that none takes
STAYS = FREE - 1
LIVE = 512  # VMs that can run at once in one environment, at first


class NumpyPeer:
    """B environments with one cluster of S servers, from these rows of a trace on."""

    def __init__(
        self, feed: Feed, node: NDArray[np.int32], servers: int, starts: list[int]
    ) -> None:
        """`node` (2,): milli-vCPU and MiB of a NUMA node."""
        self.feed, self.node, self.batch = feed, node.astype(np.float64), len(starts)
        self.rows = np.array(starts)
        self.each = np.arange(self.batch)
        self.free = np.tile(node.astype(np.int64), (self.batch, 2 * servers, 1))
        self.leaves = np.full((self.batch, LIVE), FREE)
        self.slot = np.zeros((self.batch, LIVE), np.int64)
        self.vm = np.zeros((self.batch, LIVE), np.int64)
        self.observe()

    def observe(self) -> None:
        """Free shares, request and mask (B, 2 S + 1)."""
        demand = self.feed.demand[self.rows]
        halved = self.feed.halved[self.rows].astype(bool)
        fits = (self.free >= demand[:, None]).all(axis=2)
        pairs = fits.reshape(self.batch, -1, 2)
        both = np.zeros_like(pairs)
        both[:, :, 0] = pairs.all(axis=2)
        fits = np.where(halved[:, None], both.reshape(self.batch, -1), fits)
        self.mask = np.concatenate([fits, ~fits.any(axis=1, keepdims=True)], axis=1).astype(np.int8)
        shares = (self.free / self.node).reshape(self.batch, -1)
        request = np.concatenate([demand / self.node, halved[:, None]], axis=1)
        self.observation = np.concatenate([shares, request], axis=1).astype(np.float32)

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
            lifetime = self.feed.lifetime[rows]
            stays = lifetime == NEVER
            self.leaves[b, at] = np.where(stays, STAYS, self.feed.arrival[rows] + lifetime * ~stays)
            self.slot[b, at], self.vm[b, at] = actions[placed], rows
        self.rows = self.rows + 1
        gone = self.leaves <= self.feed.arrival[self.rows][:, None]
        b, at = np.nonzero(gone)
        self._move(b, self.slot[b, at], self.vm[b, at], 1)
        self.leaves[b, at] = FREE
        self.observe()
        return placed.astype(np.float64)

    def _move(
        self, b: NDArray[np.int64], slot: NDArray[np.int64], rows: NDArray[np.int64], sign: int
    ) -> None:
        demand = sign * self.feed.demand[rows].astype(np.int64)
        np.add.at(self.free, (b, slot), demand)
        halved = self.feed.halved[rows].astype(bool)
        np.add.at(self.free, (b[halved], slot[halved] + 1), demand[halved])

    def _widen(self) -> None:
        more = self.leaves.shape
        self.leaves = np.concatenate([self.leaves, np.full(more, FREE)], axis=1)
        self.slot = np.concatenate([self.slot, np.zeros(more, np.int64)], axis=1)
        self.vm = np.concatenate([self.vm, np.zeros(more, np.int64)], axis=1)
