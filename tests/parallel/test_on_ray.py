from __future__ import annotations

import importlib
import os
import signal
import socket
import sys
import time
from contextlib import nullcontext
from functools import partial
from pathlib import Path

import deadly
import pytest
from apart import Ended, called_apart

from vmagent_marl.errors import KilledError, SettingError
from vmagent_marl.parallel import in_turn, kept

ray = pytest.importorskip(
    "ray", reason="ray is not installed: pip install vmagent-marl[distributed]"
)


def in_order(folder: Path) -> tuple[list[tuple[int, int]], int, bool]:
    """What the calls come to, the process that asks, and whether Ray still runs."""
    with kept("local", 2):
        work = {str(i): partial(deadly.told, i, folder) for i in range(9)}
        return list(in_turn(work, ray="local")), os.getpid(), ray.is_initialized()


def one_killed(mark: Path) -> list[int]:
    with kept("local", 2):
        work = {str(i): partial(deadly.told, i) for i in range(4)}
        work["two"] = partial(deadly.killed_first, mark, partial(deadly.told, 4))
        return [number for number, _ in in_turn(work, ray="local")]


def always_killed() -> None:
    with kept("local", 2):
        list(in_turn({"0": partial(deadly.told, 0), "the third": deadly.killed}, ray="local"))


def raising(tries: Path) -> None:
    with kept("local", 2):
        list(in_turn({"full": partial(deadly.failed, tries)}, ray="local"))


def only_here(folder: Path) -> None:
    with kept("local", 2):
        (folder / "only_here.py").write_text("def three():\n    return 3\n")
        sys.path.insert(0, str(folder))
        list(in_turn({"0": importlib.import_module("only_here").three}, ray="local"))


def alone(mark: Path) -> tuple[list[int], bool]:
    work = {"first": partial(deadly.killed_first, mark, partial(deadly.told, 0))}
    work["second"] = partial(deadly.told, 1)
    numbers = [number for number, _ in in_turn(work, workers=2, ray="local")]
    return numbers, ray.is_initialized()


def dropped(file: Path, stays: bool) -> list[bool]:
    """Whether the process of a call runs before and after nobody waits for it, and Ray then."""
    with kept("local", 2) if stays else nullcontext():
        work = {"0": partial(deadly.told, 0), "1": partial(deadly.slept, file, 90)}
        results = in_turn(work, workers=2, ray="local")
        next(results)
        assert deadly.soon(lambda: file.is_file() and file.read_text())
        process = int(file.read_text())
        before = deadly.runs(process)
        results.close()
        return [before, not deadly.soon(lambda: not deadly.runs(process)), ray.is_initialized()]


def gone_as_it_starts(begun: Path) -> None:
    """As Ray's driver goes where it does not reach what it has just started."""
    from ray._private import worker

    def unreached(*_: object, **__: object) -> None:
        assert len(list(worker._global_node.live_processes())) >= 2
        with begun.open("a") as stream:
            print(os.getpid(), file=stream)
        time.sleep(1.0)  # what it has just started begins others, which outlive it
        print("Failed to get the system config from raylet because it is dead.", file=sys.stderr)
        sys.stderr.flush()
        os._exit(1)

    worker.connect = unreached
    list(in_turn({"0": partial(deadly.told, 0)}, workers=1, ray="local"))


def gone_later(times: Path) -> None:
    with kept("local", 2):
        deadly.told(len(list(times.iterdir())), times)
        print("Failed to register worker", file=sys.stderr, flush=True)
        os.kill(os.getpid(), signal.SIGKILL)


def test_in_order_by_other_processes(tmp_path: Path) -> None:
    results, process, still = called_apart(in_order, tmp_path).result
    assert [number for number, _ in results] == list(range(9))
    assert process not in {process for _, process in results}
    assert still


def test_what_was_killed_is_begun_anew(tmp_path: Path) -> None:
    called = called_apart(one_killed, tmp_path / "mark")
    assert called.result == list(range(5))
    assert called.out == ""
    assert called.err == "a worker was killed: begun anew from two\n"


def test_what_is_killed_every_time_is_named() -> None:
    with pytest.raises(KilledError, match=r"^the third: its process was killed 3 times"):
        called_apart(always_killed)


def test_what_a_call_raises_comes_through_and_is_not_tried_again(tmp_path: Path) -> None:
    with pytest.raises(OSError, match="No space left") as raised:
        called_apart(raising, tmp_path / "tries")
    assert type(raised.value) is OSError
    assert raised.value.errno == 28
    assert (tmp_path / "tries").read_text() == "x"


def test_what_other_machines_do_not_have_is_one_line(tmp_path: Path) -> None:
    with pytest.raises(SettingError, match=r"cannot load the work \(No module named 'only_here'\)"):
        called_apart(only_here, tmp_path)


def test_a_cluster_of_its_own_ends_with_the_work_and_says_nothing(tmp_path: Path) -> None:
    called = called_apart(alone, tmp_path / "mark")
    assert called.result == ([0, 1], False)
    assert called.out == ""
    assert called.err == "a worker was killed: begun anew from first\n"


@pytest.mark.parametrize("stays", [True, False])
def test_what_nobody_waits_for_any_more_is_stopped(stays: bool, tmp_path: Path) -> None:
    called = called_apart(dropped, tmp_path / "process", stays)
    assert called.result == [True, False, stays]
    assert called.err == ""


def test_an_address_where_nobody_listens_is_one_line() -> None:
    with socket.socket() as unheard:
        unheard.bind(("127.0.0.1", 0))
        address = f"127.0.0.1:{unheard.getsockname()[1]}"
        with pytest.raises(SettingError, match=rf"^ray: {address}: no cluster there \(.*\)"):
            list(in_turn({"0": partial(deadly.told, 0)}, ray=address))


def test_a_driver_that_goes_as_it_starts_is_tried_twice_and_leaves_nothing(tmp_path: Path) -> None:
    with pytest.raises(pytest.skip.Exception, match=r"Ray could not start .*, 2 times: Failed to "):
        called_apart(gone_as_it_starts, tmp_path / "begun")
    begun = [int(word) for word in (tmp_path / "begun").read_text().split()]
    assert len(begun) == 2
    assert deadly.soon(lambda: not any(deadly.of_session(session) for session in begun))


def test_one_that_goes_later_is_no_start_that_failed(tmp_path: Path) -> None:
    with pytest.raises(Ended, match="Failed to register worker") as ended:
        called_apart(gone_later, tmp_path)
    assert ended.value.code == -signal.SIGKILL
    assert [file.name for file in tmp_path.iterdir()] == ["0"]
