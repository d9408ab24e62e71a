"""Which episodes an evaluation plays: drawn from a window, or from rows written down in a file."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from vmagent_marl import windows
from vmagent_marl.errors import ScenarioError, SettingError
from vmagent_marl.scenario import Scenario
from vmagent_marl.sim import Episode
from vmagent_marl.trace import Trace


def read_starts(path: str | Path) -> list[int]:
    """Rows of the trace from a file: one a line; blank lines and what follows a # do not count.

    Raises `SettingError` with file and line for what is no row, and for a file that holds none.
    """
    try:
        text = Path(path).read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        reason = getattr(error, "strerror", None) or "no text"
        raise SettingError(f"{path}: cannot be read ({reason}): give a file of rows") from None
    starts = []
    for number, line in enumerate(text.splitlines(), start=1):
        entry = line.partition("#")[0].strip()
        if not entry:
            continue
        if not (entry.isascii() and entry.isdigit()):
            raise SettingError(
                f"{path}:{number}: {entry!r} is no row of a trace: write one whole number a line"
            )
        starts.append(int(entry))
    if not starts:
        raise SettingError(f"{path}: names no row: write one whole number a line")
    return starts


def episodes_at(starts: Sequence[int], trace: Trace, *, seed: int) -> list[Episode]:
    """An episode from each row on, as far as the trace reaches."""
    for row in starts:
        if not 0 <= row < len(trace):
            raise ScenarioError(
                f"starts: row {row} is not in trace {trace.name!r}: give 0 to {len(trace) - 1}"
            )
    return [
        Episode(first=int(row), stop=len(trace), number=i, seed=seed)
        for i, row in enumerate(starts)
    ]


def episodes_in(
    scenario: Scenario, trace: Trace, window: str, *, episodes: int, seed: int
) -> list[Episode]:
    """Episodes 0, 1, ... of a window; they depend on the seed alone, so every policy gets them."""
    if episodes < 1:
        raise SettingError(f"episodes: {episodes} are too few: give 1 or more")
    return [
        windows.episode_of(scenario, trace, window, seed=seed, number=i) for i in range(episodes)
    ]
