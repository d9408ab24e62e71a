"""How fast other libraries can step the game: requests decided in a second, learning left out.

python benchmarks/libraries.py                                          # a table
python benchmarks/libraries.py --write vmagent_marl/adapters/README.md  # and into the page
"""

from __future__ import annotations

import os
import platform
import statistics
import time
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import tyro
from rich.console import Console
from rich.table import Table

import vmagent_marl as vm
from vmagent_marl.envs.course import Course
from vmagent_marl.envs.gym_env import ClusterEnv

SCENARIO = "region-prices"  # 3 clusters of 6 servers
BATCHES = (1, 64, 256)
SECONDS = 0.4  # of a stretch
MARK = "<!-- speed -->"
Step = Callable[[], Any]  # every environment decides one request


def simulator(batch: int) -> Step:
    """The core itself, with the first legal answer found by numpy."""
    course = Course(SCENARIO, batch, window="train", seed=0)
    core = course.simulator
    course.begin(np.arange(batch))

    def step() -> None:
        core.step(core.mask.argmax(axis=2))
        if not core.running.all():
            course.begin(np.flatnonzero(~core.running))

    return step


def gymnasium_vector(batch: int) -> Step:
    """Our `vector_env`."""
    env = vm.vector_env(SCENARIO, batch)
    state = {"seen": env.reset(seed=0)[0]}

    def step() -> None:
        state["seen"] = env.step(state["seen"]["action_mask"].argmax(axis=2))[0]

    return step


def torchrl_native(batch: int) -> Step:
    """Our `ClusterTorchEnv`, resets included."""
    import torch

    from vmagent_marl.adapters.torchrl import ClusterTorchEnv

    return torchrl_step(ClusterTorchEnv(SCENARIO, batch), torch)


def torchrl_wrapped(batch: int) -> Step:
    """TorchRL's `PettingZooWrapper`; a batch is that many of them in its `SerialEnv`."""
    import torch
    from torchrl.envs import PettingZooWrapper, SerialEnv

    def made() -> Any:
        return PettingZooWrapper(vm.parallel_env(SCENARIO, mask_in="info"))

    return torchrl_step(made() if batch == 1 else SerialEnv(batch, made), torch)


def torchrl_step(env: Any, torch: Any) -> Step:
    """The first legal answers to a TorchRL environment."""
    state = {"now": env.reset()}

    def step() -> None:
        mask = state["now"]["cluster", "action_mask"]
        state["now"]["cluster", "action"] = mask.to(torch.uint8).argmax(-1)
        state["now"] = env.step_and_maybe_reset(state["now"])[1]

    return step


def sb3_native(batch: int) -> Step:
    """Our `ClusterVecEnv`."""
    from vmagent_marl.adapters.sb3 import ClusterVecEnv

    return sb3_step(ClusterVecEnv(SCENARIO, batch))


def sb3_dummy(batch: int) -> Step:
    """Stable-Baselines3's `DummyVecEnv` of our `ClusterEnv`s."""
    from stable_baselines3.common.vec_env import DummyVecEnv

    return sb3_step(DummyVecEnv([lambda: ClusterEnv(SCENARIO, mask_in="info")] * batch))


def sb3_step(env: Any) -> Step:
    """The first legal answers to a VecEnv."""
    env.reset()

    def step() -> None:
        masks = np.stack(env.env_method("action_masks"))
        env.step(masks.reshape(env.num_envs, 3, -1).argmax(axis=2))

    return step


ROWS = {
    "the simulator itself": simulator,
    "Gymnasium: our `vector_env`": gymnasium_vector,
    "TorchRL: our `ClusterTorchEnv`": torchrl_native,
    "TorchRL: its `PettingZooWrapper` on `parallel_env`": torchrl_wrapped,
    "Stable-Baselines3: our `ClusterVecEnv`": sb3_native,
    "Stable-Baselines3: its `DummyVecEnv` of `ClusterEnv`s": sb3_dummy,
}


def rate(step: Step, batch: int) -> float:
    """Requests decided in a second: median of three stretches."""
    step()
    rates = []
    for _ in range(3):
        began, steps = time.perf_counter(), 0
        while time.perf_counter() - began < SECONDS:
            step()
            steps += 1
        rates.append(batch * steps / (time.perf_counter() - began))
    return statistics.median(rates)


def main(write: Path | None = None) -> None:
    """Print the table.

    Args:
        write: a Markdown file whose part between the speed marks is replaced.
    """
    warnings.simplefilter("ignore")
    cells = {what: [rate(make(batch), batch) for batch in BATCHES] for what, make in ROWS.items()}
    table = Table("requests/s", *(f"{batch} at once" for batch in BATCHES))
    lines = [f"| requests/s | {' | '.join(f'{batch} at once' for batch in BATCHES)} |"]
    lines.append("|---" + "|---:" * len(BATCHES) + "|")
    for what, rates in cells.items():
        shown = [f"{value:,.0f}" for value in rates]
        table.add_row(what, *shown)
        lines.append(f"| {what} | {' | '.join(shown)} |")
    Console().print(table)
    if write is not None:
        before, _, after = write.read_text(encoding="utf-8").split(MARK)
        where = f"Python {platform.python_version()}, one of {os.cpu_count()} cores"
        told = f"`python benchmarks/libraries.py` on `{SCENARIO}`, {where} ({platform.machine()})."
        text = "\n".join([MARK, told, "", *lines, MARK])
        write.write_text(f"{before}{text}{after}", encoding="utf-8")


if __name__ == "__main__":
    tyro.cli(main)
