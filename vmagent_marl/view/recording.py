"""What has to be kept of an episode so that it can be watched: what replays, and nothing else."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from vmagent_marl.errors import DatasetError
from vmagent_marl.scenario import Scenario
from vmagent_marl.sim import Episode, Metrics
from vmagent_marl.trace import Trace


@dataclass(frozen=True)
class PlayedOn:
    """By which the trace of a recording is known again."""

    name: str
    fingerprint: str  # sha256
    requests: int


@dataclass(frozen=True, eq=False)
class Recording:
    """One episode: seed, rows of the trace and every answer replay it bit for bit."""

    scenario: Scenario
    trace: PlayedOn
    played: Episode
    policy: str
    actions: NDArray[np.int64]  # (T, K) as the policy gave them
    metrics: Metrics | None = None  # what it came to, to hold the replay against

    @property
    def title(self) -> str:
        """Scenario, policy and rows, in words."""
        return f"{self.policy} on {self.scenario.name}, from row {self.played.first:,}"


def told_of(trace: Trace) -> PlayedOn:
    """A trace as recordings remember it."""
    return PlayedOn(trace.name, trace.fingerprint, len(trace))


def check_trace(recording: Recording, trace: Trace) -> None:
    """Raise `DatasetError` where a trace is not the one that was recorded on."""
    wanted = recording.trace
    if trace.fingerprint != wanted.fingerprint:
        raise DatasetError(
            f"recorded on trace {wanted.name!r} of {wanted.requests:,} requests, fingerprint "
            f"{wanted.fingerprint[:16]}, and {trace.name!r} has {trace.fingerprint[:16]}: "
            "start the dashboard with --trace FILE"
        )
