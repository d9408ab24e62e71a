"""How like synthetic months are to the real one: `python benchmarks/synthetic.py`.

Needs the real month, which has a licence of its own (CC-BY-NC 4.0): in ../shared/data beside the
checkout, or in the folder that $VMAGENT_TRACE_DIR names.
"""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import tyro
from results import measured_at, write_section
from rich.console import Console
from rich.table import Table

from vmagent_marl.trace import NEVER, Trace, read_trace, synthetic_month
from vmagent_marl.trace.likeness import DISTANCES, completed, likeness
from vmagent_marl.trace.units import DAY

FILE = "huawei-east-1-lifetimes.csv"
HORIZON = 31 * DAY  # s
HEADINGS = ("distance", "mean", "sd", "earlier model", "real odd days / even days")

KNOWN = {  # what an earlier model reached, which knew no busy hours and no long-lived days
    "lifetimes": 0.016,
    "types": 0.019,
    "seconds": 0.021,
    "bursts": 0.029,
    "gaps": 0.024,
    "hour of day": 0.935,
    "hours": 0.43,
    "requests": 1.0,
    "mean load": 0.88,
    "peak load": 0.90,
}


def real_month() -> Path | None:
    """The file, where it is."""
    beside = Path(__file__).resolve().parents[2] / "shared" / "data"
    for folder in (os.environ.get("VMAGENT_TRACE_DIR"), beside):
        if folder and (Path(folder) / FILE).is_file():
            return Path(folder) / FILE
    return None


def days_of(trace: Trace, odd: bool) -> Trace:
    """The requests of every second day, each day moved to the place of its pair of days."""
    rows = np.flatnonzero((trace.arrival // DAY % 2 == 1) == odd)
    arrival, lifetime = trace.arrival[rows], trace.lifetime[rows]
    arrival = arrival - (arrival // DAY + 1) // 2 * DAY
    never = lifetime == NEVER
    departure = np.where(never, NEVER, arrival + np.where(never, 0, lifetime))
    return trace.chosen(rows, arrival=arrival, departure=departure)


def measure(real: Trace, seeds: int) -> dict[str, np.ndarray]:
    """(seeds,) of each distance."""
    rows = [likeness(real, completed(synthetic_month(seed=seed), HORIZON)) for seed in range(seeds)]
    return {name: np.array([row[name] for row in rows]) for name in DISTANCES}


def seconds_to_draw() -> float:
    """Median over nine months."""
    taken = []
    for seed in range(9):
        begun = time.perf_counter()
        synthetic_month(seed=seed)
        taken.append(time.perf_counter() - begun)
    return float(np.median(taken))


def rows_of(measured: Mapping[str, np.ndarray], halves: Mapping[str, float]) -> list[list[str]]:
    """A row a distance."""
    return [
        [
            about,
            f"{measured[name].mean():.3f}",
            f"{measured[name].std(ddof=1):.3f}",
            f"{KNOWN[name]:.3f}",
            f"{halves[name]:.3f}",
        ]
        for name, about in DISTANCES.items()
    ]


def markdown(rows: list[list[str]]) -> str:
    """The table as the page of results has it."""
    lines = [" | ".join(HEADINGS), "---|---:|---:|---:|---:", *map(" | ".join, rows)]
    return "\n".join(f"| {line} |" if "---" not in line else f"|{line}|" for line in lines)


def main(trace: Path | None = None, seeds: int = 10, write: Path | None = None) -> None:
    """Print each distance over so many seeds, and how long a month takes to draw.

    Args:
        trace: the real month; by default where this looks for it.
        seeds: months to draw.
        write: a Markdown file whose part between the synthetic marks is replaced.
    """
    file = trace or real_month()
    if file is None:
        sys.exit(f"{FILE} is not in ../shared/data: give --trace, or set VMAGENT_TRACE_DIR")
    real = read_trace(file)
    halves = likeness(days_of(real, odd=False), days_of(real, odd=True))
    rows = rows_of(measure(real, seeds), halves)
    found = Table(*HEADINGS, title="Synthetic months against the real one", title_justify="left")
    for row in rows:
        found.add_row(*row)
    Console(width=120).print(found)
    about = (
        f"`python benchmarks/synthetic.py` at {measured_at()}; {seeds} seeds; "
        f"{seconds_to_draw():.3f} s a month of {len(synthetic_month()):,} VMs."
    )
    print(about)
    if write is not None:
        write_section(write, "Synthetic", f"{about}\n\n{markdown(rows)}")


if __name__ == "__main__":
    tyro.cli(main)
