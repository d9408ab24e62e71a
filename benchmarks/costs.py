"""How the time of a step grows: with servers, clusters, environments, and VMs that run.

python benchmarks/costs.py                                   # tables
python benchmarks/costs.py --write benchmarks/results.md     # into the results, with a picture
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numba
import numpy as np
import tyro
from numpy.typing import NDArray
from results import measured_at, write_section
from timing import least

from vmagent_marl.policies import make_policy
from vmagent_marl.scenario import load_scenario
from vmagent_marl.sim import Episode, Simulator
from vmagent_marl.view.style import PALETTE, drawing

BATCH = 64
PICTURE = "costs.svg"

# By what a table is of, the terms of its model as functions of that number x.
MODELS: dict[str, dict[str, Callable[[NDArray[np.float64]], NDArray[np.float64]]]] = {
    "servers": {"": np.ones_like, " x servers": lambda x: x},
    "clusters": {"": np.ones_like, " x clusters": lambda x: x, " x clusters^2": np.square},
    "environments": {"": np.ones_like, " / environments": lambda x: 1 / x},
    "running VMs": {"": np.ones_like},
}

NOTE = """\
CPU time of one thread, the best of several stretches; batches of {batch} where nothing else is
said, `recovering` with VMs turned away counted, first fit's recorded answers. *Bytes*: what a step
has to touch, the free amounts read (16 bytes a server) and the mask written (2): the rest of the
observation is rewritten only where the step changed it. *Limit*: one plain pass over these bytes of
the whole batch, measured beside. Clusters cost more than in proportion since each agent is shown
the summaries of all."""


@dataclass(frozen=True)
class Cost:
    """One measured point."""

    at: float  # servers, clusters, environments or VMs
    nanoseconds: float  # of a step of one environment
    limit: float | None = None  # of reading and writing what it has to touch


def step_cost(simulator: Simulator, steps: int) -> float:
    """Nanoseconds of a step of one environment, from here on, by first fit's recorded answers."""
    before, plans = simulator.snapshot(), []
    for _ in range(steps):
        plans.append(simulator.mask.argmax(axis=2))
        simulator.step(plans[-1])

    def play() -> None:
        for plan in plans:
            simulator.step(plan)

    seconds = least(play, stretches=6, before=lambda: simulator.restore(before))
    return 1e9 * seconds / steps / simulator.batch


def playing(batch: int, **fields: object) -> Simulator:
    """`recovering` with these fields, and no end within the run."""
    scenario = load_scenario("recovering", turned_away="count", **fields)
    simulator = scenario.simulator(batch=batch)
    simulator.reset({b: Episode(100 * (b % 256)) for b in range(batch)})
    return simulator


@numba.njit(nogil=True)  # type: ignore[untyped-decorator]  # numba is not typed
def _pass(values: NDArray[np.int32], mask: NDArray[np.int8], times: int) -> None:
    """Reads amounts and writes a mask, as a step has to."""
    for _ in range(times):
        for i in range(mask.size):
            mask[i] = (values[2 * i] >= 5) & (values[2 * i + 1] >= 5)


def limit(servers: int) -> float:
    """Nanoseconds to read the amounts of so many servers and write their mask."""
    values = np.zeros(BATCH * 4 * servers, np.int32)
    mask = np.zeros(BATCH * 2 * servers, np.int8)
    times = max(1, 200_000 // mask.size)
    _pass(values, mask, 1)
    return 1e9 * least(lambda: _pass(values, mask, times), stretches=5) / times / BATCH


def by_servers() -> Iterator[Cost]:
    """One cluster, ever larger."""
    for servers in (5, 10, 20, 50, 100, 200, 500, 1000, 2000, 5000, 10_000):
        simulator = playing(BATCH, servers=servers)
        steps = max(20, min(1000, 200_000 // servers))
        yield Cost(servers, step_cost(simulator, steps), limit(servers))


def by_clusters() -> Iterator[Cost]:
    """Clusters of six servers in a ring that see each other's summaries."""
    for clusters in (1, 2, 3, 4, 8, 16, 32):
        simulator = playing(BATCH, servers=6, clusters=clusters, summaries="coarse")
        yield Cost(clusters, step_cost(simulator, 500))


def by_batch() -> Iterator[Cost]:
    """Ever more environments of five servers in a call."""
    for batch in (1, 4, 16, 64, 256, 1024, 4096):
        yield Cost(batch, step_cost(playing(batch, servers=5), max(20, 30_000 // batch)))


def by_vms() -> Iterator[Cost]:
    """A cluster of 1,000 servers that fills up: how many VMs run at the time."""
    simulator, policy = playing(16, servers=1000), make_policy("first-fit")
    for _ in range(6):
        yield Cost(float((simulator.state.placed_at >= 0).sum() / 16), step_cost(simulator, 200))
        for _ in range(10_000):
            actions, _ = policy.act(simulator, simulator.keys())
            simulator.step(actions)


def table(heading: str, costs: list[Cost]) -> str:
    """The points, and the model of least relative errors through them."""
    at = np.array([cost.at for cost in costs])
    time = np.array([cost.nanoseconds for cost in costs])
    terms = {term: function(at) / time for term, function in MODELS[heading].items()}
    fit = np.linalg.lstsq(np.stack(list(terms.values()), axis=1), np.ones_like(at), rcond=None)[0]
    model = " + ".join(f"{value:.3g}{term}" for value, term in zip(fit, terms, strict=True))
    limited = costs[0].limit is not None
    head = f"| {heading} | ns a step |" + (" limit, ns | limit / measured |" if limited else "")
    lines = [head, "|---:" * (head.count("|") - 1) + "|"]
    for cost in costs:
        line = f"| {cost.at:,.0f} | {cost.nanoseconds:,.0f} |"
        if cost.limit is not None:
            line += f" {cost.limit:,.1f} | {cost.limit / cost.nanoseconds:.2f} |"
        lines.append(line)
    return "\n".join([*lines, "", f"About {model} ns."])


def draw(measured: dict[str, list[Cost]], path: Path) -> None:
    """A panel for each, on logarithmic axes."""
    with drawing(path, 9.0, 2.6) as figure:
        panels = figure.subplots(1, len(measured))
        for panel, (heading, costs) in zip(panels, measured.items(), strict=True):
            at = [max(cost.at, 1.0) for cost in costs]
            panel.loglog(at, [cost.nanoseconds for cost in costs], marker="o", color=PALETTE[0])
            if costs[0].limit is not None:
                limits = [cost.limit for cost in costs]
                panel.loglog(at, limits, ls="--", color=PALETTE[1], label="limit by bandwidth")
                panel.legend()
            panel.set_xlabel(heading)
        panels[0].set_ylabel("ns a step of one environment")


def main(write: Path | None = None) -> None:
    """Print the tables.

    Args:
        write: the page of results, whose section on costs is replaced; a picture goes beside it.
    """
    measured = {
        "servers": list(by_servers()),
        "clusters": list(by_clusters()),
        "environments": list(by_batch()),
        "running VMs": list(by_vms()),
    }
    tables = "\n\n".join(table(heading, costs) for heading, costs in measured.items())
    print(tables)
    if write is not None:
        draw(measured, write.with_name(PICTURE))
        text = f"`make bench` at {measured_at()}.\n\n{NOTE.format(batch=BATCH)}"
        picture = f"![Time of a step]({PICTURE})"
        write_section(write, "Costs", f"{text}\n\n{picture}\n\n{tables}")


if __name__ == "__main__":
    tyro.cli(main)
