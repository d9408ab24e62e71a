"""What a target policy would have answered to recorded observations, and how likely."""

from __future__ import annotations

from typing import Protocol

import numpy as np
from numpy.typing import NDArray


class Target(Protocol):
    """A policy to be estimated, known by the probabilities of its answers."""

    @property
    def name(self) -> str:
        """For tables."""
        ...

    def chances(
        self, observation: NDArray[np.float32], mask: NDArray[np.int8]
    ) -> NDArray[np.float64]:
        """(N, K, A) of every answer to observations (N, K, F) and masks (N, K, A), if reached."""
        ...


def counted(
    plans: NDArray[np.float64], place: NDArray[np.int64], tries: int
) -> NDArray[np.float64]:
    """(N, K, A) probability of each action as it counts, by what agents answer if reached.

    The request goes along the chain: an agent at place d is reached where all before it pass, so
    with probability rho_d = prod over e < d of pi_e(pass), and 0 from `tries` on. Then action a
    other than pass counts with probability rho_d pi_d(a), and pass with what is left.
    """
    rows = np.arange(len(plans))
    counts = np.zeros_like(plans)
    goes_on = np.ones(len(plans))
    for position in range(min(tries, plans.shape[1])):
        agent = (place == position).argmax(axis=1)
        answers = plans[rows, agent]
        counts[rows, agent, :-1] = goes_on[:, None] * answers[:, :-1]
        goes_on *= answers[:, -1]
    counts[:, :, -1] = 1.0 - counts[:, :, :-1].sum(axis=2)
    return counts
