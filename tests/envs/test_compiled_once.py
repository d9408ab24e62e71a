"""Kernels are compiled for one kind of memory, whatever comes in."""

from __future__ import annotations

import numba
import numpy as np
import pytest

from vmagent_marl.envs import best_slots
from vmagent_marl.envs.game import view_of
from vmagent_marl.scenario import load_scenario
from vmagent_marl.sim import step
from vmagent_marl.sim.simulator import Episode


@pytest.mark.skipif(bool(numba.config.DISABLE_JIT), reason="nothing is compiled")
@pytest.mark.parametrize("actions", ["slots", "top-2"])
def test_actions_of_any_memory_compile_no_kernel_anew(actions: str) -> None:
    view = view_of(load_scenario("region-prices").simulator(batch=2), actions)
    view.reset({0: Episode(0), 1: Episode(5)})
    given = view.mask.argmax(axis=2)
    view.step(given)
    kernels = step.step, best_slots.plan, best_slots.look
    compiled = [list(kernel.signatures) for kernel in kernels]
    frozen = given.copy()
    frozen.flags.writeable = False
    off = np.frombuffer(bytearray(given.nbytes + 1), np.int8)[1:].view(np.int64)
    for each in (frozen, np.asfortranarray(given), off.reshape(given.shape), given[::-1]):
        view.step(each)
    assert [list(kernel.signatures) for kernel in kernels] == compiled
