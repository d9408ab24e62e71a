"""Amounts as whole numbers of parts, and requests that are written out with them."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from vmagent_marl.errors import TraceError
from vmagent_marl.trace.source import InlineTrace, load_trace
from vmagent_marl.trace.units import MIB, MILLI, MOST, to_whole


@given(st.integers(1, MOST), st.sampled_from([MILLI, MIB]))
def test_what_was_whole_stays_so(whole: int, parts: int) -> None:
    assert to_whole(whole / parts, parts) == whole


@given(st.floats(1e-9, MOST / MIB), st.sampled_from([MILLI, MIB]))
def test_what_is_left_over_is_rounded_up(amount: float, parts: int) -> None:
    whole, exact = to_whole(amount, parts), Fraction(amount) * parts
    assert whole >= 1
    assert exact - Fraction(2, 10**6) <= whole < exact + 1 or whole == 1


def test_numbers_give_numbers_and_arrays_arrays() -> None:
    assert to_whole(16.001, MILLI) == 16001
    assert type(to_whole(16.001, MILLI)) is int
    whole = to_whole(np.array([[0.5, 0.0], [-2.0, 1e-12]]), MIB)
    assert whole.dtype == np.int32
    assert whole.tolist() == [[512, 0], [-2048, 1]]


@pytest.mark.parametrize("amount", [float("nan"), float("inf"), -1e300, 2147483.648])
def test_what_int32_does_not_hold_is_refused(amount: float) -> None:
    for given_as in (amount, np.array([1.0, amount])):
        with pytest.raises(TraceError, match=r"is no amount: give 2,147,483 at most"):
            to_whole(given_as, MILLI)


@pytest.mark.parametrize(
    ("request_", "message"),
    [
        ((0, 5, 1e12, 1), r"`requests`: 1e\+12 is no amount: give 2,147,483 at most"),
        ((0, 5, 1, 1e300), r"`requests`: 1e\+300 is no amount: give 2,097,151 at most"),
        ((1e300, 5, 1, 1), r"`requests`: a time lies beyond 2\*\*52 s"),
        ((0, 1e19, 1, 1), r"`requests`: a time lies beyond 2\*\*52 s"),
        ((0, 5, 0, 1), r"row 0: cpu is 0; wanted is above 0"),
        ((0, 5, 1), r"are lists of arrival s, lifetime s, vCPU and GB"),
        ((0, float("nan"), 1, 1), r"are lists of arrival s, lifetime s, vCPU and GB"),
    ],
)
def test_requests_that_make_no_trace_are_named(request_: tuple[float, ...], message: str) -> None:
    with pytest.raises(TraceError, match=message):
        load_trace(InlineTrace(requests=(request_,)))


def test_requests_are_repeated_once_or_more() -> None:
    with pytest.raises(TraceError, match="`repeat`: -1 is too few: give 1 or more"):
        load_trace(InlineTrace(requests=((0, 5, 1, 1),), repeat=-1))
