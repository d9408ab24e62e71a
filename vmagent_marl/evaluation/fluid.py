"""Bounds by linear programmes over what could run at each moment, as if VMs could be split.

At a moment let the VMs i that were asked for and have not ended use c_i of cpu and m_i of memory,
and let cluster k have S_k servers of C_k and M_k, each costing w_k while it is not empty. Whatever
a policy does, the shares x_i of them that run (0 or 1) and its servers y_k that are not empty are a
point of

    max  sum_i x_i v_i - sum_k y_k w_k     0 <= x_i <= 1,  0 <= y_k <= S_k,
         sum_i x_i c_i <= sum_k y_k C_k,   sum_i x_i m_i <= sum_k y_k M_k,

so that no policy, be it clairvoyant, free to move, split and interrupt VMs, or to begin anew at
every moment, has more than this maximum there. By weak duality, for any prices p, q >= 0 of cpu
and of memory, it is at most

    sum_i max(0, v_i - p c_i - q m_i) + sum_k S_k max(0, p C_k + q M_k - w_k).

Each pair of prices is a running sum over the arrivals and departures; the least of all pairs at
each moment is a bound, and the exact maximum where a corner of the dual is among them. Its integral
over the episode bounds what the policy gathers.

Sources: Dantzig 1957 (the fractional knapsack, which the programme is with one resource and without
cost), Bertsimas & Tsitsiklis 1997, chapter 4 (weak duality).
"""

from __future__ import annotations

from itertools import combinations

import numpy as np

from vmagent_marl.evaluation.demand import Demand, Floats
from vmagent_marl.sim.rules import CPU
from vmagent_marl.trace.units import HOUR

MILLI = 1000.0  # milli-vCPU in a vCPU
SORTS = 16  # of VMs, by memory for cpu, whose corners are looked at; the real month has three


def rejected_cpu_seconds(demand: Demand) -> tuple[float, float]:
    """vCPU-seconds that any policy turns away at least, and those that are asked for.

    For episodes whose rows and end are fixed, in which VMs start when they arrive and run until
    they leave or the episode ends: what runs of those asked for was not turned away. Memory that
    does not suffice counts by the cpu that must go without it: a fractional knapsack, in which the
    VMs with the least cpu for their memory go first.
    """
    cpu = demand.cpu / MILLI
    free = np.zeros(len(demand.rules.servers))
    placed, asked = _gathered(demand, cpu, free)
    return max(0.0, asked - placed), asked


def profit(demand: Demand) -> tuple[float, float]:
    """Profit that any policy makes at most, and the possible revenue, in units of the price.

    v_i is the revenue at position 0 of the chain, where none is lost to hops, and w_k the power of
    a server of cluster k: fractions of servers suffice, those of the cheapest clusters first.
    """
    rules = demand.rules
    revenue = demand.cpu / MILLI * rules.price / HOUR
    power = demand.server[:, CPU] / MILLI * rules.power / HOUR
    return _gathered(demand, revenue, power)


def _gathered(demand: Demand, value: Floats, cost: Floats) -> tuple[float, float]:
    """The bound's integral over the episode, and that of the value of all that is asked for.

    `value` (n,) a second of each VM, `cost` (K,) a second of a server that is not empty.
    """
    second, number, sign = demand.events()
    seconds = np.diff(second, append=demand.end).astype(np.float64)
    asked = float(np.cumsum(sign * value[number]) @ seconds)
    volume, server = demand.volume.astype(np.float64), demand.server.astype(np.float64)
    worth = np.where(demand.fits, value, 0.0)  # what fits no server never runs
    least = np.full(second.size, np.inf)
    for prices in _corners(volume[demand.fits], worth[demand.fits], server, cost):
        left = np.maximum(0.0, worth - volume @ prices)
        rent = float(demand.rules.most @ np.maximum(0.0, server @ prices - cost))
        least = np.minimum(least, rent + np.cumsum(sign * left[number]))
    return float(least @ seconds), asked


def _corners(volume: Floats, worth: Floats, server: Floats, cost: Floats) -> Floats:
    """(corners, 2) prices of a milli-vCPU and a MiB at which the dual's maximands change sign.

    Every VM and every cluster is a line in the plane of prices: where what it would be paid for
    its cpu and memory is what it is worth, or costs. The dual is least where two such lines or
    axes meet. VMs that are worth the same by their cpu meet at the price of cpu alone.
    """
    vms = _sorts(volume, worth)
    clusters = np.unique(np.column_stack([server, cost]), axis=0)
    axes = np.array([[1.0, 0.0, 0.0], [0.0, 1.0, 0.0]])
    bounds = [*combinations([*clusters, *axes], 2)]
    bounds += [(vm, other) for vm in vms for other in (*clusters, *axes)]
    found = [np.zeros(2)]
    for one, other in bounds:
        # of lines a.p = b by Cramer's rule; what comes out rounded is a valid price all the same
        determinant = one[0] * other[1] - one[1] * other[0]
        if determinant == 0.0:
            continue
        p = (one[2] * other[1] - one[1] * other[2]) / determinant
        q = (one[0] * other[2] - one[2] * other[0]) / determinant
        if p >= 0.0 and q >= 0.0 and np.isfinite([p, q]).all():
            found.append(np.array([p, q]))
    return np.unique(found, axis=0)


def _sorts(volume: Floats, worth: Floats) -> Floats:
    """(sorts, 3) cpu, memory and worth of at most `SORTS` VMs, spread over memory for cpu."""
    if len(volume) == 0:
        return np.empty((0, 3))
    _, which = np.unique(volume[:, 1] / volume[:, 0], return_index=True)
    which = which[np.unique(np.linspace(0, len(which) - 1, SORTS).round().astype(np.int64))]
    return np.column_stack([volume[which], worth[which]])
