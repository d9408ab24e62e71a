from __future__ import annotations

import importlib.util
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Collection
from functools import partial
from pathlib import Path
from typing import Any

import deadly
import pytest

from vmagent_marl.errors import KilledError, SettingError
from vmagent_marl.parallel import in_turn

PARENT = """
import sys
from functools import partial
from pathlib import Path
import deadly
from vmagent_marl.parallel import in_turn

work = {str(i): partial(deadly.slept, Path(sys.argv[1]) / str(i), 60) for i in range(2)}
list(in_turn(work, workers=2))
"""


def written(*files: Path) -> bool:
    return all(file.is_file() and file.read_text() for file in files)


def test_without_workers_each_is_called_when_it_is_asked_for(tmp_path: Path) -> None:
    results = in_turn({str(i): partial(deadly.told, i, tmp_path) for i in range(3)})
    assert not list(tmp_path.iterdir())
    assert next(results) == (0, os.getpid())
    assert [file.name for file in tmp_path.iterdir()] == ["0"]
    assert [number for number, _ in results] == [1, 2]


def test_workers_go_ahead_so_far_and_no_further(tmp_path: Path) -> None:
    results = in_turn({str(i): partial(deadly.told, i, tmp_path) for i in range(12)}, workers=2)
    assert next(results)[0] == 0
    assert deadly.soon(lambda: len(list(tmp_path.iterdir())) == 4)
    time.sleep(0.3)
    assert len(list(tmp_path.iterdir())) == 4
    rest = list(results)
    assert [number for number, _ in rest] == list(range(1, 12))
    assert os.getpid() not in {process for _, process in rest}


def test_what_was_killed_is_begun_anew(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    work = {str(i): partial(deadly.told, i) for i in range(6)}
    work["two"] = partial(deadly.killed_first, tmp_path / "mark", partial(deadly.told, 6))
    assert [number for number, _ in in_turn(work, workers=2)] == list(range(7))
    out, err = capfd.readouterr()
    assert out == ""
    (line,) = [line for line in err.splitlines() if "killed" in line]
    assert line.startswith("a worker was killed: begun anew from ")


def test_what_is_killed_every_time_is_named(capfd: pytest.CaptureFixture[str]) -> None:
    work = {"0": partial(deadly.told, 0), "the third": deadly.killed, "2": partial(deadly.told, 2)}
    results = in_turn(work, workers=2)
    assert next(results)[0] == 0
    with pytest.raises(KilledError, match=r"^the third: its process was killed 3 times.*memory"):
        next(results)
    assert capfd.readouterr().err.count("a worker was killed: begun anew from the third\n") == 2


def test_what_a_call_raises_comes_through_and_is_not_tried_again(tmp_path: Path) -> None:
    work = {"0": partial(deadly.told, 0), "full": partial(deadly.failed, tmp_path / "tries")}
    with pytest.raises(OSError, match="No space left") as raised:
        list(in_turn(work, workers=2))
    assert raised.value.errno == 28
    assert (tmp_path / "tries").read_text() == "x"


def test_nothing_runs_on_when_nobody_waits_any_more(tmp_path: Path) -> None:
    files = [tmp_path / "0", tmp_path / "1"]
    work = {"first": partial(deadly.told, 0)}
    work |= {file.name: partial(deadly.slept, file, 60) for file in files}
    results = in_turn(work, workers=2)
    next(results)
    assert deadly.soon(lambda: written(*files))
    results.close()
    assert deadly.soon(lambda: not any(deadly.runs(int(file.read_text())) for file in files), 5)


class Told:
    """A pool whose calls are done when they are asked for, and that remembers what it stopped."""

    ahead, killed = 3, (ChildProcessError,)
    stopped: tuple[str, ...] = ()

    def submit(self, call: Callable[[], str]) -> Callable[[], str]:
        return call

    def result(self, ticket: Callable[[], str]) -> str:
        return ticket()

    def fell(self, ticket: object) -> bool:
        return False

    def close(self, unanswered: Collection[Any]) -> None:
        self.stopped = tuple(call.args[0] for call in unanswered)


def raising(name: str, error: type[BaseException]) -> str:
    raise error(name)


@pytest.mark.parametrize(
    ("error", "told", "stopped"),
    [
        (OSError, OSError, ("2", "3")),
        (ChildProcessError, KilledError, ("2", "3")),
        (KeyboardInterrupt, KeyboardInterrupt, ("1", "2", "3")),
    ],
)
def test_only_what_is_not_answered_is_stopped(
    error: type[BaseException],
    told: type[BaseException],
    stopped: tuple[str, ...],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    pool = Told()
    monkeypatch.setattr(sys.modules[in_turn.__module__], "_pool", lambda *_: pool)
    work = {"0": partial(str, "0"), "1": partial(raising, "1", error)}
    work |= {name: partial(str, name) for name in "2345"}
    with pytest.raises(told):
        list(in_turn(work, workers=2))
    assert pool.stopped == stopped


@pytest.mark.parametrize("how", ["killed", "interrupted"])
def test_no_process_outlives_its_parent(how: str, tmp_path: Path) -> None:
    files = [tmp_path / "0", tmp_path / "1"]
    path = os.pathsep.join([str(Path(__file__).parent.parent), *filter(None, sys.path)])
    parent = subprocess.Popen(
        [sys.executable, "-c", PARENT, str(tmp_path)],
        env={**os.environ, "PYTHONPATH": path},
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    assert deadly.soon(lambda: written(*files))
    if how == "killed":
        parent.kill()
    else:
        os.killpg(parent.pid, signal.SIGINT)  # as a terminal does
    _, err = parent.communicate(timeout=20)
    assert deadly.soon(lambda: not any(deadly.runs(int(file.read_text())) for file in files))
    if how == "interrupted":
        assert err.count("Traceback") == err.count("KeyboardInterrupt") == 1  # the parent's own


def test_what_cannot_be_had_is_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    work = {"0": partial(deadly.told, 0)}
    with pytest.raises(SettingError, match="workers: 0 are too few"):
        in_turn(work, workers=0)
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with pytest.raises(SettingError, match=r"Ray is not installed: pip install \"vmagent-marl\["):
        in_turn(work, ray="local")
