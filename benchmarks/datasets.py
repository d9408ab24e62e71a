"""How fast data sets are made and read, each figure beside its target and beside other ways.

python benchmarks/datasets.py                                   # tables in Markdown
python benchmarks/datasets.py --write benchmarks/results.md     # and into the results

Seconds are of this process's cpu unless a column says otherwise. Nothing is kept: the data sets go
to a temporary folder. Minari's collector needs jax (`pip install jax`) and is left out without it.
"""

from __future__ import annotations

import importlib.util
import os
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import dataset_peers as peers
import numpy as np
import tyro
from passing import passing_datasets
from results import measured_at, write_section

from vmagent_marl.episodes import (
    Episode,
    Recipe,
    collect,
    load_episodes,
    load_recipe,
    recipe_for,
    record,
)
from vmagent_marl.episodes.storage.minari_format import own_metadata
from vmagent_marl.policies import make_policy
from vmagent_marl.sim.layout import layout_of
from vmagent_marl.train.offline.data.decisions import read_decisions
from vmagent_marl.train.offline.on_d3rlpy.d3rlpy_data import DecisionBuffer

SERVERS = 16  # of the `recovering` scenario: 88 floats and a mask of 33
POLICY = "server-best-fit"
THEIRS = "peer/theirs-v0"
PEAK = """
import resource, sys
from pathlib import Path
from vmagent_marl.episodes import collect, recipe_for
from vmagent_marl.episodes.storage.minari_format import own_metadata
scenario, policy, fields, episodes = {arguments}
recipe = recipe_for(scenario, policy, episodes=episodes, fields=fields, behaviour="peak")
name = collect(recipe, overwrite=True, progress=False)
status = Path("/proc/self/status")  # Linux hands the parent's peak on in what getrusage tells
told = status.read_text().split() if status.is_file() else []
peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss  # bytes on macOS
transitions = own_metadata(name)["statistics"]["transitions"]
print(transitions, 1024 * int(told[told.index("VmHWM:") + 1]) if told else peak)
"""
NOTES = """\
*Collecting* is all of it: recording, the blocks that a killed run goes on from, HDF5, statistics,
reference scores, checksum and card. Two workers, warm: what they take off the wall, and off this
process, which writes while they record and so bounds any number of them. *Written by* others:
recorded by us, then written; h5py alone writes each array of the whole data set as one. *Reading*
ends with transitions that d3rlpy's learners draw from, the same ones by every way: Minari's
episodes go into `MDPDataset` by a loop over episodes, out of our file and out of the one that
Minari's writer makes of the same episodes. The last two tables are of *compressed* datasets, one
chunk each in an episode's group, for one cluster and for several. Ours are not: compressing costs
this process, which bounds all workers, more than writing does, every reader twice the time or more,
and gzip's bytes are those of the zlib that h5py was built with, so that the checksums on the cards
would not hold from machine to machine. `h5repack -f GZIP=1` makes a tenth of the size for whoever
has to send one, and what it makes is read alike.\
"""


def timed(what: Callable[[], Any], times: int = 3) -> tuple[float, float]:
    """Wall and cpu seconds, each the least of several."""
    found = []
    for _ in range(times):
        wall, cpu = time.perf_counter(), time.process_time()
        what()
        found.append((time.perf_counter() - wall, time.process_time() - cpu))
    return min(wall for wall, _ in found), min(cpu for _, cpu in found)


def recipe_of(servers: int, episodes: int, behaviour: str = "bench") -> Recipe:
    """A strong packer on one cluster, until the first VM is turned away."""
    fields = {"servers": servers}
    return recipe_for("recovering", POLICY, episodes=episodes, fields=fields, behaviour=behaviour)


def made(recipe: Recipe, workers: int = 1) -> int:
    """Collect a data set; its transitions."""
    name = collect(recipe, workers=workers, overwrite=True, progress=False)
    return int(own_metadata(name)["statistics"]["transitions"])


def table(heading: str, rows: list[tuple[str, ...]]) -> str:
    """In Markdown, the first column to the left."""
    columns = heading.count("|") + 1
    lines = [f"| {heading} |", "|---|" + "---:|" * (columns - 1)]
    return "\n".join([*lines, *(f"| {' | '.join(row)} |" for row in rows)])


def collecting(episodes: int) -> str:
    """Rates of whole collections, and of two workers over one."""
    rows = []
    for servers, number in ((SERVERS, episodes), (5, 3 * episodes)):
        recipe = recipe_of(servers, number)
        layout = layout_of(recipe.load_scenario().rules())
        transitions = made(recipe)
        wall, cpu = timed(lambda recipe=recipe: made(recipe), 2)
        told = f"collect, {layout.size} floats, {transitions / number:,.0f} steps an episode"
        rate = f"{transitions / wall:,.0f} | {transitions / cpu:,.0f}"
        rows.append((told, *rate.split(" | "), "60,000"))
    recipe = recipe_of(SERVERS, 2 * episodes)
    made(recipe_of(SERVERS, 4), workers=2)
    one, two = (timed(lambda w=w: made(recipe, w), 2) for w in (1, 2))
    told = f"two workers over one, {os.cpu_count()} cores, load {os.getloadavg()[0]:.1f}"
    rows.append((told, f"{one[0] / two[0]:.2f} x", f"{one[1] / two[1]:.2f} x", "near 2 x"))
    return table("collecting | transitions/s, wall | a cpu second | target", rows)


def by_others(folder: Path, episodes: list[Episode]) -> str:
    """The same episodes recorded, then written by Minari and by h5py alone."""
    scenario = recipe_of(SERVERS, len(episodes)).load_scenario()
    transitions = sum(map(len, episodes))

    def recorded() -> list[Episode]:
        return list(record(scenario, make_policy(POLICY), episodes=len(episodes)))

    ways: dict[str, Callable[[], Any]] = {
        "ours, with all that belongs to it": lambda: made(recipe_of(SERVERS, len(episodes))),
        "Minari's writer": lambda: peers.by_minaris_writer(THEIRS, scenario, recorded()),
        "h5py alone, the limit": lambda: peers.by_h5py_alone(folder / "p", recorded()),
    }
    seconds = {name: timed(way)[1] / transitions for name, way in ways.items()}
    if importlib.util.find_spec("jax"):
        begun = time.process_time()
        steps = peers.through_the_collector(SERVERS, 4000)
        seconds["Minari's DataCollector"] = (time.process_time() - begun) / steps
    ours = next(iter(seconds.values()))
    rows = [(name, f"{1 / each:,.0f}", f"{each / ours:.2f} x") for name, each in seconds.items()]
    return table("written by | transitions/cpu s | time, ours = 1", rows)


def compressed(folder: Path, recipe: Recipe) -> str:
    """Write, read and size by each filter that every h5py has."""
    scenario, rows = recipe.load_scenario(), []
    episodes = list(record(scenario, recipe.mixture(scenario), episodes=recipe.episodes))
    transitions = sum(map(len, episodes))
    for name, options in peers.COMPRESSIONS.items():
        file = folder / "compressed.hdf5"
        write = timed(lambda o=options, f=file: peers.write_compressed(f, episodes, o), 2)[1]
        read = timed(lambda f=file: peers.read_compressed(f), 3)[1]
        size = file.stat().st_size / transitions
        rows.append(
            (name, f"{transitions / write:,.0f}", f"{transitions / read:,.0f}", f"{size:,.0f}")
        )
    told = f"{scenario.name}, {transitions:,} transitions"
    return table(f"{told} | written/cpu s | read/cpu s | bytes a transition", rows)


def reading(scale: int) -> str:
    """Transitions for d3rlpy, ours and through Minari's episodes."""
    rows = []
    prices = replace(load_recipe("region-prices/mixed"), episodes=max(2, scale // 4))
    for recipe in (recipe_of(SERVERS, 3 * scale // 2), recipe_of(5, 3 * scale), prices):
        name = collect(recipe, overwrite=True, progress=False)
        peers.by_minaris_writer(THEIRS, recipe.load_scenario(), load_episodes(name))
        buffer = DecisionBuffer(read_decisions(name))
        count = buffer.transition_count
        for source in (name, THEIRS):
            assert_same(buffer, peers.through_minari(source))
        del buffer
        ways: list[Callable[[], Any]] = [lambda name=name: DecisionBuffer(read_decisions(name))]
        ways += [lambda of=source: peers.through_minari(of) for source in (name, THEIRS)]
        rounds = [[timed(way, 1)[1] for way in ways] for _ in range(4)]  # in turn: the heap changes
        ours, *theirs = (min(seconds) for seconds in zip(*rounds, strict=True))
        told = [f"{name.split('/')[1]}, {count:,}", f"{ours:.3f}"]
        for seconds in theirs:
            told += [f"{seconds:.3f}", f"{seconds / ours:.1f} x"]
        rows.append((*told, "10 x"))
    columns = "Minari, our file, s | ratio | Minari, its file, s | ratio | target"
    return table(f"reading, transitions | ours, s | {columns}", rows)


def assert_same(buffer: DecisionBuffer, peer: Any) -> None:
    """The same transitions, in order."""
    assert buffer.transition_count == peer.transition_count
    draws = np.random.default_rng(0).integers(0, peer.transition_count, 500)
    for number in [*draws.tolist(), 0, peer.transition_count - 1]:
        left, right = (each.transition_picker(*each.buffer[number]) for each in (buffer, peer))
        for one, two in zip(left.observation, right.observation, strict=True):
            np.testing.assert_array_equal(one, two)
        assert left.terminal == right.terminal
        if not left.terminal:
            for one, two in zip(left.next_observation, right.next_observation, strict=True):
                np.testing.assert_array_equal(one, two)
        np.testing.assert_array_equal(left.action, right.action)
        np.testing.assert_allclose(left.reward, right.reward, rtol=1e-6)


def memory(scale: int) -> str:
    """The most memory that a process takes which collects a tenth of a data set, and all of it."""
    few = max(1, scale // 50)
    cases: tuple[tuple[Any, ...], ...] = (
        (f"recovering, {SERVERS} servers", "recovering", POLICY, {"servers": SERVERS}, scale // 2),
        ("recovering, 5 servers", "recovering", POLICY, {"servers": 5}, 2 * scale),
        ("3 clusters, 20,000 requests", "region-prices", "random", {"horizon": 20_000}, few),
    )
    rows = []
    for told, *game, some in cases:
        peaks = [peak(*game, episodes) for episodes in (some, 10 * some)]
        rows.append((told, *(f"{size / 1e6:.0f} MB for {n:,}" for n, size in peaks), "no more"))
    return table("peak memory, transitions | a tenth | all | target", rows)


def peak(scenario: str, policy: str, fields: dict[str, Any], episodes: int) -> tuple[int, int]:
    """Transitions, and the most bytes that a process took which collected them."""
    program = PEAK.format(arguments=repr((scenario, policy, fields, episodes)))
    command = [sys.executable, "-c", program]
    run = subprocess.run(command, check=True, capture_output=True, text=True)
    transitions, most = map(int, run.stdout.split())
    return transitions, most


def main(write: Path | None = None, scale: int = 100) -> None:
    """Print the tables.

    Args:
        write: a Markdown file whose section on data sets is replaced.
        scale: of what is measured; 100 takes a minute or two, and less tells less.
    """
    with passing_datasets() as folder:
        scenario = recipe_of(SERVERS, 1).load_scenario()
        episodes = list(record(scenario, make_policy(POLICY), episodes=scale))
        told = f"`python benchmarks/datasets.py` at {measured_at()}."
        parts = [collecting(2 * scale), by_others(folder, episodes), reading(scale), memory(scale)]
        prices = replace(load_recipe("region-prices/mixed"), episodes=max(2, scale // 10))
        parts += [compressed(folder, each) for each in (recipe_of(SERVERS, scale // 2), prices)]
    text = "\n\n".join([told, *parts, NOTES])
    print(text)
    if write is not None:
        write_section(write, "Data sets", text)


if __name__ == "__main__":
    tyro.cli(main)
