"""VM types: which a trace has, their names, and how many times as frequent each is to be."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from vmagent_marl.errors import TraceError, unknown_name
from vmagent_marl.trace.trace import Trace
from vmagent_marl.trace.units import MIB, MILLI


def vm_types(
    trace: Trace,
) -> tuple[NDArray[np.int64], NDArray[np.int32], NDArray[np.int32]]:
    """(n,) the VM type of each row, and (types,) milli-vCPU and MiB of each, smallest first."""
    both = trace.cpu.astype(np.int64) << 32 | trace.memory
    _, first, index = np.unique(both, return_index=True, return_inverse=True)
    return index, trace.cpu[first], trace.memory[first]


def type_names(cpu: NDArray[np.int32], memory: NDArray[np.int32]) -> list[str]:
    """(n,) such as "1x2" for 1000 milli-vCPU and 2048 MiB: 1 vCPU and 2 GB."""
    return [f"{c / MILLI:.12g}x{m / MIB:.12g}" for c, m in zip(cpu, memory, strict=True)]


def factors(mix: Mapping[str, float], names: Sequence[str]) -> NDArray[np.float64]:
    """(types,) what `mix` says of each type by name, 1 where it says nothing.

    Raises `UnknownNameError` for a type that is not there, `TraceError` for a number that is
    negative or not finite.
    """
    for name, factor in mix.items():
        if name not in names:
            raise unknown_name("VM type", name, names)
        if not 0 <= factor < math.inf:
            raise TraceError(f"mix of {name!r} is {factor}; give 0 or a finite number above")
    return np.array([mix.get(name, 1.0) for name in names])
