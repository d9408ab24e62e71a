"""What a page, a picture or a table calls the metrics of an episode, and counts them in."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Told:
    """How one metric is told."""

    name: str
    unit: str
    form: str = ""  # where a few are told for a glance; the others stand in tables alone
    many: bool = False  # of several clusters alone
    if_any: bool = False  # not where it is 0


TOLD = {
    "requests": Told("requests", "VMs", ",.0f"),
    "placed": Told("VMs placed", "VMs", ",.0f"),
    "placed_large": Told("VMs of 16 vCPU and more placed", "VMs"),
    "turned_away": Told("VMs turned away", "VMs", ",.0f"),
    "turned_away_large": Told("VMs of 16 vCPU and more turned away", "VMs"),
    "killed": Told("VMs ended by outages", "VMs", ",.0f", if_any=True),
    "placed_cpu_s": Told("vCPU time run", "vCPU s"),
    "turned_away_cpu_s": Told("vCPU time turned away", "vCPU s"),
    "seconds": Told("simulated time", "s"),
    "used_cpu": Told("used cpu", "share", ".1%"),
    "used_memory": Told("used memory", "share", ".1%"),
    "stranded_cpu": Told("stranded cpu", "share", ".1%"),
    "stranded_memory": Told("stranded memory", "share", ".1%"),
    "empty_servers": Told("empty servers", "servers", ".2f"),
    "numa_imbalance": Told("NUMA imbalance", "share", ".1%"),
    "active_server_hours": Told("server-hours in use", "server h", ",.0f"),
    "server_hours_bound": Told("server-hours at least", "server h", ",.0f"),
    "capacity_hours": Told("server-hours in service", "server h"),
    "wait_s": Told("sum of waits", "s"),
    "wait_mean_s": Told("mean wait", "s", ",.0f", if_any=True),
    "wait_p95_s": Told("95 % wait at most", "s"),
    "hops": Told("mean hops", "positions", ".2f", many=True),
    "fairness": Told("Jain's index of clusters", "1 = equal", ".3f", many=True),
    "profit": Told("profit", "price units"),
    "possible_revenue": Told("possible revenue", "price units"),
    "profit_share": Told("profit share", "share", ".1%"),
}
