"""A flat array of whole numbers over many steps: what changed, and the whole now and then."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

EVERY = 512  # steps from one keyframe to the next

Int32s = NDArray[np.int32]


class ChangeLog:
    """Values at any step for the price of the changes since the last keyframe."""

    def __init__(
        self, keyframes: Int32s, first: NDArray[np.int64], place: NDArray[np.int64], value: Int32s
    ) -> None:
        self._keyframes = keyframes  # (keyframes, size)
        self._first = first  # (steps + 1,) where the changes that led to a step begin
        self._place, self._value = place, value  # (changes,)

    @staticmethod
    def begin(live: Int32s) -> _Writer:
        """Begin with what an array holds now, step 0; it stays the one that is looked at."""
        return _Writer(live)

    @property
    def size(self) -> int:
        """Numbers in the array."""
        return int(self._keyframes.shape[1])

    @property
    def changes(self) -> int:
        """How many were noted."""
        return len(self._place)

    def at(self, t: int) -> Int32s:
        """The array at step t."""
        key = t // EVERY
        values: Int32s = self._keyframes[key].copy()
        span = slice(self._first[key * EVERY + 1], self._first[t + 1])
        values[self._place[span]] = self._value[span]  # of one place twice, the last one stays
        return values

    def course(self, places: Sequence[int]) -> tuple[NDArray[np.int64], Int32s]:
        """Steps at which any of the places changed, the first is 0, and the values from then."""
        which = np.flatnonzero(np.isin(self._place, places))
        step = np.searchsorted(self._first, which, side="right") - 1
        steps = np.unique(np.append(0, step))
        values = np.empty((len(steps), len(places)), np.int32)
        for i, place in enumerate(places):
            mine = self._place[which] == place
            at, value = step[mine], self._value[which][mine]
            last = np.searchsorted(at, steps, side="right") - 1
            start = self._keyframes[0, place]
            values[:, i] = np.where(last < 0, start, value[last] if len(value) else start)
        return steps, values


class _Writer:
    def __init__(self, live: Int32s) -> None:
        self._live = live
        self._before = live.copy()
        self._keyframes = [live.copy()]
        self._count = [0]
        self._place: list[NDArray[np.int64]] = []
        self._value: list[Int32s] = []

    def note(self) -> None:
        """One step more."""
        changed = np.flatnonzero(self._live != self._before)
        if changed.size:
            value = self._live[changed]
            self._before[changed] = value
            self._place.append(changed)
            self._value.append(value)
        self._count.append(changed.size)
        if (len(self._count) - 1) % EVERY == 0:
            self._keyframes.append(self._before.copy())

    def closed(self) -> ChangeLog:
        return ChangeLog(
            np.stack(self._keyframes),
            np.concatenate([[0], np.cumsum(self._count)]),
            np.concatenate([np.empty(0, np.int64), *self._place]),
            np.concatenate([np.empty(0, np.int32), *self._value]),
        )
