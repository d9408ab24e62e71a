"""Calls in a process of their own, since what a library starts may end the one that it is in.

Ray's driver does so where it cannot reach what it has just started, as on a busy machine.
"""

from __future__ import annotations

import contextlib
import importlib.util
import inspect
import os
import pickle
import re
import signal
import subprocess
import sys
import tempfile
import traceback
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

TESTS = Path(__file__).parent
ANSWER = "import apart, sys; apart.answer(apart.Path(sys.argv[1]))"
LASTS = 120.0  # seconds at most; Ray waits for one of its own for 60
TRIES = 2  # of what Ray could not be started for
UNSTARTED = re.compile(  # what Ray says of a start that failed, in an error or as it ends
    r"timed out during startup|Failed to start GCS|Failed to get the system config from raylet"
    r"|Failed to register worker|Failed to connect to GCS within"
)


@dataclass(frozen=True)
class Called:
    """What a call came to, and what its process printed."""

    result: Any
    out: str
    err: str


class Ended(Exception):
    """The process ended, or was ended, before its call did."""

    def __init__(self, code: int, out: str, err: str) -> None:
        super().__init__(f"ended by {code} and printed:\n{out}\n{err}")
        self.code, self.err = code, err


def called_apart(call: Callable[..., Any], *arguments: Any) -> Called:
    """Call a function of some test's module elsewhere; what it raises is raised here.

    Raises `Ended` where no answer came. Skips the test where Ray says, twice, that it cannot be
    started; all else that goes wrong is an error.
    """
    said = ""
    for _ in range(TRIES):
        with tempfile.TemporaryDirectory() as name:
            folder = Path(name)
            try:
                return _called(call, arguments, folder)
            except Exception as error:  # only what Ray says of its own start is taken here
                found = UNSTARTED.search(str(error))
                if not (folder / "starts").exists() or not found:
                    raise
                said = found[0]
    import pytest  # not where the call is

    return pytest.skip(f"Ray could not start on this busy machine, {TRIES} times: {said}")


def _called(call: Callable[..., Any], arguments: tuple[Any, ...], folder: Path) -> Called:
    asked = inspect.getfile(call), call.__name__, arguments
    (folder / "asked").write_bytes(pickle.dumps(asked))
    path = os.pathsep.join([str(TESTS), *filter(None, sys.path)])  # Ray's processes read it too
    with (folder / "out").open("wb") as out, (folder / "err").open("wb") as err:
        process = subprocess.Popen(
            [sys.executable, "-W", "error", "-c", ANSWER, str(folder)],
            env={**os.environ, "PYTHONPATH": path},
            stdin=subprocess.DEVNULL,
            stdout=out,
            stderr=err,
            start_new_session=True,
        )
        try:
            code = process.wait(LASTS)
        except subprocess.TimeoutExpired:
            code = -signal.SIGALRM
        finally:
            with contextlib.suppress(ProcessLookupError):  # of what Ray began much may outlive it
                os.killpg(process.pid, signal.SIGKILL)
            process.wait()
    printed = [(folder / stream).read_text() for stream in ("out", "err")]
    if code != 0 or not (folder / "answer").exists():
        raise Ended(code, *printed)
    # what this very test's own process wrote a moment ago, and exceptions have no other form
    result, error, where = pickle.loads((folder / "answer").read_bytes())
    if error is not None:
        raise error from RuntimeError(f"in the process of its own:\n{where}")
    return Called(result, *printed)


def answer(folder: Path) -> None:
    """Do what is asked for in the folder, in this process."""
    file, name, arguments = pickle.loads((folder / "asked").read_bytes())
    spec = importlib.util.spec_from_file_location(Path(file).stem, file)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[module.__name__] = module
    spec.loader.exec_module(module)
    _tell_of_starts(folder / "starts")
    told: tuple[Any, BaseException | None, str]
    try:
        told = getattr(module, name)(*arguments), None, ""
    except Exception as error:  # whatever it is, it is raised where the call was made
        told = None, error, traceback.format_exc()
    (folder / "answer").write_bytes(pickle.dumps(told))


def _tell_of_starts(mark: Path) -> None:
    """The mark is there while Ray starts, and for good where that failed."""
    if importlib.util.find_spec("ray") is None:
        return
    import ray

    start = ray.init

    def told(*arguments: Any, **options: Any) -> Any:
        mark.touch()
        begun = start(*arguments, **options)
        mark.unlink()
        return begun

    ray.init = told
