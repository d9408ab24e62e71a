"""The kernels as plain Python, where an index out of bounds raises instead of reading memory."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path


def test_the_differential_the_heuristics_and_the_networks_hold_without_the_jit() -> None:
    here = Path(__file__).parent
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider"]
    # uint64 arithmetic wraps, which numpy's scalars warn of and compiled code does not.
    command += ["-W", "ignore::RuntimeWarning", str(here / "test_differential.py")]
    for tested in ("test_heuristics.py", "test_network_kernel.py"):
        command.append(str(here.parent / "policies" / tested))
    paths = os.pathsep.join([*sys.path, str(here.parent)])
    environment = {**os.environ, "NUMBA_DISABLE_JIT": "1", "PYTHONPATH": paths}
    environment.pop("PYTEST_ADDOPTS", None)
    run = subprocess.run(
        command, cwd=here.parents[1], env=environment, capture_output=True, text=True
    )
    assert run.returncode == 0, run.stdout[-8000:] + run.stderr[-2000:]
