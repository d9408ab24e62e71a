"""VMs of a trace that no server of a scenario takes: nobody can place them."""

from __future__ import annotations

import warnings
from typing import TYPE_CHECKING

import numpy as np

from vmagent_marl.errors import ScenarioError
from vmagent_marl.trace import Trace
from vmagent_marl.trace.units import MIB, MILLI

if TYPE_CHECKING:
    from vmagent_marl.scenario.scenario import Scenario
    from vmagent_marl.sim import Rules


class OversizeWarning(UserWarning):
    """VMs of the trace fit no server of the scenario, whatever anyone does."""


def warn_of_oversize(scenario: Scenario, rules: Rules, trace: Trace) -> None:
    """Warn of VMs that are turned away whatever anyone does; refuse them where they would wait."""
    from vmagent_marl.sim.rules import feed

    demand = feed(trace, rules).demand
    in_cluster = np.all(demand[:, None] <= rules.node[None], axis=2)  # (n, K)
    fits = in_cluster.any(axis=1)
    if scenario.turned_away == "wait":  # one that its own chain has no server for would, too
        chain = np.add.outer(np.arange(scenario.clusters), np.arange(rules.tries))
        fits = in_cluster[:, chain % scenario.clusters].any(axis=2).all(axis=1)
    if fits.all():
        return
    rows = np.flatnonzero(~fits)
    message = (
        f"{len(rows)} VMs of trace {trace.name!r} (the first in row {rows[0]}) are larger than any "
        f"server {'of a chain ' if rules.tries < scenario.clusters else ''}of scenario "
        f"{scenario.name!r}"
    )
    if scenario.turned_away == "wait":
        raise ScenarioError(f"{message} and would wait for ever: give larger servers or halve them")
    ends = ", and each ends its episode" if scenario.turned_away == "end" else ""
    vcpu, memory = trace.cpu[rows[0]] / MILLI, trace.memory[rows[0]] / MIB
    kind = f"{vcpu:.12g}x{memory:.12g}"
    warnings.warn(
        f"{message}: they can only be turned away{ends}: give larger nodes (node_cpu, node_memory) "
        f"or leave such types out (`vmagent-marl trace scale ... --mix {kind}=0`)",
        OversizeWarning,
        stacklevel=4,
    )
