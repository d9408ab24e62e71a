"""How like synthetic months are to the real one: `python benchmarks/synthetic.py`.

Needs the real month, which has a licence of its own (CC-BY-NC 4.0): in ../shared/data beside the
checkout, or in the folder that $VMAGENT_TRACE_DIR names.
"""

from __future__ import annotations

import os
import platform
import sys
import time
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import tyro
from rich.console import Console
from rich.table import Table

from vmagent_marl.trace import Trace, read_trace, synthetic_month
from vmagent_marl.trace.likeness import DISTANCES, completed, likeness
from vmagent_marl.trace.units import DAY

FILE = "huawei-east-1-lifetimes.csv"
HORIZON = 31 * DAY  # s

TARGETS = {  # what a faithful draw was known to reach, mean over ten seeds
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
    chosen = (trace.arrival // DAY % 2 == 1) == odd
    moved = (trace.arrival[chosen] // DAY + 1) // 2 * DAY
    return Trace(
        name=trace.name,
        vm=trace.vm[chosen],
        arrival=trace.arrival[chosen] - moved,
        departure=trace.departure[chosen] - moved,
        cpu=trace.cpu[chosen],
        memory=trace.memory[chosen],
        start_hour=trace.start_hour,
    )


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


def table(measured: Mapping[str, np.ndarray], halves: Mapping[str, float]) -> Table:
    """A row a distance."""
    found = Table(title="Synthetic months against the real one", title_justify="left")
    for heading in ("distance", "mean", "sd", "known", "real odd days / even days"):
        found.add_column(heading, justify="left" if heading == "distance" else "right")
    for name, about in DISTANCES.items():
        values = measured[name]
        found.add_row(
            about,
            f"{values.mean():.3f}",
            f"{values.std(ddof=1):.3f}",
            f"{TARGETS[name]:.3f}",
            f"{halves[name]:.3f}",
        )
    return found


def main(seeds: int = 10) -> None:
    """Print each distance over so many seeds, and how long a month takes to draw."""
    file = real_month()
    if file is None:
        sys.exit(f"{FILE} is not in ../shared/data: set VMAGENT_TRACE_DIR to its folder")
    real = read_trace(file)
    halves = likeness(days_of(real, odd=False), days_of(real, odd=True))
    Console(width=120).print(table(measure(real, seeds), halves))
    print(
        f"{seconds_to_draw():.3f} s a month of {len(synthetic_month()):,} VMs, "
        f"Python {platform.python_version()}, numpy {np.__version__}"
    )


if __name__ == "__main__":
    tyro.cli(main)
