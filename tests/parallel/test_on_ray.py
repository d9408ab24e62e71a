from __future__ import annotations

import importlib
import os
import socket
import subprocess
import sys
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import deadly
import pytest

from vmagent_marl.errors import KilledError, SettingError
from vmagent_marl.parallel import in_turn
from vmagent_marl.parallel.on_ray import hush

ray = deadly.ray_or_skip()
pytestmark = pytest.mark.xdist_group("ray")  # one cluster for all of them
TESTS = Path(__file__).parent.parent
ALONE = """
import sys
from functools import partial
from pathlib import Path
import deadly
from vmagent_marl.parallel import in_turn

work = {"first": partial(deadly.killed_first, Path(sys.argv[1]), partial(deadly.told, 0))}
work["second"] = partial(deadly.told, 1)
print([number for number, _ in in_turn(work, workers=2, ray="local")])
import ray
print(ray.is_initialized())
"""


@pytest.fixture(scope="module", autouse=True)
def cluster() -> Iterator[None]:
    """One for all of these tests: `in_turn` uses what its caller has connected."""
    about = {"PYTHONPATH": os.pathsep.join([str(TESTS), *filter(None, sys.path)])}
    os.environ["RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO"] = "0"
    ray.init(
        "local",
        num_cpus=2,
        include_dashboard=False,
        log_to_driver=False,
        logging_level="ERROR",
        runtime_env={"env_vars": about},
    )
    hush()
    yield
    ray.shutdown()


def test_in_order_by_other_processes(tmp_path: Path) -> None:
    work = {str(i): partial(deadly.told, i, tmp_path) for i in range(9)}
    results = list(in_turn(work, ray="local"))
    assert [number for number, _ in results] == list(range(9))
    assert os.getpid() not in {process for _, process in results}
    assert ray.is_initialized()


def test_what_was_killed_is_begun_anew(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    work = {str(i): partial(deadly.told, i) for i in range(4)}
    work["two"] = partial(deadly.killed_first, tmp_path / "mark", partial(deadly.told, 4))
    assert [number for number, _ in in_turn(work, ray="local")] == list(range(5))
    assert "a worker was killed: begun anew from two\n" in capfd.readouterr().err


def test_what_is_killed_every_time_is_named() -> None:
    work = {"0": partial(deadly.told, 0), "the third": deadly.killed}
    with pytest.raises(KilledError, match=r"^the third: its process was killed 3 times"):
        list(in_turn(work, ray="local"))


def test_what_a_call_raises_comes_through_and_is_not_tried_again(tmp_path: Path) -> None:
    with pytest.raises(OSError, match="No space left") as raised:
        list(in_turn({"full": partial(deadly.failed, tmp_path / "tries")}, ray="local"))
    assert type(raised.value) is OSError
    assert raised.value.errno == 28
    assert (tmp_path / "tries").read_text() == "x"


def test_what_other_machines_do_not_have_is_one_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "only_here.py").write_text("def three():\n    return 3\n")
    monkeypatch.syspath_prepend(tmp_path)
    work = {"0": importlib.import_module("only_here").three}
    with pytest.raises(SettingError, match=r"cannot load the work \(No module named 'only_here'\)"):
        list(in_turn(work, ray="local"))


def test_a_cluster_of_its_own_ends_with_the_work_and_says_nothing(tmp_path: Path) -> None:
    path = os.pathsep.join([str(TESTS), *filter(None, sys.path)])
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", ALONE, str(tmp_path / "mark")],
        env={**os.environ, "PYTHONPATH": path},
        capture_output=True,
        text=True,
        timeout=120,
        check=True,
    )
    assert done.stdout == "[0, 1]\nFalse\n"
    assert done.stderr == "a worker was killed: begun anew from first\n"


def test_an_address_where_nobody_listens_is_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ray, "is_initialized", lambda: False)
    with socket.socket() as unheard:
        unheard.bind(("127.0.0.1", 0))
        address = f"127.0.0.1:{unheard.getsockname()[1]}"
        with pytest.raises(SettingError, match=rf"^ray: {address}: no cluster there \(.*\)"):
            list(in_turn({"0": partial(deadly.told, 0)}, ray=address))
