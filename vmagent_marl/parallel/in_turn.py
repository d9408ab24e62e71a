"""Functions called in order, or ahead of it by processes; what was killed is done again."""

from __future__ import annotations

import importlib.util
import sys
from collections import Counter
from collections.abc import Callable, Collection, Generator, Mapping
from contextlib import AbstractContextManager, nullcontext
from typing import Any, Protocol, TypeVar

from vmagent_marl.errors import KilledError, SettingError

Result = TypeVar("Result")
AHEAD = 2  # calls under way or done and waiting, for each process: it bounds the memory
TRIES = 3  # of a call whose process was killed


class Pool(Protocol):
    """Processes that call what they are handed."""

    ahead: int  # calls that may be handed in before the first is waited for
    killed: tuple[type[BaseException], ...]  # of a call whose process did not live to answer

    def submit(self, call: Callable[[], Any]) -> Any:
        """Hand in a call, for a ticket."""

    def result(self, ticket: Any) -> Any:
        """Wait for what the call comes to, or raise what it raised."""

    def fell(self, ticket: Any) -> bool:
        """Whether it went down with one that was just found killed."""

    def close(self, unanswered: Collection[Any]) -> None:
        """Leave none of these running, for which nobody waits any more."""


def in_turn(
    work: Mapping[str, Callable[[], Result]],
    *,
    workers: int | None = None,
    ray: str | None = None,
) -> Generator[Result, None, None]:
    """What each call comes to, in order; the names say in messages which is meant.

    Each is called here when it is asked for, unless `workers` processes do so ahead. `ray`: they
    are a Ray cluster's; `local` is one of `workers` cores of this machine (None: of all) that ends
    with the work, anything else the address of one that runs, where `workers` bounds how many calls
    are under way. Calls and results must be picklable.

    A call whose process was killed is begun anew, by itself, `TRIES` times in all; then
    `KilledError` names it. What a call raises comes through as it is. When the generator is closed
    nothing is left running. Raises `SettingError` for workers or a cluster that cannot be had.
    """
    if workers is not None and workers < 1:
        raise SettingError(f"workers: {workers} are too few: give 1 or more")
    if ray is None and min(workers or 1, len(work)) <= 1:
        return _here(work)
    if ray is not None:
        _check_ray(ray)
    return _ahead(work, workers, ray)


def kept(ray: str | None, workers: int | None) -> AbstractContextManager[None]:
    """A block in which `in_turn`, called several times with this `ray`, finds one that runs."""
    if ray is None:
        return nullcontext()
    _check_ray(ray)
    from vmagent_marl.parallel.on_ray import held

    return held(ray, workers)


def _check_ray(ray: str) -> None:
    if importlib.util.find_spec("ray") is None:
        raise SettingError(
            f'ray: {ray}: Ray is not installed: pip install "vmagent-marl[distributed]", or give '
            "workers in its place"
        )


def _here(work: Mapping[str, Callable[[], Result]]) -> Generator[Result, None, None]:
    yield from (call() for call in work.values())


def _ahead(
    work: Mapping[str, Callable[[], Result]], workers: int | None, ray: str | None
) -> Generator[Result, None, None]:
    """The calls begun by a pool, no further ahead of the one that is waited for than it allows."""
    if not work:
        return
    names, calls = list(work), list(work.values())
    tries: Counter[int] = Counter()
    begun: dict[int, Any] = {}
    pool = _pool(workers, ray)
    try:
        for i, name in enumerate(names):
            while True:
                ahead = 1 if tries[i] else pool.ahead  # alone: it may be the memory of them all
                for j in range(i, min(i + ahead, len(calls))):
                    if j not in begun:
                        begun[j] = pool.submit(calls[j])
                try:
                    result = pool.result(begun[i])
                    break
                except pool.killed as error:
                    tries[i] += 1
                    if tries[i] == TRIES:
                        del begun[i]
                        raise KilledError(_gone(name)) from error
                    begun = {j: each for j, each in begun.items() if j > i and not pool.fell(each)}
                    print(f"a worker was killed: begun anew from {name}", file=sys.stderr)
                except Exception:
                    del begun[i]  # it is answered: an interrupt is no answer
                    raise
            del begun[i]
            yield result
    finally:
        pool.close(begun.values())


def _pool(workers: int | None, ray: str | None) -> Pool:
    if ray is not None:
        from vmagent_marl.parallel.on_ray import Cluster

        return Cluster(ray, workers, AHEAD)
    from vmagent_marl.parallel.processes import Processes

    return Processes(workers or 1, AHEAD)


def _gone(name: str) -> str:
    return (
        f"{name}: its process was killed {TRIES} times, which the system does when memory runs out "
        "(`dmesg` tells): make room or take fewer workers, and run the same again"
    )
