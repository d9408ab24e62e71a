"""Calls whose process is killed; a module, so that other processes find it."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any


def killed_first(mark: Path, call: Callable[[], Any]) -> Any:
    """The call, but the first process that tries is killed; it leaves the mark."""
    if not mark.exists():
        mark.touch()
        os.kill(os.getpid(), signal.SIGKILL)
    return call()


def killed() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def failed(tries: Path) -> None:
    """Raises; each try leaves a letter."""
    with tries.open("a") as stream:
        stream.write("x")
    raise OSError(28, "No space left on device")


def told(number: int, folder: Path | None = None) -> tuple[int, int]:
    """The number and the process; a file by the number tells that it was begun."""
    if folder is not None:
        (folder / str(number)).touch()
    return number, os.getpid()


def slept(file: Path, seconds: float) -> None:
    """Tells its process in the file, and sleeps."""
    file.write_text(str(os.getpid()))
    time.sleep(seconds)


def ray_or_skip() -> Any:
    """Ray, where it is installed and may be started.

    Its driver ends the whole process, the tests' too, where it cannot reach what it has just
    started; on a busy machine that happens, and so these tests are for whoever runs them by hand.
    """
    import pytest  # not where Ray's processes load this

    if os.environ.get("CI"):
        pytest.skip("Ray may end the process that starts it: unset CI", allow_module_level=True)
    return pytest.importorskip(
        "ray", reason="ray is not installed: pip install vmagent-marl[distributed]"
    )
