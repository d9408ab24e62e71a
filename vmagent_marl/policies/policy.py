"""The one interface of whoever decides: heuristics, mixtures and networks."""

from __future__ import annotations

from typing import Literal, Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from vmagent_marl.sim import ObservationLayout, Simulator

Needs = Literal["own servers", "summaries", "lifetimes", "summaries and lifetimes", "everything"]


class Policy(Protocol):
    """Plans for every cluster of every environment of a batch.

    `act` reads the batch (observations and masks, and the simulator's integer arrays, all
    read-only) and the keys (B, K) uint64, 64 random bits for each (seed, episode, request, agent),
    from which alone it may draw. It returns actions (B, K) int64 and their log-probabilities
    (B, K) float64, NaN where they are not known.
    """

    @property
    def name(self) -> str:
        """As people type it, or as its file is called."""
        ...

    @property
    def needs(self) -> Needs:
        """What it reads besides its own servers and the request."""
        ...

    def act(
        self, batch: Simulator, keys: NDArray[np.uint64]
    ) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
        """Plans and their log-probabilities."""
        ...


@runtime_checkable
class Fitted(Protocol):
    """A policy that plays games of one layout alone."""

    def check_layout(self, layout: ObservationLayout) -> None:
        """Raise `PolicyError` for another layout."""
        ...
