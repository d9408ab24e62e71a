"""Processes of this machine, by joblib's loky: they end with the one that has begun them."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable, Collection
from typing import Any

from vmagent_marl.parallel.interrupts import kept_from_others

IDLE = 30.0  # seconds after which processes end that nobody has asked for anything
LOOKS = 0.5  # seconds between looks for the parent
ONE_THREAD = (  # in each process: they are the parallel part
    "OMP_NUM_THREADS",
    "OPENBLAS_NUM_THREADS",
    "MKL_NUM_THREADS",
    "VECLIB_MAXIMUM_THREADS",
    "NUMBA_NUM_THREADS",
)


class Processes:
    """They stay for the next work, which then need not wait until they have loaded everything."""

    def __init__(self, workers: int, ahead: int) -> None:
        from joblib.externals.loky.process_executor import TerminatedWorkerError

        self._workers, self.ahead = workers, workers * ahead
        self.killed: tuple[type[BaseException], ...] = (TerminatedWorkerError,)

    def submit(self, call: Callable[[], Any]) -> Any:
        """To a pool that is whole: one in which a process was killed is replaced."""
        with kept_from_others():
            return self._executor().submit(call)

    def result(self, ticket: Any) -> Any:
        """What the call comes to."""
        return ticket.result()

    def fell(self, ticket: Any) -> bool:
        """All that is not done does: the pool breaks as a whole."""
        return not ticket.done() or isinstance(ticket.exception(), self.killed)

    def close(self, unanswered: Collection[Any]) -> None:
        """Keep the processes, unless they do what nobody waits for."""
        if unanswered:
            self._executor().shutdown(wait=True, kill_workers=True)

    def _executor(self) -> Any:
        from joblib.externals.loky import get_reusable_executor

        return get_reusable_executor(
            self._workers,
            timeout=IDLE,
            initializer=_end_with,
            initargs=(os.getpid(),),
            env=dict.fromkeys(ONE_THREAD, "1"),
        )


def _end_with(parent: int) -> None:
    """Begin to look, in a worker, whether its parent lives: one that was killed tells nobody."""

    def look() -> None:
        while os.getppid() == parent:
            time.sleep(LOOKS)
        os._exit(1)

    threading.Thread(target=look, daemon=True).start()
