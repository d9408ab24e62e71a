"""How fast online agents train: requests decided a second, playing and learning together.

python benchmarks/training.py                                   # a table, in some minutes
python benchmarks/training.py --agents ppo --servers 5          # less of it
python benchmarks/training.py --write benchmarks/results.md     # and into the results
"""

from __future__ import annotations

import time
from collections.abc import Callable
from itertools import product
from pathlib import Path

import torch
import tyro
from results import measured_at, write_section
from timing import Row, markdown, show

from vmagent_marl.train.online.algorithms import (
    ALGORITHMS,
    find_algorithm,
    learner_class,
    settings_class,
)
from vmagent_marl.train.online.learner import Learner
from vmagent_marl.train.online.run import scenario_of
from vmagent_marl.train.online.stage import Stage
from vmagent_marl.train.running import drawing_from

TARGETED = ("ppo", "flat", 5, 256, 1)  # what the target is for
TARGET = 100.0  # k steps/s
STRETCHES, SECONDS = 5, 1.0

NOTE = """\
Requests decided a second, in thousands, over playing and learning with each agent's own defaults
(`vmagent-marl train --agent NAME --help`); validations are left out. *One thread*: of CPU time, the
best of {stretches} stretches; *2 threads*: of time on the wall, with two for torch, which wait
for each other: where neighbours take turns on the cores they are many times slower than one.
`recovering` for one cluster, `region-prices` (three) for several, of so many servers each."""


def learner_of(agent: str, network: str, servers: int, batch: int) -> Learner:
    """An agent at its beginning."""
    scenario = "region-prices" if find_algorithm(agent).many else "recovering"
    settings = settings_class(agent)(
        scenario=scenario, servers=servers, network=network, batch=batch
    )
    with drawing_from(0):
        siblings = getattr(settings, "siblings", 1)
        stage = Stage(scenario_of(settings), batch=batch, siblings=siblings, device="cpu")
        return learner_class(agent)(settings, stage)


def rate(learner: Learner, clock: Callable[[], float], seconds: float) -> float:
    """Steps a second in the best stretch, after a first that warms up."""
    best = 0.0
    for stretch in range(STRETCHES + 1):
        before, began = learner.steps, clock()
        while clock() - began < seconds:
            learner.advance()
        if stretch > 0:
            best = max(best, (learner.steps - before) / (clock() - began))
    return best


def rows_of(
    agents: tuple[str, ...],
    networks: tuple[str, ...],
    servers: tuple[int, ...],
    batches: tuple[int, ...],
    threads: tuple[int, ...],
    seconds: float,
) -> list[Row]:
    """A figure for each combination."""
    rows = []
    before = torch.get_num_threads()
    try:
        for agent, network, number, batch in product(agents, networks, servers, batches):
            if agent == "es" and network == "flat":
                continue  # it has none
            learner = learner_of(agent, network, number, batch)
            what = f"{agent}, {network}, {number} servers, batch of {batch}"
            for count in threads:
                torch.set_num_threads(count)
                clock = time.process_time if count == 1 else time.perf_counter
                figure = rate(learner, clock, seconds) / 1000
                target = TARGET if (agent, network, number, batch, count) == TARGETED else None
                on = "one thread" if count == 1 else f"{count} threads"
                rows.append(Row(f"{what}, {on}", figure, "k steps/s", target))
    finally:
        torch.set_num_threads(before)
    return rows


def main(
    agents: tuple[str, ...] = tuple(ALGORITHMS),
    networks: tuple[str, ...] = ("flat", "servers"),
    servers: tuple[int, ...] = (5, 20, 100),
    batches: tuple[int, ...] = (64, 256),
    threads: tuple[int, ...] = (1, 2),
    seconds: float = SECONDS,
    write: Path | None = None,
) -> None:
    """Print the table.

    Args:
        agents: their names.
        networks: kinds of network.
        servers: of each cluster.
        batches: environments played at once.
        threads: of torch.
        seconds: that a stretch takes, or a little more.
        write: the page of results, whose section on training is replaced.
    """
    rows = rows_of(agents, networks, servers, batches, threads, seconds)
    show("Training", rows)
    if write is not None:
        text = f"`make bench` at {measured_at()}.\n\n{NOTE.format(stretches=STRETCHES)}\n\n"
        write_section(write, "Training", text + markdown(rows))


if __name__ == "__main__":
    tyro.cli(main)
