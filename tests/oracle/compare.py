"""Holds one environment of a `Simulator` against its twin, field by field."""

from __future__ import annotations

from typing import Any

import numpy as np

from oracle.ledger import LEVELS
from oracle.twin import Twin
from vmagent_marl.sim import state as columns
from vmagent_marl.sim.global_state import global_state
from vmagent_marl.sim.metrics import integrals
from vmagent_marl.sim.rules import NODES
from vmagent_marl.sim.simulator import Simulator
from vmagent_marl.trace import NEVER

STATUS = {"running": columns.RUNNING, "terminated": columns.TERMINATED}
STATUS["truncated"] = columns.TRUNCATED


def assert_equal(name: str, actual: object, wanted: object) -> None:
    """An assertion that names both sides: pytest does not rewrite those of this file."""
    assert actual == wanted, f"{name}: simulator {actual}, twin {wanted}"


def assert_close(name: str, actual: Any, wanted: Any) -> None:
    """Floats that are added in another order."""
    np.testing.assert_allclose(actual, wanted, rtol=1e-12, atol=1e-9, err_msg=name)


def assert_same(simulator: Simulator, b: int, twin: Twin) -> None:
    """Everything that a caller can see or that the future depends on."""
    state = simulator.state
    clock = state.clock[b]
    wanted = {
        columns.NOW: twin.now,
        columns.START: twin.start,
        columns.FIRST: twin.episode.first,
        columns.STATUS: STATUS[twin.status],
        columns.OFFERED: twin.offered,
        columns.TURNED_AWAY: len(twin.turned_away),
    }
    if twin.status != "terminated":
        wanted |= {columns.ROW: twin.row, columns.HOME: twin.home}
    if twin.rules.summary_every and twin.rules.summaries:
        wanted[columns.STAMP] = twin.stamp
    assert_equal("clock", {column: int(clock[column]) for column in wanted}, wanted)
    assert_equal("terminated", simulator.terminated[b], (twin.status == "terminated"))
    assert_equal("truncated", simulator.truncated[b], (twin.status == "truncated"))
    for k in range(twin.clusters):
        assert_same_cluster(simulator, b, k, twin)
    assert_same_decision(simulator, b, twin)
    assert_close("own_reward", simulator.own_reward[b], twin.ledger.own_reward)
    assert_close("reward", simulator.reward[b], twin.ledger.reward)


def assert_same_cluster(simulator: Simulator, b: int, k: int, twin: Twin) -> None:
    """Servers, levels, counts, and what the agent sees."""
    state, books = simulator.state, twin.ledger
    servers = range(twin.servers)
    slots = [(server, node) for server in servers for node in range(NODES)]
    free = [[twin.free(k, server, node, r) for server, node in slots] for r in range(2)]
    np.testing.assert_array_equal(simulator.free[b, k], free, err_msg="free")
    serving = [server < twin.in_service[k] for server in servers]
    np.testing.assert_array_equal(state.in_service[b, k], serving, err_msg="in_service")
    vms_on = [len(twin.vms_on(k, server)) for server in servers]
    np.testing.assert_array_equal(state.vms_on[b, k], vms_on, err_msg="vms_on")
    levels = dict(zip(LEVELS, state.level[b, k].tolist(), strict=True))
    assert_equal("levels", levels, books.levels(k))
    integral = dict(zip(LEVELS, integrals(state, b)[k].tolist(), strict=True))
    assert_equal("integrals", integral, books.integral[k])
    assert_equal("running", state.running[b, k].tolist(), books.running(k))
    elapsed = state.clock[b, columns.NOW] - state.clock[b, columns.START]
    earned = state.running[b, k] * elapsed - state.running_moment[b, k]
    assert_equal("earned", earned.tolist(), books.earned[k])
    due = twin.due[k]
    counts = {
        columns.PLACED: books.placed[k],
        columns.PLACED_LARGE: books.placed_large[k],
        columns.HOPS: books.hops[k],
        columns.KILLED: books.killed[k],
        columns.HOME_TURNED_AWAY: books.lost_of_home[k],
        columns.DOWN: twin.down[k],
        columns.DUE: NEVER if due is None else due,
    }
    assert_equal("counts", {column: int(state.counts[b, k, column]) for column in counts}, counts)
    np.testing.assert_array_equal(simulator.mask[b, k], twin.sight.mask(k), err_msg="mask")
    wanted = np.array(twin.sight.observation(k), np.float32)
    assert simulator.observation[b, k].shape == wanted.shape
    for part, where in simulator.layout.parts.items():
        seen = simulator.observation[b, k, where]
        np.testing.assert_array_equal(seen, wanted[where], err_msg=part, strict=True)


def assert_same_decision(simulator: Simulator, b: int, twin: Twin) -> None:
    """What became of the last request; nothing is said of it before the first step."""
    decision, state = twin.decision, simulator.state
    if not decision.effective:
        return
    assert_equal("effective", state.effective[b].tolist(), decision.effective)
    assert_equal("reached", state.reached[b].tolist(), decision.reached)
    assert_equal("illegal", state.illegal[b].tolist(), decision.illegal)
    outcome = state.outcome[b]
    cluster = columns.NOBODY if decision.cluster is None else decision.cluster
    assert_equal("placed_in", outcome[columns.PLACED_IN], cluster)
    assert_equal("seconds", outcome[columns.SECONDS], decision.seconds)
    if decision.cluster is not None:
        assert_equal("slot", outcome[columns.SLOT], decision.slot)
        assert_equal("position", outcome[columns.POSITION], decision.position)
        assert_equal("waited", outcome[columns.WAITED], decision.waited)


def assert_same_state(simulator: Simulator, twins: dict[int, Twin]) -> None:
    """The state vectors of all environments; logarithms may differ in the last place."""
    state = global_state(simulator)
    for b, twin in twins.items():
        wanted = np.array(twin.sight.state(), np.float32)
        np.testing.assert_allclose(state[b], wanted, rtol=3e-7, err_msg="state", strict=True)


def assert_same_metrics(simulator: Simulator, b: int, twin: Twin) -> None:
    """Every figure of the episode's `Metrics`."""
    metrics, wanted = simulator.metrics(b).as_dict(), twin.ledger.metrics()
    assert_equal("names of metrics", metrics.keys(), wanted.keys())
    for name, value in wanted.items():
        assert_close(name, metrics[name], value)
