"""A simulator whose agents choose among a few candidates instead of all slots."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from vmagent_marl.envs import best_slots
from vmagent_marl.envs.candidate_layout import CandidateLayout
from vmagent_marl.errors import ActionError
from vmagent_marl.sim import Episode, Simulator
from vmagent_marl.sim.simulator import as_kernels_take


class Candidates:
    """The k best slots of every cluster of every environment of a batch, and pass.

    A candidate is a slot that fits the request, one of each server, the fullest server first: see
    `best_slots`. Choice j < k places the VM on candidate j, so choice 0 is server best fit's;
    choice k passes. The game is the simulator's, of which everything else is asked: it is told
    the slots that the choices stand for. What is outside of the mask counts as pass where pass is
    legal, else as choice 0.

    Arrays (first axis: the environment; live, read-only for callers, rewritten by the next step):

    observation  (B, K, F) float32, in the order of `layout`
    mask         (B, K, k + 1) int8, 1 = legal: the candidates that there are, and pass
    slots        (B, K, k) int64, each candidate's slot, -1 where there is none
    effective    (B, K) int64, the last choices as they counted
    illegal      (B, K) bool, whether they were outside of the mask
    """

    def __init__(self, simulator: Simulator, count: int) -> None:
        """`count`: k. Until `reset` no environment runs and nothing but pass is legal."""
        self.simulator = simulator
        self.layout = CandidateLayout(simulator.layout, count)
        agents = simulator.batch, simulator.clusters
        self.observation = np.zeros((*agents, self.layout.size), np.float32)
        self.mask = np.zeros((*agents, self.layout.actions), np.int8)
        self.slots = np.zeros((*agents, count), np.int64)
        self.effective = np.zeros(agents, np.int64)
        self.illegal = np.zeros(agents, np.bool_)
        self._taken = np.zeros(agents, np.int64)  # what legal ones stand for illegal ones too
        self._plans = np.zeros(agents, np.int64)
        self._source = self.layout.source
        self._scores = np.zeros(count, np.int64)
        self.look()

    @property
    def actions(self) -> int:
        """A = k + 1."""
        return self.layout.actions

    def reset(self, episodes: dict[int, Episode]) -> None:
        """Begin these episodes in these environments; the others go on."""
        self.simulator.reset(episodes)
        self.illegal[list(episodes)] = False
        self.look()

    def step(self, choices: ArrayLike) -> None:
        """Decide every running environment's request by these choices, (B, K) of `Discrete(A)`.

        Raises `ActionError` for a choice outside of the space.
        """
        given = np.asarray(choices)
        if given.dtype.kind not in "iu" or given.shape != self._plans.shape:
            raise ActionError(
                f"choices are {given.dtype} of shape {given.shape}: give whole numbers of shape "
                f"{self._plans.shape}, one for each environment and cluster"
            )
        self.advance(as_kernels_take(given))

    def advance(self, choices: NDArray[np.int64]) -> None:
        """`step`, for choices that are known to be int64 of shape (B, K), a `carray`."""
        self.simulator.advance(self.plans(choices))
        self.look()

    def plans(self, choices: NDArray[np.int64]) -> NDArray[np.int64]:
        """(B, K) slot actions that choices stand for, live; how they count is remembered.

        Whoever steps the simulator by them calls `look` then.
        """
        wrong = best_slots.plan(
            self.simulator.world,
            choices,
            self.slots,
            self.mask,
            self._taken,
            self.illegal,
            self._plans,
        )
        if wrong >= 0:
            b, k = divmod(wrong, self.simulator.clusters)
            raise ActionError(self._outside(int(choices[b, k]), b, k))
        return self._plans

    def look(self) -> None:
        """Rewrite the arrays, after somebody has stepped or reset the simulator itself."""
        best_slots.look(
            self.simulator.world,
            self._source,
            self._scores,
            self._taken,
            self.slots,
            self.observation,
            self.mask,
            self.effective,
        )

    def answer(self, b: int, k: int, choice: int) -> int:
        """How a choice of cluster k would count: itself, or what stands for an illegal one."""
        if not 0 <= choice < self.actions:
            raise ActionError(self._outside(choice, b, k))
        pass_on = self.actions - 1
        self.simulator.answer(b, k, self.simulator.actions - 1)  # is there an episode to answer in?
        if self.mask[b, k, choice]:
            return choice
        return pass_on if self.mask[b, k, pass_on] else 0

    def snapshot(self) -> Any:
        """A copy of everything that changes; `restore` brings it back."""
        return self.simulator.snapshot(), self._taken.copy(), self.illegal.copy()

    def restore(self, snapshot: Any) -> None:
        """Go on from a snapshot of this object; its arrays stay the same ones."""
        state, taken, illegal = snapshot
        self.simulator.restore(state)
        self._taken[:], self.illegal[:] = taken, illegal
        self.look()

    def _outside(self, choice: int, b: int, k: int) -> str:
        return (
            f"choice {choice} of cluster_{k} (environment {b}) is outside of "
            f"Discrete({self.actions}): give 0 to {self.actions - 1}"
        )
