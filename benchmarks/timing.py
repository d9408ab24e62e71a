"""How benchmarks time: CPU seconds of this thread, the least of several stretches.

A neighbour on the machine slows a stretch down and never speeds one up, so that the least tells
most. What is compared takes turns, stretch by stretch, in one process.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass

STRETCHES = 9


def least(
    call: Callable[[], object],
    stretches: int = STRETCHES,
    before: Callable[[], object] = lambda: None,
) -> float:
    """CPU seconds of the call in its best stretch, after a first; `before` each is not timed."""
    best = float("inf")
    for stretch in range(stretches + 1):
        before()
        began = time.thread_time()
        call()
        if stretch > 0:
            best = min(best, time.thread_time() - began)
    return best


def paired(*calls: Callable[[], object], stretches: int = STRETCHES) -> list[float]:
    """`least` of several calls that take turns."""
    best = [float("inf")] * len(calls)
    for stretch in range(stretches + 1):
        for i, call in enumerate(calls):
            began = time.thread_time()
            call()
            if stretch > 0:
                best[i] = min(best[i], time.thread_time() - began)
    return best


def least_wall(call: Callable[[], object], stretches: int = STRETCHES) -> float:
    """`least` by the clock on the wall: for what runs in several threads."""
    best = float("inf")
    for _ in range(stretches + 1):
        began = time.perf_counter()
        call()
        best = min(best, time.perf_counter() - began)
    return best


@dataclass(frozen=True)
class Row:
    """One figure beside what it is to reach."""

    what: str
    figure: float
    unit: str
    target: float | None = None
    at_most: bool = False  # whether less is better

    @property
    def reached(self) -> bool:
        """Whether the target is."""
        if self.target is None:
            return True
        return self.figure <= self.target if self.at_most else self.figure >= self.target

    @property
    def cells(self) -> tuple[str, str, str, str]:
        """What, figure, target, and whether it is reached, for people."""
        if self.target is None:
            return self.what, f"{self.figure:,.4g} {self.unit}", "", ""
        sign = "<=" if self.at_most else ">="
        told = "yes" if self.reached else f"no ({self.figure / self.target:.2f} of it)"
        return self.what, f"{self.figure:,.4g} {self.unit}", f"{sign} {self.target:,.4g}", told


def markdown(rows: list[Row]) -> str:
    """The rows as a table."""
    lines = ["| what | measured | target | reached |", "|---|---:|---:|---|"]
    return "\n".join([*lines, *(f"| {' | '.join(row.cells)} |" for row in rows)])


def show(title: str, rows: list[Row]) -> None:
    """The rows on the terminal."""
    from rich.console import Console
    from rich.table import Table

    table = Table(title=title)
    for heading in ("what", "measured", "target", "reached"):
        table.add_column(heading, justify="left" if heading in ("what", "reached") else "right")
    for row in rows:
        table.add_row(*row.cells, style=None if row.reached else "bold")
    Console().print(table)
