"""Curves of whole episodes, thinned to what a screen can show, and what parts two of them."""

from __future__ import annotations

from typing import Literal

import numpy as np
from numpy.typing import NDArray

from vmagent_marl.sim.rules import CPU, NODES
from vmagent_marl.sim.state import ACTIVE, PLACED_IN, ROW, SERVING, SLOT, USED_CPU, USED_MEMORY
from vmagent_marl.view.replay import Replay

Axis = Literal["requests", "time"]
Floats = NDArray[np.float64]
POINTS = 1200  # of a curve


def thinned(size: int, points: int = POINTS) -> NDArray[np.int64]:
    """So many places of `size`, evenly spread, the first and the last among them."""
    if size <= points:
        return np.arange(size)
    return np.unique(np.linspace(0, size - 1, points).round().astype(np.int64))


def across(replay: Replay, axis: Axis) -> Floats:
    """(T+1,) where a step lies: its number, or the seconds since the episode began."""
    if axis == "time":
        return replay.second.astype(np.float64)
    return np.arange(len(replay) + 1, dtype=np.float64)


def step_at(replay: Replay, position: float, axis: Axis) -> int:
    """The step that is shown at a position of the slider: the last that has come by then."""
    if axis == "requests":
        return int(min(max(position, 0), len(replay)))
    return max(int(np.searchsorted(replay.second, position, side="right")) - 1, 0)


def load(replay: Replay, resource: int) -> Floats:
    """(T+1,) used share of a resource, of all servers that have entered service."""
    room = replay.level[:, :, SERVING] @ (NODES * replay.rules.node[:, resource].astype(np.int64))
    used = replay.level[:, :, USED_CPU if resource == CPU else USED_MEMORY].sum(axis=1)
    share: Floats = np.divide(used, room, out=np.zeros(len(used)), where=room > 0)
    return share


def reward_so_far(replay: Replay) -> Floats:
    """(T+1,) sum of the team's rewards."""
    return np.append(0.0, np.cumsum(replay.reward))


def power_now(replay: Replay) -> Floats:
    """(T+1, K) what servers that are not empty burn, per hour."""
    server_cpu = NODES * replay.rules.node[:, CPU] / 1000.0
    burned: Floats = replay.level[:, :, ACTIVE] * server_cpu * replay.rules.power
    return burned


def difference(one: Replay, two: Replay, axis: Axis) -> tuple[Floats, Floats]:
    """Positions, and the reward so far of one less the other's, as far as both have come."""
    end = min(across(one, axis)[-1], across(two, axis)[-1])
    if axis == "requests":
        at = np.arange(end + 1)
    else:
        at = np.unique(np.concatenate([across(one, axis), across(two, axis)]))
        at = at[at <= end]
    at = at[thinned(len(at))]

    def values(replay: Replay) -> Floats:
        places = np.searchsorted(across(replay, axis), at, side="right") - 1
        return reward_so_far(replay)[places]

    return at, values(one) - values(two)


def same_window(one: Replay, two: Replay) -> bool:
    """Whether both play the same requests under the same rules: then steps can be compared."""
    a, b = one.recording, two.recording
    rules = [{**each.scenario.as_dict(), "description": "", "name": ""} for each in (a, b)]
    return a.trace == b.trace and a.played == b.played and rules[0] == rules[1]


def first_parting(one: Replay, two: Replay) -> int | None:
    """The first step at which they decide otherwise; None where they never do."""
    both = min(len(one), len(two))
    decided = [
        np.column_stack([r.outcome[:both, [PLACED_IN, SLOT]], r.clock[:both, ROW]])
        for r in (one, two)
    ]
    apart = np.flatnonzero((decided[0] != decided[1]).any(axis=1))
    if apart.size:
        return int(apart[0])
    return both if len(one) != len(two) else None
