"""Calls whose process is killed, and what is left; a module, so that other processes find it."""

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


def runs(process: int) -> bool:
    """Whether there is such a process."""
    return _told_of(process)[0] not in ("gone", "Z")


def of_session(session: int) -> list[int]:
    """The processes of a session that run."""
    every = [int(entry.name) for entry in Path("/proc").iterdir() if entry.name.isdigit()]
    return [each for each in every if runs(each) and _told_of(each)[3:4] == [str(session)]]


def _told_of(process: int) -> list[str]:
    """State, parent, group, session ..., as in `man proc_pid_stat`."""
    try:
        return Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return ["gone"]


def soon(holds: object, seconds: float = 20.0) -> bool:
    """Whether what is called holds before the time is over."""
    assert callable(holds)
    end = time.monotonic() + seconds
    while not holds():
        if time.monotonic() > end:
            return False
        time.sleep(0.05)
    return True
