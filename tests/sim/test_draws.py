"""Random numbers by key."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

import numba
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from oracle import requests as twin
from vmagent_marl.sim import draws

# The outputs that are published with SplitMix64 for the seeds 0 and 1234567.
STEP = 0x9E3779B97F4A7C15
GOLDEN = [
    (0, 1, 0xE220A8397B1DCDAF),
    (0, 2, 0x6E789E6AA1B965F4),
    (0, 3, 0x06C45D188009454F),
    (0, 4, 0xF88BB8A8724C81EC),
    (1234567, 1, 6457827717110365317),
    (1234567, 2, 3203168211198807973),
]
number = st.integers(0, 2**63 - 1)
Function = TypeVar("Function", bound=Callable[..., Any])


def njit(function: Function) -> Function:
    """What kernels draw can only be called from kernels."""
    compiled: Function = numba.njit(function)
    return compiled


@njit
def mix(value: np.uint64) -> np.uint64:
    return draws.mix(value)


@njit
def key(seed: int, episode: int, request: int, agent: int) -> np.uint64:
    return draws.key(seed, episode, request, agent)


@njit
def uniform_of(requests: int) -> NDArray[np.float64]:
    drawn = np.empty(requests)
    for request in range(requests):
        drawn[request] = draws.uniform(draws.key(0, 0, request, 0))
    return drawn


@njit
def below(seed: int, request: int, limit: int) -> int:
    return draws.below(draws.key(seed, 0, request, 0), limit)


@pytest.mark.parametrize(("seed", "count", "wanted"), GOLDEN)
def test_the_finaliser_is_that_of_splitmix64(seed: int, count: int, wanted: int) -> None:
    assert mix(np.uint64((seed + count * STEP) % 2**64)) == wanted


@given(number, number, number, number)
@settings(deadline=None, derandomize=True)
def test_a_key_is_what_the_twin_reckons_in_whole_numbers(
    seed: int, episode: int, request: int, agent: int
) -> None:
    assert key(seed, episode, request, agent) == twin.key(seed, episode, request, agent)


@given(number, number, st.integers(1, 2**20))
@settings(deadline=None, derandomize=True)
def test_below_is_below(seed: int, request: int, limit: int) -> None:
    drawn = below(seed, request, limit)
    assert 0 <= drawn < limit
    assert drawn == twin.below(twin.key(seed, 0, request, 0), limit)


def test_draws_are_uniform() -> None:
    drawn = uniform_of(100_000)
    assert drawn.min() >= 0.0
    assert drawn.max() < 1.0
    count = np.histogram(drawn, bins=50, range=(0, 1))[0]
    chi_squared = ((count - 2000) ** 2 / 2000).sum()
    assert 20 < chi_squared < 90  # 49 degrees of freedom: 49 +- 10
    assert abs(np.corrcoef(drawn[:-1], drawn[1:])[0, 1]) < 0.02


@pytest.mark.parametrize("which", range(4))
def test_each_number_of_a_key_changes_half_of_its_bits(which: int) -> None:
    flipped = []
    for n in range(500):
        numbers = [n, 2 * n, 3 * n, 5]
        before = int(key(*numbers))
        numbers[which] += 1
        flipped.append((before ^ int(key(*numbers))).bit_count())
    assert 31 < np.mean(flipped) < 33
    assert min(flipped) > 10


def test_the_order_of_the_numbers_matters() -> None:
    keys = {int(key(*order)) for order in ((1, 2, 3, 4), (2, 1, 3, 4), (1, 2, 4, 3), (4, 3, 2, 1))}
    assert len(keys) == 4
