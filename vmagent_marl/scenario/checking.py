"""What makes no game: values that are right each by itself, and wrong for a scenario."""

from __future__ import annotations

from typing import TYPE_CHECKING

from vmagent_marl.errors import ScenarioError, nearest
from vmagent_marl.scenario.parts import Reach, WrongHints
from vmagent_marl.scenario.rules import REWARDS

if TYPE_CHECKING:
    from vmagent_marl.scenario.scenario import Scenario

MOST_CLUSTERS = 32  # as the kernels number them
MOST_SERVERS = 10**6
MOST_SIGMA = 10  # of hints: a factor of ten thousand, up or down


def check(scenario: Scenario) -> None:
    """Raise `ScenarioError` for what types alone do not refuse."""

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
