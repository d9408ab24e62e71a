"""What checks of a data set find, and how it is told."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

CLOSE = 1e-9  # relative; a mean may be summed in another order by another numpy
SHOWN = 3  # faults of a check that are told


@dataclass(frozen=True)
class Check:
    """One thing that was looked at."""

    name: str
    passed: bool
    found: str  # what was found, or what is wrong and where

    def __str__(self) -> str:
        return f"{'ok' if self.passed else 'FAILED':6}  {self.name:13}  {self.found}"


class Faults:
    """What is wrong, by the name of the check that found it."""

    def __init__(self, *names: str) -> None:
        self._told: dict[str, list[str]] = {name: [] for name in names}

    def add(self, name: str, told: str) -> None:
        """Another one."""
        self._told[name].append(told)

    def check(self, name: str, found: str) -> Check:
        """How a check went: `found`, where nothing is wrong."""
        told = self._told[name]
        if not told:
            return Check(name, True, found)
        more = f"; and {len(told) - SHOWN:,} more" if len(told) > SHOWN else ""
        return Check(name, False, "; ".join(told[:SHOWN]) + more)


def unlike(stored: Any, counted: Any, path: str = "") -> Iterator[str]:
    """Paths of the values that differ; numbers up to rounding."""
    if isinstance(stored, Mapping) and isinstance(counted, Mapping):
        for key in sorted(set(stored) | set(counted)):
            yield from unlike(stored.get(key), counted.get(key), f"{path}.{key}" if path else key)
        return
    if isinstance(stored, list) and isinstance(counted, list) and len(stored) == len(counted):
        for i, pair in enumerate(zip(stored, counted, strict=True)):
            yield from unlike(*pair, f"{path}[{i}]")
        return
    numbers = all(isinstance(x, int | float) and not isinstance(x, bool) for x in (stored, counted))
    if stored != counted and not (numbers and math.isclose(stored, counted, rel_tol=CLOSE)):
        yield f"{path} is {stored} in the metadata and {counted} in the data"
