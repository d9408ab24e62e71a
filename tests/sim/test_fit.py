"""First fit's search by blocks against a look at every slot, as amounts come and go."""

from __future__ import annotations

import numba
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from vmagent_marl.sim import fit
from vmagent_marl.sim.fit import NONE
from vmagent_marl.sim.state import BLOCK

lowest_slot = numba.njit(lambda request, free, most_free: fit.lowest_slot(request, free, most_free))
AMOUNT = 8  # the most that a slot has free


def look(request: NDArray[np.int32], free: NDArray[np.int32]) -> int:
    """The lowest slot, or pair of slots, that fits."""
    fits = (free >= request[:2, None]).all(axis=0)
    if request[3]:
        both = fits[0::2] & fits[1::2]
        return 2 * int(both.argmax()) if both.any() else NONE
    return int(fits.argmax()) if fits.any() else NONE


@given(
    slots=st.sampled_from([2, 10, 62, 64, 66, 130, 64 * 64, 64 * 64 + 2, 2 * 64 * 64 + 70]),
    full=st.sampled_from([0.0, 0.5, 0.99, 1.0]),
    seed=st.integers(0, 2**32 - 1),
)
@settings(deadline=None, max_examples=120, derandomize=True)
def test_the_search_finds_what_a_look_finds(slots: int, full: float, seed: int) -> None:
    rng = np.random.default_rng(seed)
    blocks = -(-slots // BLOCK)
    free = np.zeros((2, BLOCK * blocks), np.int32)
    free[:, :slots] = rng.integers(0, AMOUNT + 1, (2, slots)) * (rng.random(slots) >= full)
    most_free = np.full((2, blocks), AMOUNT, np.int32)
    for _ in range(30):
        cpu, memory = rng.integers(1, AMOUNT + 1, 2)
        request = np.array([cpu, memory, cpu, rng.random() < 0.3], np.int32)
        slot = lowest_slot(request, free, most_free)
        assert slot == look(request, free)
        changed = slot if slot != NONE and rng.random() < 0.7 else int(rng.integers(slots))
        free[:, changed] = rng.integers(0, AMOUNT + 1, 2)
        block = changed // BLOCK
        most_free[:, block] = np.maximum(most_free[:, block], free[:, changed])
        of_block = free.reshape(2, blocks, BLOCK).max(axis=2)
        assert (most_free >= of_block).all()  # a bound, or a slot that fits would be passed over


@pytest.mark.parametrize("slots", [64, 100_000])
def test_blocks_that_were_searched_in_vain_are_known_to_be_full(slots: int) -> None:
    blocks = -(-slots // BLOCK)
    free = np.zeros((2, BLOCK * blocks), np.int32)
    free[:, slots - 1] = 5
    most_free = np.full((2, blocks), AMOUNT, np.int32)
    assert lowest_slot(np.array([5, 5, 5, 0], np.int32), free, most_free) == slots - 1
    assert (most_free[:, :-1] == 0).all()
    assert lowest_slot(np.array([6, 1, 6, 0], np.int32), free, most_free) == NONE
    assert most_free[:, -1].tolist() == [5, 5]
