"""Kernels side by side: they hold no lock, and no environment knows of another."""

from __future__ import annotations

import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor, wait
from functools import cache
from typing import TypeVar

Result = TypeVar("Result")
MOST = 256  # threads


def cpus() -> int:
    """CPUs that this process may use."""
    if hasattr(os, "sched_getaffinity"):  # not on every system
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def side_by_side(call: Callable[[int, int], Result], count: int, threads: int) -> list[Result]:
    """`call(first, stop)` for the parts of range(count), one a thread; what each returned.

    None of them is left running, whatever is raised here: they write into arrays of the caller.
    """
    ends = [count * i // threads for i in range(threads + 1)]
    others = [_pool().submit(call, ends[i], ends[i + 1]) for i in range(1, threads)]
    try:
        mine = call(ends[0], ends[1])
    finally:
        wait(others)
    return [mine, *(other.result() for other in others)]


@cache
def _pool() -> ThreadPoolExecutor:
    """Threads that wait for work, begun as they are needed; handing it over takes microseconds."""
    return ThreadPoolExecutor(MOST, thread_name_prefix="vmagent_marl")


if hasattr(os, "register_at_fork"):  # a child has none of its parent's threads
    os.register_at_fork(after_in_child=_pool.cache_clear)
