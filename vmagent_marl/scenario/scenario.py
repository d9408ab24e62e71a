"""A scenario: what is played, on which trace, for which reward; it builds a `Simulator`."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from typing import TYPE_CHECKING, Any, Literal

from numpy.typing import NDArray

from vmagent_marl.scenario.checking import check
from vmagent_marl.scenario.oversize import warn_of_oversize
from vmagent_marl.scenario.parts import Expansion, Halve, Outage, Reach, WrongHints
from vmagent_marl.scenario.rules import rules_of
from vmagent_marl.trace import Trace
from vmagent_marl.trace.source import InlineTrace, load_trace

if TYPE_CHECKING:
    from vmagent_marl.sim import Rules, Simulator


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
        check(self)

    def each(self, name: str) -> tuple[Any, ...]:
        """A per-cluster field as one value for each cluster."""
        value = getattr(self, name)
        return value if isinstance(value, tuple) else (value,) * self.clusters

    def as_dict(self) -> dict[str, Any]:
        """Plain values, fit for JSON, from which `scenario_from` builds the same scenario."""
        return dataclasses.asdict(self, dict_factory=_plain)

    def replace(self, **fields: Any) -> Scenario:
        """The same scenario with other values; raises `ScenarioError` for what makes no game."""
        from vmagent_marl.scenario.reading import scenario_from

        return scenario_from({**self.as_dict(), **fields}, where=f"scenario {self.name!r}")

    def load_trace(self) -> Trace:
        """The trace that this scenario plays on."""
        trace = load_trace(self.trace)
        return trace if self.start_hour is None else _at_hour(trace, self.start_hour)

    def rules(self) -> Rules:
        """The scenario in the units of the kernels."""
        return rules_of(self)

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
        warn_of_oversize(self, rules, played)
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


@lru_cache(maxsize=4)  # one trace object for all simulators of a scenario, which cache by it
def _at_hour(trace: Trace, start_hour: int) -> Trace:
    return dataclasses.replace(trace, start_hour=start_hour)


def _plain(items: list[tuple[str, Any]]) -> dict[str, Any]:
    """Tuples as lists, as JSON and YAML have them."""

    def plain(value: Any) -> Any:
        return [plain(item) for item in value] if isinstance(value, (list, tuple)) else value

    return {key: plain(value) for key, value in items}
