"""Windows of a trace: which rows training, validation and test may touch, and where episodes begin.

Rows of one window are never touched by an episode of another: an episode ends where its window
ends.
"""

from __future__ import annotations

from typing import Literal, get_args

import numpy as np

from vmagent_marl.errors import ScenarioError, unknown_name
from vmagent_marl.scenario import Scenario
from vmagent_marl.sim import Episode
from vmagent_marl.trace import Trace

Window = Literal["train", "validation", "test", "all"]
WINDOWS: tuple[Window, ...] = get_args(Window)

SPLIT_ROWS = (50_000, 70_000)  # of a month, as for Huawei-East-1
SPLIT_SHARES = (0.43, 0.60)  # of a trace that is much shorter or longer than a month
MOST_SEED = 2**64 - 1  # what others draw seeds from, and a key of the simulator's draws holds
MOST_NUMBER = 2**63 - 1  # of an episode
ROOM = 0.1  # of a window kept free behind the last start where an episode's length is open


def rows_of(trace: Trace, window: str) -> tuple[int, int]:
    """First row of a window, and the row before which it ends."""
    if window not in WINDOWS:
        raise unknown_name("window", window, WINDOWS)
    rows = len(trace)
    first, second = SPLIT_ROWS
    if not 2 * first <= rows < 4 * first:
        first, second = (int(rows * share) for share in SPLIT_SHARES)
    return {
        "train": (0, first),
        "validation": (first, second),
        "test": (second, rows),
        "all": (0, rows),
    }[window]


def starts_of(scenario: Scenario, trace: Trace, window: str) -> tuple[int, int]:
    """First row at which an episode may begin, and the row before which the last one does.

    An episode with a horizon finds its whole length inside of the window.
    """
    first, stop = rows_of(trace, window)
    room = int(ROOM * (stop - first))
    if isinstance(scenario.horizon, int):
        room = scenario.horizon
    elif scenario.horizon_seconds is not None and stop > first:
        last = trace.arrival[stop - 1] - scenario.horizon_seconds
        room = stop - int(np.searchsorted(trace.arrival[first:stop], last, side="right")) - first
    rows = stop - first
    if not rows:
        raise ScenarioError(
            f"window {window!r} of trace {trace.name!r} is empty: {len(trace)} rows are too few "
            "for windows: give `all` (--window all) or a longer trace"
        )
    if rows <= room:
        shorter = "horizon_seconds=..."
        if isinstance(scenario.horizon, int):
            shorter = f"horizon={max(rows // 2, 1)}"
        raise ScenarioError(
            f"window {window!r} of trace {trace.name!r} has {rows} rows and an episode of scenario "
            f"{scenario.name!r} needs {room}: give a shorter horizon (--set {shorter}) or a longer "
            "trace"
        )
    return first, stop - room


def episode_of(scenario: Scenario, trace: Trace, window: str, *, seed: int, number: int) -> Episode:
    """Episode `number` of a window: its start is drawn from (seed, number) alone."""
    if not 0 <= seed <= MOST_SEED:
        raise ScenarioError(f"seed {seed}: give one of 0 to 2**64 - 1")
    if not 0 <= number <= MOST_NUMBER:
        raise ScenarioError(f"episode {number}: give a number of 0 to 2**63 - 1")
    first, stop = starts_of(scenario, trace, window)
    start = int(np.random.default_rng((seed, number)).integers(first, stop))
    return Episode(first=start, stop=rows_of(trace, window)[1], number=number, seed=seed)
