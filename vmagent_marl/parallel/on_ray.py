"""Ray's tasks, on a cluster that runs or on one of this machine that lives as long as the work.

joblib's backend for Ray is not used: it hands out nothing before all is done, deals the calls out
to its actors beforehand, and replaces none that was killed.
"""

from __future__ import annotations

import os
import socket
from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager
from typing import Any

from vmagent_marl.errors import SettingError
from vmagent_marl.parallel.interrupts import kept_from_others

LOCAL = "local"
REACHED_IN = 10.0  # seconds, or nobody is there
SETTINGS = {  # of a Ray that is started here, unless they are set
    "RAY_USAGE_STATS_ENABLED": "0",  # tells nobody
    "RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO": "0",  # or it warns
}


class Cluster:
    """Tasks of one core each, of which Ray itself does none again."""

    def __init__(self, address: str, workers: int | None, ahead: int) -> None:
        import ray

        self._ray = ray
        self._ours = not ray.is_initialized()  # else it is the caller's, and stays
        if self._ours:
            _connect(address, workers)
        errors = ray.exceptions
        self.killed: tuple[type[BaseException], ...] = (
            errors.WorkerCrashedError,
            errors.OutOfMemoryError,
            errors.NodeDiedError,
            errors.LocalRayletDiedError,
            errors.ObjectLostError,  # with the machine that held it
        )
        cores = max(int(ray.cluster_resources().get("CPU", 1)), 1)
        self.ahead = ahead * cores
        if workers is not None and address != LOCAL:
            self.ahead = workers  # of the cores that the cluster has for everybody
        self._begin = ray.remote(num_cpus=1, max_retries=0)(_called)

    def submit(self, call: Callable[[], Any]) -> Any:
        """As a task."""
        return self._begin.remote(call)

    def result(self, ticket: Any) -> Any:
        """What the call comes to; what it raised, and no wrapper of Ray's."""
        try:
            return self._ray.get(ticket)
        except self._ray.exceptions.RayTaskError as error:
            if isinstance(error.cause, self._ray.exceptions.RaySystemError):
                told = str(error.cause).partition("\n")[0].removeprefix("System error: ")
                raise SettingError(
                    f"ray: its processes cannot load the work ({told}): every machine needs the "
                    "same vmagent-marl, and the folder that this runs in must hold no other one"
                ) from error
            if isinstance(error.cause, Exception):
                raise error.cause from None
            raise

    def fell(self, ticket: Any) -> bool:
        """Tasks fall one by one."""
        return False

    def close(self, unanswered: Collection[Any]) -> None:
        """End the cluster if it is ours, and all that it does; what another does for us it drops.

        Nothing is cancelled without need: if the answer of a task comes meanwhile, a check of Ray's
        own ends this process (ray-project/ray, pull request 54738; 2.60 still does so).
        """
        if self._ours:
            self._ray.shutdown()
            return
        running = list(unanswered)
        if running:
            _, running = self._ray.wait(running, num_returns=len(running), timeout=0)
        for ticket in running:
            self._ray.cancel(ticket, force=True)


@contextmanager
def held(address: str, workers: int | None) -> Iterator[None]:
    """One Ray for all that is done in this block, which would begin and end one each."""
    import ray

    ours = not ray.is_initialized()
    if ours:
        _connect(address, workers)
    try:
        yield
    finally:
        if ours:
            ray.shutdown()


def _called(call: Callable[[], Any]) -> Any:
    return call()


def _connect(address: str, workers: int | None) -> None:
    """Start Ray, or join one; without a word on the terminal."""
    import ray

    quietly: dict[str, Any] = {"log_to_driver": False, "logging_level": "ERROR"}
    if address == LOCAL:
        for name, value in SETTINGS.items():
            os.environ.setdefault(name, value)
        try:
            with kept_from_others():
                ray.init(address, num_cpus=workers, include_dashboard=False, **quietly)
        except BaseException as error:  # a Ctrl-C that came meanwhile is one too
            ray.shutdown()
            if not isinstance(error, Exception):
                raise
            told = str(error).strip().partition("\n")[0].rstrip(".")
            raise SettingError(
                f"ray: {address}: cannot be started ({told}): run the same again when the machine "
                "is less busy, or give workers in its place"
            ) from error
    else:
        try:
            _reach(address)
            ray.init(address, **quietly)
        except Exception as error:  # of many kinds, by what is wrong with the address
            told = str(error).strip().partition("\n")[0].rstrip(".")
            raise SettingError(
                f"ray: {address}: no cluster there ({told}): give the address of one (`ray start "
                "--head` tells it), or `local`"
            ) from error
    hush()


def _reach(address: str) -> None:
    """Raise `OSError` where nobody listens: Ray itself would try for minutes, and say so."""
    host, _, port = address.rpartition("://")[2].rpartition(":")
    if host and port.isdigit():
        socket.create_connection((host, int(port)), REACHED_IN).close()


def hush() -> None:
    """Keep Ray from printing among the program's own output; who waits tells what was killed."""
    from ray._private import worker

    if hasattr(worker, "print_to_stdstream"):
        worker.print_to_stdstream = _unheard


def _unheard(*told: Any, **more: Any) -> None:
    """In the place of what prints."""
