"""Units: what the parts of a vCPU, a GB and a day are, and amounts as whole numbers of them."""

from __future__ import annotations

from typing import overload

import numpy as np
from numpy.typing import NDArray

from vmagent_marl.errors import TraceError

MILLI = 1000  # milli-vCPU in a vCPU
MIB = 1024  # MiB in a GB
HOUR, DAY = 3600, 86_400  # s

MOST = int(np.iinfo(np.int32).max)  # parts that an amount can have
NOISE = 1e-6  # of a part: 16.001 x 1000 is a bit more than 16001 in float64


@overload
def to_whole(amount: float, parts: int) -> int: ...
@overload
def to_whole(amount: NDArray[np.float64], parts: int) -> NDArray[np.int32]: ...
def to_whole(amount: float | NDArray[np.float64], parts: int) -> int | NDArray[np.int32]:
    """An amount in `parts` of its unit, what is left over rounded up; above 0 it is at least 1.

    >>> to_whole(16.001, MILLI)
    16001

    Raises `TraceError`, a `ValueError`, for what is no number, or none that int32 holds.
    """
    given = np.asarray(amount, np.float64)
    held = np.abs(given) <= MOST / parts  # not so for NaN
    if not held.all():
        raise TraceError(f"{given[~held].flat[0]:g} is no amount: give {MOST // parts:,} at most")
    whole = np.ceil(given * parts - NOISE)
    whole = np.where(given > 0, np.maximum(whole, 1), whole).astype(np.int32)
    return whole if whole.ndim else int(whole)
