"""A scenario: what is played, on which trace, for which reward; it builds a `Simulator`."""

from __future__ import annotations

import dataclasses
import warnings
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from numpy.typing import NDArray

from vmagent_marl import catalog, settings
from vmagent_marl.errors import ScenarioError, SettingError, nearest
from vmagent_marl.trace import NEVER, Trace
from vmagent_marl.trace.source import SYNTHETIC, InlineTrace, load_trace
from vmagent_marl.trace.units import MIB, MILLI, MOST, to_whole

if TYPE_CHECKING:
    from vmagent_marl.sim import Rules, Simulator

MOST_CLUSTERS = 32  # as the kernels number them
MOST_SERVERS = 10**6
MOST_SIGMA = 10  # of hints: a factor of ten thousand, up or down
REWARDS = ("placed", "cpu", "wait", "balance", "profit", "server_hours")  # as the kernel has them


class OversizeWarning(UserWarning):
    """VMs of the trace fit no server of the scenario, whatever anyone does."""


@dataclass(frozen=True)
class Halve:
    """Which VMs take both NUMA nodes of a server, half on each."""

    resource: Literal["cpu", "memory"]
    above: float  # vCPU or GB; a VM with more is halved


@dataclass(frozen=True)
class Expansion:
    """Servers that a cluster orders when it is too full, one order at a time."""

    threshold: float  # of the larger used share of cpu and memory, looked at after each arrival
    servers: int  # an order brings
    most: int  # servers of a cluster after every expansion
    lead_time: int = 0  # s from the order to service


@dataclass(frozen=True)
class Outage:
    """A cluster out of service: its VMs run on (drain) or end (outage)."""

    cluster: int
    at: int  # s after the episode's start
    seconds: int  # until it is restored
    kind: Literal["drain", "outage"] = "outage"


@dataclass(frozen=True)
class Reach:
    """An episode as long as a heuristic's reach from its start, plus some requests."""

    reach_of: Literal["first-fit"]
    plus: int


@dataclass(frozen=True)
class WrongHints:
    """Lifetime hints that are off by a log-normal factor."""

    log_sigma: float  # standard deviation of log(hint / lifetime)


@dataclass(frozen=True, kw_only=True)
class Scenario:
    """Everything about a game but its players. Per-cluster fields take one value or a list."""

    name: str
    description: str = ""
    trace: str | InlineTrace = "synthetic"  # `synthetic`, a file, or requests written out
    start_hour: int | None = None  # of the day at the trace's second 0; null: as the trace says

    clusters: int = 1
    servers: int | tuple[int, ...]  # of each cluster, at the start
    node_cpu: float | tuple[float, ...] = 40.0  # vCPU of a NUMA node; a server has two
    node_memory: float | tuple[float, ...] = 90.0  # GB of a NUMA node
    power: float | tuple[float, ...] = 0.0  # per vCPU of a server that is not empty, and hour
    halve: Halve | None = None
    departures: bool = True  # whether VMs leave
    expansion: Expansion | None = None
    outages: tuple[Outage, ...] = ()

    turned_away: Literal["end", "count", "wait"] = "count"
    turned_away_cost: float = 0.0  # taken from the home's reward
    decline: Literal["never", "allowed"] = "never"  # may the last pass what fits its servers
    tries: int | None = None  # offers a request gets; null: every cluster's
    home: Literal["round-robin", "random", "pinned", "least-loaded"] = "round-robin"
    summaries: Literal["none", "coarse", "full"] = "none"
    summary_every: int = 0  # s between publications; 0: always fresh
    hints: Literal["none", "exact"] | WrongHints = "none"  # what is foretold of lifetimes
    horizon: int | Reach | None = None  # requests after which an episode is truncated
    horizon_seconds: int | None = None  # s after which it is truncated

    reward: dict[str, float] = field(default_factory=lambda: {"placed": 1.0})  # weights by name
    reward_scale: float = 1.0  # every reward is divided by it
    price: float = 1.0  # revenue per running vCPU and hour
    hop_cost: float = 0.0  # share of a VM's revenue lost per position in the chain
    share: float = 0.0  # of the team's mean in an agent's reward
    state: Literal["public", "privileged"] = "public"  # what `state()` tells of running VMs

    def __post_init__(self) -> None:
        """Refuse values that make no game."""
        _check(self)

    def each(self, name: str) -> tuple[Any, ...]:
        """A per-cluster field as one value for each cluster."""
        value = getattr(self, name)
        return value if isinstance(value, tuple) else (value,) * self.clusters

    def as_dict(self) -> dict[str, Any]:
        """Plain values, fit for JSON, from which `scenario_from` builds the same scenario."""
        return dataclasses.asdict(self, dict_factory=_plain)

    def replace(self, **fields: Any) -> Scenario:
        """The same scenario with other values; raises `ScenarioError` for what makes no game."""
        return scenario_from({**self.as_dict(), **fields}, where=f"scenario {self.name!r}")

    def load_trace(self) -> Trace:
        """The trace that this scenario plays on."""
        trace = load_trace(self.trace)
        return trace if self.start_hour is None else _at_hour(trace, self.start_hour)

    def rules(self) -> Rules:
        """The scenario in the units of the kernels."""
        return _rules(self)

    def simulator(
        self,
        *,
        batch: int = 1,
        trace: Trace | None = None,
        threads: int = 1,
        buffers: Mapping[str, NDArray[Any]] | None = None,
    ) -> Simulator:
        """A batch of environments that play this scenario on its own or a given trace.

        `threads` and `buffers` are those of `Simulator`.
        """
        from vmagent_marl.sim import Simulator

        played = self.load_trace() if trace is None else trace
        rules = self.rules()
        _warn_of_oversize(self, rules, played)
        reach = self.horizon if isinstance(self.horizon, Reach) else None
        return Simulator(
            rules,
            played,
            batch=batch,
            length=self.horizon if isinstance(self.horizon, int) else None,
            seconds=self.horizon_seconds,
            reach_plus=reach.plus if reach else None,
            privileged=self.state == "privileged",
            threads=threads,
            buffers=buffers,
        )


def load_scenario(name: str | Path, **fields: Any) -> Scenario:
    """A scenario from the shelf by name, or from a YAML file by path, with fields replaced.

    >>> load_scenario("recovering", servers=20).servers
    20

    Raises `UnknownNameError` for a name that is on no shelf, and `ScenarioError` with file, line
    and key for what makes no game. A trace's path in a file is relative to the file.
    """
    is_path = str(name).endswith((".yaml", ".yml")) or "/" in str(name)
    file = Path(name) if is_path else catalog.find("scenarios", str(name))
    try:
        data, lines = settings.read_mapping(file)
    except SettingError as error:
        raise ScenarioError(str(error)) from None
    trace = data.get("trace")
    if isinstance(trace, str) and trace != SYNTHETIC:
        data["trace"] = str(file.parent / trace)
    for key in fields:
        lines.pop(key, None)  # what the caller gives stands in no line of the file
    return scenario_from({"name": file.stem, **data, **fields}, where=str(file), lines=lines)


def scenario_from(
    data: Mapping[str, Any], *, where: str = "scenario", lines: Mapping[str, int] | None = None
) -> Scenario:
    """A scenario from plain values; errors blame `where` and the lines of the keys."""
    if isinstance(data.get("trace"), Trace):
        raise ScenarioError(
            "trace: a Trace is no part of a scenario, which is written down with what is recorded: "
            'vm.write_trace(trace, "mine.h5"), then trace="mine.h5"; `evaluate` and '
            "`Scenario.simulator` also take it as it is"
        )
    fields = {key: str(value) if isinstance(value, Path) else value for key, value in data.items()}
    if isinstance(fields.get("reward"), str):
        fields["reward"] = {fields["reward"]: 1.0}
    try:
        return settings.build(Scenario, fields, where, lines)
    except SettingError as error:
        raise ScenarioError(str(error)) from None


def _check(scenario: Scenario) -> None:
    """What types alone do not say."""

    def require(good: bool, message: str) -> None:
        if not good:
            raise ScenarioError(message)

    require(
        1 <= scenario.clusters <= MOST_CLUSTERS,
        f"clusters: {scenario.clusters} are out of range: give 1 to {MOST_CLUSTERS}",
    )
    require(
        scenario.start_hour is None or 0 <= scenario.start_hour < 24,
        f"start_hour: {scenario.start_hour} is no hour of the day: give 0 to 23, or null",
    )
    for name in ("servers", "node_cpu", "node_memory", "power"):
        values = scenario.each(name)
        wanted = scenario.clusters
        require(
            len(values) == wanted,
            f"{name}: {len(values)} values for {wanted} clusters: give one each, or set `clusters`",
        )
        low = 0 if name == "power" else 1 if name == "servers" else 1e-3
        require(
            all(low <= value <= MOST_SERVERS for value in values),
            f"{name}: {getattr(scenario, name)!r} is out of range: give {low} to a million",
        )
    for name, low in (("summary_every", 0), ("turned_away_cost", 0), ("price", 0), ("hop_cost", 0)):
        value = getattr(scenario, name)
        require(value >= low, f"{name}: {value} is negative: give {low} or more")
    for name in ("tries", "horizon", "horizon_seconds"):
        value = getattr(scenario, name)
        positive = not isinstance(value, int) or value >= 1
        require(positive, f"{name}: {value!r} is too few: give 1 or more, or null")
    tries = scenario.tries or 1
    require(tries <= scenario.clusters, f"tries: {tries} exceed the clusters: give 1 to them all")
    require(0 <= scenario.share <= 1, f"share: {scenario.share} is no share: give 0 to 1")
    require(scenario.reward_scale > 0, "reward_scale: must be positive: give 1 to change nothing")
    for name in scenario.reward:
        require(name in REWARDS, f"reward: unknown reward {name!r}: {nearest(name, REWARDS)}")
    require(
        scenario.home != "least-loaded" or scenario.summaries != "none",
        "home: least-loaded needs published summaries: set `summaries: coarse`",
    )
    require(
        not isinstance(scenario.horizon, Reach) or scenario.clusters == 1,
        "horizon: first fit's reach is that of one cluster: give a number of requests",
    )
    require(
        not isinstance(scenario.hints, WrongHints) or 0 <= scenario.hints.log_sigma <= MOST_SIGMA,
        f"hints: {scenario.hints} are beyond sense: give a log_sigma of 0 to {MOST_SIGMA}",
    )
    if scenario.expansion:
        order = scenario.expansion
        require(order.threshold > 0, "expansion.threshold: must be positive: give a used share")
        require(order.servers >= 1, "expansion.servers: too few: give 1 or more an order")
        require(order.lead_time >= 0, "expansion.lead_time: is negative: give seconds")
        require(
            max(scenario.each("servers")) <= order.most <= MOST_SERVERS,
            f"expansion.most: {order.most} is below `servers` or above a million: give one between",
        )
    for outage in scenario.outages:
        require(
            0 <= outage.cluster < scenario.clusters and outage.at >= 0 and outage.seconds > 0,
            f"outages: {outage} names no cluster or no time: give 0 <= cluster < clusters",
        )


def _rules(scenario: Scenario) -> Rules:
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


@lru_cache(maxsize=4)  # one trace object for all simulators of a scenario, which cache by it
def _at_hour(trace: Trace, start_hour: int) -> Trace:
    return dataclasses.replace(trace, start_hour=start_hour)


def _halve_above(halve: Halve | None) -> int:
    if halve is None:
        return NEVER
    parts = MILLI if halve.resource == "cpu" else MIB
    return to_whole(halve.above, parts) if halve.above * parts <= MOST else NEVER


def _warn_of_oversize(scenario: Scenario, rules: Rules, trace: Trace) -> None:
    """VMs that no server takes are turned away whatever anyone does; they would wait for ever."""
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


def _plain(items: list[tuple[str, Any]]) -> dict[str, Any]:
    """Tuples as lists, as JSON and YAML have them."""

    def plain(value: Any) -> Any:
        return [plain(item) for item in value] if isinstance(value, (list, tuple)) else value

    return {key: plain(value) for key, value in items}
