"""Spaces of agents stacked into one, and back: alike ones as they are, unlike ones padded.

Agents whose spaces differ are padded to the largest where that means something: flat boxes of one
type with zeros behind, and discrete actions with numbers that no mask allows. Everything else that
differs is refused, as are spaces that are neither `Box` nor `Discrete`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from gymnasium import spaces
from numpy.typing import NDArray

from vmagent_marl.errors import DatasetError

MASK = "action_mask"


@dataclass(frozen=True)
class Stacking:
    """K agents' spaces as one."""

    agents: tuple[str, ...]
    observations: tuple[spaces.Box, ...]  # of each agent, without its mask
    actions: tuple[Any, ...]  # of each agent: all Discrete or all Box
    masked: bool  # whether masks are stored

    @property
    def discrete(self) -> bool:
        """Whether actions are numbers."""
        return isinstance(self.actions[0], spaces.Discrete)

    @property
    def action_count(self) -> int:
        """A, of the agent with the most; 0 for boxes."""
        return max(int(space.n) for space in self.actions) if self.discrete else 0

    @property
    def seen_shape(self) -> tuple[int, ...]:
        """Of an agent's padded observation."""
        return _largest(self.observations)

    @property
    def action_shape(self) -> tuple[int, ...]:
        """Of an agent's padded action; () for numbers."""
        return () if self.discrete else _largest(self.actions)

    @property
    def action_type(self) -> np.dtype[Any]:
        """Of an action."""
        return np.dtype(np.int64) if self.discrete else np.dtype(self.actions[0].dtype)

    def observation_space(self) -> spaces.Dict:
        """Of the data set; with one agent its axis is left out."""
        parts: dict[str, spaces.Space[Any]] = {"observation": self._box(self.observations)}
        if self.masked:
            shape: tuple[int, ...] = (len(self.agents), self.action_count)
            parts[MASK] = spaces.Box(0, 1, shape if len(self.agents) > 1 else shape[1:], np.int8)
        return spaces.Dict(parts)

    def action_space(self) -> spaces.Space[Any]:
        """Of the data set; with one agent its axis is left out."""
        if not self.discrete:
            return self._box(self.actions)
        if len(self.agents) == 1:
            return spaces.Discrete(self.action_count)
        return spaces.MultiDiscrete([self.action_count] * len(self.agents))

    def _box(self, boxes: Any) -> spaces.Box:
        """Boxes padded and stacked."""
        shape = _largest(boxes)
        low, high = (
            np.stack([padded(getattr(box, end), shape) for box in boxes]) for end in ("low", "high")
        )
        if len(boxes) == 1:
            low, high = low[0], high[0]
        return spaces.Box(low, high, dtype=boxes[0].dtype.type)


def stacking_of(
    agents: tuple[str, ...],
    observation_spaces: Mapping[str, spaces.Space[Any]],
    action_spaces: Mapping[str, spaces.Space[Any]],
    *,
    masked: bool,
) -> Stacking:
    """How these agents' spaces are stacked; `masked`: whether infos bring masks.

    Raises `DatasetError` for spaces that cannot be.
    """
    seen: list[spaces.Box] = []
    acts: list[Any] = []
    for agent in agents:
        space = observation_spaces[agent]
        if isinstance(space, spaces.Dict) and "observation" in space.spaces:
            masked = masked or MASK in space.spaces
            space = space["observation"]
        if not isinstance(space, spaces.Box):
            raise DatasetError(
                f"{agent} observes {space}: only Box, or Dict of `observation` and `action_mask`, "
                "can be recorded: flatten it with a wrapper"
            )
        seen.append(space)
        act = action_spaces[agent]
        if not isinstance(act, spaces.Box) and not (
            isinstance(act, spaces.Discrete) and act.start == 0
        ):
            raise DatasetError(
                f"{agent} acts in {act}: only Discrete from 0 and Box can be recorded: flatten it "
                "with a wrapper"
            )
        acts.append(act)
    _check_alike(agents, seen, "observes")
    _check_alike(agents, acts, "acts in")
    discrete = isinstance(acts[0], spaces.Discrete)
    unlike = discrete and len({int(act.n) for act in acts}) > 1
    return Stacking(agents, tuple(seen), tuple(acts), discrete and (masked or unlike))


def agent_space(space: spaces.Space[Any], k: int) -> spaces.Space[Any]:
    """Agent k's part of a space of agents stacked."""
    if isinstance(space, spaces.Dict):
        return spaces.Dict({key: agent_space(part, k) for key, part in space.items()})
    if isinstance(space, spaces.MultiDiscrete):
        return spaces.Discrete(int(space.nvec[k]))
    assert isinstance(space, spaces.Box)
    return spaces.Box(space.low[k], space.high[k], dtype=space.dtype.type)


def padded(values: Any, shape: tuple[int, ...]) -> NDArray[Any]:
    """An array with zeros behind, up to `shape`; a copy."""
    given = np.asarray(values)
    if given.shape == shape:
        return given.copy()
    whole = np.zeros(shape, given.dtype)
    whole[: given.shape[0]] = given
    return whole


def _largest(boxes: Any) -> tuple[int, ...]:
    shape: tuple[int, ...] = max((box.shape for box in boxes), key=lambda each: each or (0,))
    return shape


def _check_alike(agents: tuple[str, ...], given: list[Any], verb: str) -> None:
    """Raise `DatasetError` for spaces that no padding makes one."""
    first = given[0]
    for agent, space in zip(agents, given, strict=True):
        same_kind = isinstance(space, spaces.Box) == isinstance(first, spaces.Box)
        if isinstance(space, spaces.Discrete) and same_kind:
            continue
        flat = same_kind and len(space.shape) == len(first.shape) == 1
        if not same_kind or space.dtype != first.dtype or (space.shape != first.shape and not flat):
            raise DatasetError(
                f"{agents[0]} {verb} {first} and {agent} {space}: only flat boxes of one type and "
                "discrete spaces are padded to the largest: bring them into one with a wrapper"
            )
