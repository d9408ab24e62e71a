"""What a start loads, compiles and holds, each in a process of its own."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time

from timing import Row

HEAVY = ("numba", "gymnasium", "pettingzoo", "torch", "minari", "h5py", "d3rlpy", "matplotlib")
IMPORT = f"""
import vmagent_marl, sys
print(sum(module in sys.modules for module in {HEAVY!r}))
"""
FIRST_STEP = """
import vmagent_marl
from numba.core import event

class Count(event.Listener):
    compiled = 0
    def on_start(self, happened):
        self.compiled += 1
    def on_end(self, happened):
        pass

count = Count()
event.register("numba:compile", count)
env = vmagent_marl.parallel_env("region-prices")
env.reset(seed=0)
env.step(dict.fromkeys(env.agents, 0))
print(count.compiled)
"""
LARGE_BATCH = """
import resource
import numpy as np
from vmagent_marl.scenario import load_scenario
from vmagent_marl.sim import Episode

def resident():
    with open("/proc/self/statm") as statm:
        return int(statm.read().split()[1]) * resource.getpagesize() / 1e6

scenario = load_scenario("recovering", servers=1000, turned_away="count")
small = scenario.simulator(batch=1)
small.reset({0: Episode(0)})
small.step(np.zeros((1, 1), np.int64))
before = resident()
large = scenario.simulator(batch=1024)
large.reset({b: Episode(b) for b in range(1024)})
for _ in range(100):
    large.step(large.mask.argmax(axis=2))
print(resident() - before)
"""


def start_rows() -> list[Row]:
    """Imports, compiling, and memory."""
    with tempfile.TemporaryDirectory() as cache:
        cold_seconds, _, told = _run(FIRST_STEP, NUMBA_CACHE_DIR=cache)
        warm_seconds, warm, _ = _run(FIRST_STEP, NUMBA_CACHE_DIR=cache)
    import_seconds, heavy, _ = _run(IMPORT)
    _, megabytes, _ = _run(LARGE_BATCH)
    return [
        Row("modules heavier than numpy that the import loads", heavy, "", 0, at_most=True),
        Row("the import, the start of Python included", import_seconds, "s"),
        Row("lines that say so when the first step compiles", float("Compiling" in told), "", 1),
        Row("first step, cold cache", cold_seconds, "s"),
        Row("first step, second start", warm_seconds, "s"),
        Row("functions that a second start compiles", warm, "", 0, at_most=True),
        Row("1,024 environments of 1,000 servers", megabytes, "MB", 200, at_most=True),
    ]


def _run(program: str, **environment: str) -> tuple[float, float, str]:
    """Wall seconds of a program, the number that it prints, and what it says beside."""
    began = time.perf_counter()
    done = subprocess.run(
        [sys.executable, "-c", program],
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
        check=True,
    )
    return time.perf_counter() - began, float(done.stdout), done.stderr
