"""The named rewards of one cluster for one transition: names, formulas, and the kernel.

placed        +1 for a VM that the cluster placed
cpu           its vCPUs
wait          -log(1 + seconds it waited)
balance       -(change of the sum over servers of |free cpu of node 0 - of node 1|) / cpu of a node
profit        sum over running VMs of vCPU x price x max(0, 1 - hop cost x position) x hours
              - sum over servers that are not empty of vCPU capacity x power x hours
server_hours  -(hours of servers that are not empty)
wait_hours    -(hours it waited)

`profit` and `server_hours` accrue from the request's decision to the next one, departures in
between integrated exactly.
"""

from __future__ import annotations

import math

from vmagent_marl.sim.jit import part
from vmagent_marl.sim.rules import CPU, NODES, Rules
from vmagent_marl.sim.state import ACTIVE, TILT, State, earned, integral
from vmagent_marl.trace.units import HOUR

NAMES = ("placed", "cpu", "wait", "balance", "profit", "server_hours", "wait_hours")
PLACED, PLACED_CPU, WAITED, BALANCE, PROFIT, SERVER_HOURS, WAITED_HOURS = range(len(NAMES))

MILLI = 1000.0  # milli-vCPU in a vCPU


@part
def own_reward(
    rules: Rules, state: State, b: int, k: int, placed: int, cpu: int, waited: int
) -> float:
    """Reward of cluster k before sharing; `placed`: it took the request, of `cpu` milli-vCPU."""
    weights = rules.weights
    reward = 0.0
    if placed:
        reward += weights[PLACED] + weights[PLACED_CPU] * cpu / MILLI
        if waited > 0:
            reward -= weights[WAITED] * math.log1p(waited) + weights[WAITED_HOURS] * waited / HOUR
    if weights[BALANCE] != 0.0:
        change = state.level[b, k, TILT] - state.tilt_before[b, k]
        reward -= weights[BALANCE] * change / rules.node[k, CPU]
    if accrues(rules):
        server_hours = (integral(state, b, k, ACTIVE) - state.active_before[b, k]) / HOUR
        reward -= weights[SERVER_HOURS] * server_hours
        revenue = 0.0
        for position in range(rules.tries):
            cpu_seconds = earned(state, b, k, position) - state.earned_before[b, k, position]
            revenue += rules.kept[position] * cpu_seconds
        server_cpu = NODES * rules.node[k, CPU] / MILLI
        burned = server_hours * server_cpu * rules.power[k]
        reward += weights[PROFIT] * (revenue * rules.price / (MILLI * HOUR) - burned)
    return reward


@part
def accrues(rules: Rules) -> bool:
    """Whether rewards grow as time passes."""
    return rules.weights[PROFIT] != 0.0 or rules.weights[SERVER_HOURS] != 0.0


@part
def begin_transition(rules: Rules, state: State, b: int) -> None:
    """Remember what the next transition's rewards are measured from."""
    for k in range(state.level.shape[1]):
        state.tilt_before[b, k] = state.level[b, k, TILT]
        if accrues(rules):
            state.active_before[b, k] = integral(state, b, k, ACTIVE)
            for position in range(state.running.shape[2]):
                state.earned_before[b, k, position] = earned(state, b, k, position)
