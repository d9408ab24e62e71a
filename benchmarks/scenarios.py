"""What heuristics reach in the scenarios of many clusters, on the synthetic and on the real month.

python benchmarks/scenarios.py                                   # tables in Markdown
python benchmarks/scenarios.py --write benchmarks/results.md     # and into the results
python benchmarks/scenarios.py --scenarios region region-sizes

Each rule plays the same episodes of the validation and of the test window of both months. It takes
some minutes, most of them for the bounds, and leaves the real month out where it is absent.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import tyro
from packing import month_at
from results import measured_at, write_section

from vmagent_marl.episodes.collecting.intervals import Estimate
from vmagent_marl.episodes.collecting.reference import RANDOM
from vmagent_marl.errors import TraceError
from vmagent_marl.evaluation import Scores, evaluate
from vmagent_marl.evaluation.demand import Demand, demand_of
from vmagent_marl.scenario import Scenario, load_scenario
from vmagent_marl.sim import Episode

SCENARIOS = (
    "region",
    "region-prices",
    "region-sizes",
    "region-stale",
    "region-hotspot",
    "region-outage",
    "region-1000",
    "consolidate",
)
WINDOWS = ("validation", "test")
QUARTERS = (0.25, 0.5, 0.75, 1.0)  # of an episode's time
AGES = (10, 60, 600)  # s between publications
ERRORS = (0.0, 0.5, 1.0)  # of lifetime hints, standard deviations of their logarithm

NOTES = """\
A column is a window of a month. *Load*: vCPU asked for over those of all servers, if every VM were
taken, at each quarter of an episode's time, means of the episodes, which begin with empty servers.
*Blocks*: independent parts of the window that the episodes cover; intervals are drawn from them,
are too narrow below ten, and unknown for one. *Gain*: the best rule that clusters can follow by
themselves (bold), less greedy placement (accept-always; server best fit for one cluster), with its
95 % interval: it is chosen and measured on the same episodes. *Bound*: no policy is better."""


def scores_of(
    name: str, months: dict[str, str], windows: tuple[str, ...], episodes: int
) -> dict[str, Scores]:
    """Every rule that goes with the scenario, by month and window."""
    return {
        f"{month}, {window}": evaluate(
            load_scenario(name, trace=trace), "all", windows=window, episodes=episodes
        )
        for month, trace in months.items()
        for window in windows
    }


def greedy_of(scenario: Scenario) -> str:
    """The rule that others are held against: whoever is asked takes what fits."""
    return "accept-always" if scenario.clusters > 1 else "server-best-fit"


def best_of(scores: Scores) -> str:
    """The best rule that clusters can follow by themselves."""
    own = [policy for policy in scores.ranked if scores.result(policy).is_heuristic]
    return next(policy for policy in own if policy != RANDOM)


def scenario_table(scores: dict[str, Scores]) -> str:
    """A row for each rule, under the load, the gain and the bound of each column."""
    columns = list(scores.values())
    rows = [
        ("load", [load_of(column) for column in columns]),
        ("blocks", [str(column.block_count) for column in columns]),
        ("gain", [gain_of(column) for column in columns]),
        ("bound", [bound_of(column) for column in columns]),
    ]
    policies = sorted(columns[0].policies, key=lambda policy: places(columns, policy))
    for policy in policies:
        cells = []
        for column in columns:
            told = figure(column, policy)
            cells.append(f"**{told}**" if policy == best_of(column) else told)
        rows.append((policy, cells))
    title = f"| {columns[0].scenario.name}: {columns[0].score} | {' | '.join(scores)} |"
    lines = [title, "|---|" + "---:|" * len(columns)]
    lines += [f"| {name} | {' | '.join(cells)} |" for name, cells in rows]
    return "\n".join(lines)


def places(columns: list[Scores], policy: str) -> int:
    """Sum of the policy's ranks, by which rows are in order."""
    return sum(column.ranked.index(policy) for column in columns)


def figure(scores: Scores, policy: str) -> str:
    """The score; of server-hours, which grow with the load, also how many times their bound."""
    value = scores.estimate(policy).value
    if not scores.scenario.reward.get("server_hours"):
        return f"{value:.3f}"
    result = scores.result(policy)
    over = result.column("active_server_hours").sum() / result.column("server_hours_bound").sum()
    return f"{value:,.0f} ({over:.3f})"


def gain_of(scores: Scores) -> str:
    """What the best rule has over greedy placement."""
    gain: Estimate = scores.difference(best_of(scores), greedy_of(scores.scenario))
    digits = 0 if scores.scenario.reward.get("server_hours") else 3
    told = f"{gain.value + 0.0:+.{digits}f}"
    if np.isnan(gain.low):
        return told
    return f"{told} ({gain.low + 0.0:+.{digits}f} to {gain.high + 0.0:+.{digits}f})"


def bound_of(scores: Scores) -> str:
    """The bound on the score, where one is known."""
    return f"{scores.bound.value:.3f}" if scores.bound else ""


def load_of(scores: Scores) -> str:
    """Percent of the cpu that is asked for at each quarter of the episodes."""
    trace = scores.scenario.load_trace()
    starts = scores.results[0].column("start").astype(int).tolist()
    stop = max(starts) + max(scores.results[0].column("requests").astype(int).tolist()) + 1
    episodes = [Episode(first, min(stop, len(trace))) for first in starts]
    asked = [asked_at(demand_of(scores.scenario, trace, episode)) for episode in episodes]
    return " ".join(f"{100 * share:.0f}" for share in np.mean(asked, axis=0)) + " %"


def asked_at(demand: Demand) -> list[float]:
    """Share of all servers' cpu that would run at each quarter, if every VM were taken."""
    second, number, sign = demand.events()
    running = np.cumsum(sign * demand.volume[number, 0])
    start = int(demand.feed.arrival[demand.first])
    seconds = [start + quarter * (demand.end - start) for quarter in QUARTERS]
    place = np.searchsorted(second, seconds, side="right") - 1
    shares: list[float] = (running[place] / demand.most_room[0]).tolist()
    return shares


def stale_table(month: str) -> str:
    """Cpu-seconds lost of the whole month by tries and by the summaries' age, and by a pool.

    On servers of 2 x (40 vCPU, 90 GB), as the month's published figures have them.
    """
    fields = {"trace": month, "horizon": None, "node_cpu": 40, "node_memory": 90}
    pool = load_scenario("region-stale", clusters=1, servers=40, tries=1, home="random", **fields)
    lost = evaluate(pool, "server-best-fit", starts=[0]).lost_cpu("server-best-fit")
    titles = " | ".join(f"every {age} s" for age in AGES)
    lines = [f"| region-stale, whole real month, nodes of 40 vCPU: lost | {titles} |"]
    lines.append("|---|" + "---:|" * len(AGES))
    lines.append(f"| one pool of 40 servers | {' | '.join([f'{100 * lost:.1f} %'] * len(AGES))} |")
    for tries in (1, 2, 8):
        cells = []
        for age in AGES:
            played = load_scenario("region-stale", tries=tries, summary_every=age, **fields)
            share = evaluate(played, "accept-always", starts=[0]).lost_cpu("accept-always")
            cells.append(f"{100 * share:.1f} %, x {share / lost:.1f}" if lost else "-")
        offers = f"{tries} {'try' if tries == 1 else 'tries'}"
        lines.append(f"| {offers}, accept-always | {' | '.join(cells)} |")
    return "\n".join(lines)


def hints_table(months: dict[str, str], episodes: int) -> str:
    """Hours over their bound in `consolidate`, on test windows, by the error of the hints."""
    rules = ("release-fit", "nilas", "first-fit", "server-best-fit")
    titles = " | ".join(f"{month}, error {error:g}" for month in months for error in ERRORS)
    lines = [f"| consolidate, test: hours over bound | {titles} |"]
    lines.append("|---|" + "---:|" * (len(months) * len(ERRORS)))
    figures: dict[str, list[str]] = {rule: [] for rule in rules}
    for trace in months.values():
        for error in ERRORS:
            scenario = load_scenario("consolidate", trace=trace, hints={"log_sigma": error})
            scores = evaluate(scenario, rules, windows="test", episodes=episodes)
            for rule in rules:
                figures[rule].append(figure(scores, rule).split("(")[1].strip(")"))
    lines += [f"| {rule} | {' | '.join(cells)} |" for rule, cells in figures.items()]
    return "\n".join(lines)


def main(
    scenarios: tuple[str, ...] = SCENARIOS,
    trace: Path | None = None,
    episodes: int = 20,
    write: Path | None = None,
) -> None:
    """Print the tables.

    Args:
        scenarios: names on the shelf, or paths.
        trace: the real month, where it is not in ../shared/data or $VMAGENT_TRACE_DIR.
        episodes: of each window.
        write: a Markdown file whose section on scenarios is replaced.
    """
    months = {"synthetic": "synthetic"}
    try:
        months["real"] = str(month_at(trace))
    except TraceError as error:
        if trace is not None:
            raise
        print(f"without the real month: {error}")
    parts = [f"`python benchmarks/scenarios.py` at {measured_at()}, {episodes} episodes a window."]
    parts += [scenario_table(scores_of(name, months, WINDOWS, episodes)) for name in scenarios]
    if "region-stale" in scenarios and "real" in months:
        parts.append(stale_table(months["real"]))
    if "consolidate" in scenarios:
        parts.append(hints_table(months, episodes))
    text = "\n\n".join([*parts, NOTES])
    print(text)
    if write is not None:
        write_section(write, "Scenarios", text)


if __name__ == "__main__":
    tyro.cli(main)
