"""What a scenario names as its trace: the synthetic month, a file, or requests written out."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import numpy as np

from vmagent_marl.errors import TraceError
from vmagent_marl.trace.forms.read import read_trace
from vmagent_marl.trace.synthetic.month import synthetic_month
from vmagent_marl.trace.trace import LATEST, Trace
from vmagent_marl.trace.units import MIB, MILLI, to_whole

SYNTHETIC = "synthetic"


@dataclass(frozen=True)
class InlineTrace:
    """Requests written out in a scenario, for puzzles: each repeated in turn."""

    requests: tuple[tuple[float, ...], ...]  # arrival s, lifetime s, vCPU, GB; whole seconds
    repeat: int = 1  # times the whole list is played
    every: int = 0  # s from one time to the next


def load_trace(source: str | InlineTrace) -> Trace:
    """The trace that a scenario names; files are read once while they stay the same."""
    if isinstance(source, InlineTrace):
        return _write_out(source)
    if source == SYNTHETIC:
        return _default_month()
    path = Path(source)
    try:
        stat = path.stat()
    except OSError:
        return read_trace(path)  # which says what is wrong
    return _read(path, stat.st_mtime_ns, stat.st_size)


@lru_cache(maxsize=1)
def _default_month() -> Trace:
    return synthetic_month(seed=0)


@lru_cache(maxsize=4)
def _read(path: Path, changed: int, size: int) -> Trace:
    """`changed` and `size` are part of the key: a file that was rewritten is read again."""
    return read_trace(path)


def _write_out(source: InlineTrace) -> Trace:
    four = all(len(request) == 4 for request in source.requests)
    if not four or not source.requests or not np.isfinite(source.requests).all():
        raise TraceError("a trace's `requests` are lists of arrival s, lifetime s, vCPU and GB")
    if source.repeat < 1:
        raise TraceError(f"a trace's `repeat`: {source.repeat} is too few: give 1 or more")
    rows = np.tile(np.array(source.requests, np.float64), (source.repeat, 1))
    rows[:, 0] += np.repeat(np.arange(source.repeat), len(source.requests)) * float(source.every)
    if (np.abs(rows[:, :2]) > LATEST).any():
        raise TraceError("a trace's `requests`: a time lies beyond 2**52 s: give an earlier one")
    try:
        cpu, memory = to_whole(rows[:, 2], MILLI), to_whole(rows[:, 3], MIB)
    except TraceError as error:
        raise TraceError(f"a trace's `requests`: {error} vCPU or GB") from None
    return Trace(
        name="inline",
        vm=np.arange(len(rows)),
        arrival=rows[:, 0].astype(np.int64),
        departure=(rows[:, 0] + rows[:, 1]).astype(np.int64),
        cpu=cpu,
        memory=memory,
    )
