"""What training of every kind does around its updates: the device, the draws, the figures."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import torch

from vmagent_marl.errors import SettingError


def find_device(name: str) -> str:
    """A device that works: `cpu`, `cuda`, or for `auto` a GPU where there is one.

    Raises `SettingError` for one that cannot be used.
    """
    if name == "auto":
        return "cuda" if torch.cuda.is_available() else "cpu"
    try:
        torch.zeros(1, device=name)
    except (RuntimeError, AssertionError) as error:
        reason = str(error).splitlines()[0]
        raise SettingError(f"device: {name!r} cannot be used ({reason}): give cpu") from None
    return name


@contextlib.contextmanager
def drawing_from(*seed: int) -> Iterator[None]:
    """Torch draws from these numbers; its global state is the caller's."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(int(np.random.SeedSequence(seed).generate_state(1)[0]))
        yield


@contextlib.contextmanager
def board(folder: Path) -> Iterator[Callable[[str, float, int], None]]:
    """What writes figures for TensorBoard, or nothing where it is not installed."""
    try:
        from torch.utils.tensorboard import SummaryWriter
    except ModuleNotFoundError:
        yield lambda name, value, step: None
        return
    writer = SummaryWriter(str(folder / "tensorboard"))
    try:
        yield writer.add_scalar
    finally:
        writer.close()
