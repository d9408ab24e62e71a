"""A scenario in the units and numbers of the kernels."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from vmagent_marl.scenario.parts import Halve, WrongHints
from vmagent_marl.trace import NEVER
from vmagent_marl.trace.units import MIB, MILLI, MOST, to_whole

if TYPE_CHECKING:
    from vmagent_marl.scenario.scenario import Scenario
    from vmagent_marl.sim import Rules

# As the kernel has them.
REWARDS = ("placed", "cpu", "wait", "balance", "profit", "server_hours", "wait_hours")


def rules_of(scenario: Scenario) -> Rules:
    """Whole milli-vCPU and MiB, numbers in the place of words, a list in the place of one value."""
    from vmagent_marl.sim import rules as units

    node = [
        [to_whole(cpu, MILLI), to_whole(memory, MIB)]
        for cpu, memory in zip(scenario.each("node_cpu"), scenario.each("node_memory"), strict=True)
    ]
    power = np.array(scenario.each("power"), np.float64)
    servers = np.array(scenario.each("servers"), np.int64)
    tries = scenario.tries or scenario.clusters
    halve, order = scenario.halve, scenario.expansion
    changes = [
        change
        for outage in scenario.outages
        for change in (
            (outage.at, outage.cluster, units.DRAIN if outage.kind == "drain" else units.OUTAGE),
            (outage.at + outage.seconds, outage.cluster, units.RESTORE),
        )
    ]
    weights = [scenario.reward.get(name, 0.0) / scenario.reward_scale for name in REWARDS]
    return units.Rules(
        node=np.array(node, np.int32),
        servers=servers,
        most=np.full_like(servers, order.most) if order else servers,
        power=power,
        power_share=power / power.max() if power.max() > 0 else power,
        price=scenario.price,
        kept=np.maximum(0.0, 1.0 - scenario.hop_cost * np.arange(tries)),
        halve_resource=units.CPU if halve and halve.resource == "cpu" else units.MEMORY,
        halve_above=_halve_above(halve),
        departures=scenario.departures,
        turned_away={"end": units.END, "count": units.COUNT, "wait": units.WAIT}[
            scenario.turned_away
        ],
        turned_away_cost=scenario.turned_away_cost / scenario.reward_scale,
        may_decline=scenario.decline == "allowed",
        tries=tries,
        home={
            "round-robin": units.ROUND_ROBIN,
            "random": units.RANDOM,
            "pinned": units.PINNED,
            "least-loaded": units.LEAST_LOADED,
        }[scenario.home],
        threshold=order.threshold if order else 1.0,
        expansion=order.servers if order else 0,
        lead_time=order.lead_time if order else 0,
        changes=np.array(sorted(changes), np.int64).reshape(-1, 3),
        summaries={"none": units.NO_SUMMARIES, "coarse": units.COARSE, "full": units.FULL}[
            scenario.summaries
        ],
        summary_every=scenario.summary_every,
        weights=np.array(weights, np.float64),
        share=scenario.share,
        hints=units.NO_HINTS if scenario.hints == "none" else units.HINTS,
        hint_error=scenario.hints.log_sigma if isinstance(scenario.hints, WrongHints) else 0.0,
    )


def _halve_above(halve: Halve | None) -> int:
    if halve is None:
        return NEVER
    parts = MILLI if halve.resource == "cpu" else MIB
    return to_whole(halve.above, parts) if halve.above * parts <= MOST else NEVER
