"""How agents may act: by slots, or by a few candidates; and what they see of candidates."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from vmagent_marl.errors import SettingError
from vmagent_marl.sim import ObservationLayout
from vmagent_marl.sim.layout import slices_of

CANDIDATE = 6  # floats a candidate
OWN = 4  # free cpu, free memory, empty servers, slots that fit
MOST_CANDIDATES = 1024


@dataclass(frozen=True)
class CandidateLayout:
    """The order of an observation of candidates: one flat float32 vector, every entry in [0, 1].

    candidates  of each: free share of cpu and of memory on its node; the same of its server's other
                node; what would be left of the server (mean over its nodes of the scarcer
                resource's free share, once placed); 1 where it opens an empty server. Zeros for a
                candidate that there is not
    own         of the cluster, as it is now: free share of cpu, of memory, empty servers / servers,
                slots that fit the request / slots; zeros while it is held out of service
    request, chain, time, summaries, lifetime
                those parts of `ObservationLayout` whose size does not depend on the number of
                servers; so full summaries show as coarse ones

    Its size depends on the number of candidates and of clusters, and not on that of servers.
    """

    slots: ObservationLayout  # of the same game, where actions are slots
    candidates: int

    @property
    def clusters(self) -> int:
        """K."""
        return self.slots.clusters

    @property
    def kept(self) -> dict[str, slice]:
        """The parts that it shares with the layout of slots, and where they stand there."""
        more = replace(self.slots, servers=self.slots.servers + 1).parts
        return {
            name: part
            for name, part in self.slots.parts.items()
            if part.stop - part.start == more[name].stop - more[name].start
        }

    @property
    def parts(self) -> dict[str, slice]:
        """Slice of each part, in order; parts that a scenario has not are empty."""
        sizes = {
            "candidates": CANDIDATE * self.candidates,
            "own": OWN,
            **{name: part.stop - part.start for name, part in self.kept.items()},
        }
        return slices_of(sizes)

    @property
    def size(self) -> int:
        """Floats in one observation."""
        return int(max(part.stop for part in self.parts.values()))

    @property
    def actions(self) -> int:
        """Actions of an agent: a candidate each, and pass, the last."""
        return self.candidates + 1

    @property
    def source(self) -> NDArray[np.int64]:
        """Where each float of the kept parts stands in the observation of slots."""
        everything = np.arange(self.slots.size)
        return np.concatenate([everything[part] for part in self.kept.values()])


Layout = ObservationLayout | CandidateLayout


def candidates_in(actions: str) -> int | None:
    """The number of candidates that a way to act has; None for slots.

    >>> candidates_in("top-8")
    8

    Raises `SettingError` for what is neither `slots` nor `top-` and a number.
    """
    if actions == "slots":
        return None
    number = re.fullmatch(r"top-([0-9]{1,4})", str(actions))
    if number is None or not 1 <= int(number[1]) <= MOST_CANDIDATES:
        raise SettingError(
            f"actions: {actions!r} is unknown: give 'slots', or 'top-8' for 8 candidates "
            f"(1 to {MOST_CANDIDATES})"
        )
    return int(number[1])
