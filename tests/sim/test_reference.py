"""Episodes of the real month that other simulators played, to the last number."""

from __future__ import annotations

import csv
import json
from collections import defaultdict
from typing import Any

import numpy as np
import pytest
from places import real_trace, reference

from oracle.tiny import tiny_rules
from vmagent_marl.sim.rules import END, WAIT, Rules
from vmagent_marl.sim.simulator import Episode, Simulator
from vmagent_marl.trace import Trace, read_trace

NODE = np.array([[40_000, 92_160]], np.int32)  # 40 vCPU, 90 GiB


@pytest.fixture(scope="module")
def month() -> Trace:
    return read_trace(real_trace())


def real_rules(servers: int, halve_above_gib: int, turned_away: int, *, departures: bool) -> Rules:
    return tiny_rules(
        servers=servers,
        node=NODE,
        halve_above=halve_above_gib * 1024,
        turned_away=turned_away,
        departures=departures,
    )


def test_first_failures_are_those_of_vmagent(month: Trace) -> None:
    """First fit finds the recorded actions by itself; random ones are played again."""
    alike: dict[tuple[Any, ...], list[dict[str, Any]]] = defaultdict(list)
    for episode in json.loads(reference("first_failure.json").read_text()):
        if episode["policy"] == "first-fit" or episode["actions"] is not None:
            which = (episode["servers"], episode["double_threshold"], episode["scenario"])
            alike[which].append(episode)
    assert sum(map(len, alike.values())) == 78  # the actions of two long random ones are not kept
    for (servers, halve_above, scenario), episodes in alike.items():
        departures = scenario == "recovering"
        rules = real_rules(servers, halve_above, END, departures=departures)
        for episode, played in zip(episodes, first_failures(rules, month, episodes), strict=True):
            actions, free = played
            assert len(actions) == episode["allocations"]
            assert episode["actions"] in (None, actions)
            assert free == episode["free"]


def first_failures(
    rules: Rules, trace: Trace, episodes: list[dict[str, Any]]
) -> list[tuple[list[int], list[float]]]:
    """Of each episode: the actions that placed a VM, and what was free when the next one came."""
    simulator = Simulator(rules, trace, batch=len(episodes))
    simulator.reset({b: Episode(episode["first_vm"]) for b, episode in enumerate(episodes)})
    actions: list[list[int]] = [[] for _ in episodes]
    free: list[list[float]] = [[] for _ in episodes]
    while simulator.running.any():
        plans = simulator.mask.argmax(axis=2)
        for b in np.flatnonzero(simulator.running).tolist():
            if plans[b, 0] == simulator.actions - 1:  # nothing but pass is legal
                by_node = simulator.free[b, 0].T / np.array([1000, 1024])
                free[b] = by_node.ravel().tolist()
                continue
            if episodes[b]["policy"] == "random":
                plans[b, 0] = episodes[b]["actions"][len(actions[b])]
            actions[b].append(int(plans[b, 0]))
        simulator.step(plans)
        assert not simulator.state.illegal.any()
    return list(zip(actions, free, strict=True))


def test_first_fit_waits_as_long_as_published(month: Trace) -> None:
    """arXiv 2504.14946: all 150 episodes, their lengths and waits, and the trimmed mean."""
    with reference("waiting_queue.csv").open() as file:
        rows = list(csv.DictReader(file))
    rules = real_rules(5, 10, WAIT, departures=True)
    simulator = Simulator(rules, month, batch=len(rows), reach_plus=40)
    starts = [int(row["start"]) for row in rows]
    assert [simulator.length_from(start) for start in starts] == [int(row["vms"]) for row in rows]
    simulator.reset({b: Episode(start) for b, start in enumerate(starts)})
    while simulator.running.any():
        simulator.step(simulator.mask.argmax(axis=2))
    metrics = [simulator.metrics(b) for b in range(len(rows))]
    assert [each.placed for each in metrics] == [int(row["vms"]) for row in rows]
    waits = [each.wait_s for each in metrics]
    assert waits == [float(row["first_fit_wait_s"]) for row in rows]
    cut = len(rows) // 10
    assert np.mean(sorted(waits)[cut:-cut]) == pytest.approx(267_139.975)
