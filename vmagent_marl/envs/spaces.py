"""The spaces of a scenario, for one agent and for all of them together."""

from __future__ import annotations

from typing import Any, Literal, get_args

import numpy as np
from gymnasium import spaces

from vmagent_marl.envs.candidate_layout import Layout
from vmagent_marl.errors import unknown_name

MaskIn = Literal["obs", "info", "both"]


def check_mask_in(mask_in: str) -> None:
    """Raise `UnknownNameError` for a place where no mask goes."""
    if mask_in not in get_args(MaskIn):
        raise unknown_name("mask_in", mask_in, get_args(MaskIn))


def agent_observation_space(layout: Layout, mask_in: MaskIn = "obs") -> spaces.Space[Any]:
    """One agent's: the vector of `layout`, beside its action mask unless that is in the info."""
    return _observation_space((layout.size,), (layout.actions,), mask_in)


def agent_action_space(layout: Layout) -> spaces.Discrete:
    """One agent's: a slot or candidate each, then pass."""
    return spaces.Discrete(layout.actions)


def joint_observation_space(layout: Layout, mask_in: MaskIn = "obs") -> spaces.Space[Any]:
    """All agents': (F,) for one cluster, stacked to (K, F) for many."""
    if layout.clusters == 1:
        return agent_observation_space(layout, mask_in)
    clusters = layout.clusters
    return _observation_space((clusters, layout.size), (clusters, layout.actions), mask_in)


def joint_action_space(layout: Layout) -> spaces.Discrete | spaces.MultiDiscrete:
    """All agents': one number for one cluster, (K,) for many."""
    if layout.clusters == 1:
        return agent_action_space(layout)
    return spaces.MultiDiscrete([layout.actions] * layout.clusters)


def _observation_space(
    seen: tuple[int, ...], mask: tuple[int, ...], mask_in: MaskIn
) -> spaces.Space[Any]:
    box = spaces.Box(0.0, 1.0, seen, np.float32)
    if mask_in == "info":
        return box
    return spaces.Dict({"observation": box, "action_mask": spaces.Box(0, 1, mask, np.int8)})
