"""Scores for people, as tables on a terminal."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from textwrap import fill
from typing import TYPE_CHECKING

import numpy as np

from vmagent_marl.episodes.collecting.intervals import Estimate
from vmagent_marl.episodes.collecting.reference import RANDOM
from vmagent_marl.evaluation.scores import Result, Scores
from vmagent_marl.evaluation.title import title_of

if TYPE_CHECKING:
    from rich.console import Console, Group

EDGES = 6  # characters that the table's sides take
NAME = 16  # characters to which a policy's name may be folded
FEW_BLOCKS = 10  # below it, percentile intervals are noticeably too narrow

_Column = tuple[str, list[str]]  # title and a cell for each policy


def print_scores(
    scores: Scores, *, baseline: str | None = None, console: Console | None = None
) -> None:
    """Both tables on the terminal, or another console; they fit into 80 characters."""
    from rich.console import Console

    out = console or Console()
    width = min(out.width, 100)
    out.print(score_table(scores, baseline=baseline, width=width))
    out.print(metrics_table(scores, width=width))


def score_table(scores: Scores, *, baseline: str | None = None, width: int = 80) -> Group:
    """The score of each policy, the best first, with its interval and its difference."""
    other, ranked = baseline or scores.baseline, scores.ranked
    columns: list[_Column] = [
        (scores.score, [_figure(scores.estimate(p).value) for p in ranked]),
        ("95 % interval", [_interval(scores.estimate(p)) for p in ranked]),
    ]
    if len(ranked) > 1:
        columns.append((f"vs {other}", [_difference(scores, p, other) for p in ranked]))
    bound = scores.bound_estimate
    if scores.bound is not None and bound is not None:
        first = (_figure(bound.value), _interval(bound), "-")
        columns = [(title, [first[i], *cells]) for i, (title, cells) in enumerate(columns)]
        ranked = [scores.bound.name, *ranked]
    title = f"{title_of(scores)} of {scores.trace}"
    return _table(ranked, columns, width, title, _caption(scores, other))


def metrics_table(scores: Scores, *, width: int = 80) -> Group:
    """What else matters in this scenario, as means of the episodes; what fits into `width`."""
    ranked = scores.ranked
    results = [scores.result(policy) for policy in ranked]
    columns = [(title, [cell(result) for result in results]) for title, cell in _metrics(scores)]
    lines = []
    best = scores.reference
    if RANDOM in ranked and best:
        scale = [scores.normalised(p) for p in ranked]
        known = [_figure(each.value) for each in scale if each is not None]
        if len(known) == len(ranked):
            columns.insert(2, ("norm. score", known))
            lines.append(f"norm. score: 0 at {RANDOM}, 1 at {best}, {_chosen(scores)}.")
        else:
            apart = f"these episodes do not tell {RANDOM} from {best}, {_chosen(scores)}"
            why = apart if scores.block_count > 1 else "the intervals are unknown"
            lines.append(f"norm. score: undefined, as {why}.")
    if scores.bound is not None:
        columns.insert(0, ("gap", [_gap(scores, p) for p in ranked]))
        ratio = "bound / score" if scores.less_is_better else "score / bound"
        lines.append(f"gap to the bound: 1 - {ratio}.")
    if scores.lost_bound is not None:
        least = f"{100 * scores.lost_bound.value:.1f} % ({scores.lost_bound.kind})"
        lines.append(f"lost cpu: share of the cpu-seconds turned away; no policy: below {least}.")
    return _table(ranked, columns, width, "means per episode", "\n".join(lines))


def _table(
    policies: list[str], columns: list[_Column], width: int, title: str, caption: str
) -> Group:
    """A row for each policy; long names are folded, columns beyond `width` are left out."""
    from rich import box
    from rich.console import Group
    from rich.table import Table
    from rich.text import Text

    names = [fill(p, NAME, break_long_words=False) for p in policies]
    wide = [max(len(word) for word in [*title.split(), *cells]) for title, cells in columns]
    folded = max(len(line) for name in names for line in name.split("\n"))
    left = width - EDGES - folded
    fitting = [i for i in range(len(columns)) if sum(wide[: i + 1]) + 2 * (i + 1) <= left]
    spare = left - sum(wide[i] + 2 for i in fitting)
    if max(map(len, policies)) - folded <= spare:
        names = policies
    view = Table(box=box.SIMPLE_HEAD, padding=(0, 1, 0, 0))
    view.add_column("policy", no_wrap=True)
    for i in fitting:
        view.add_column(columns[i][0], justify="right", min_width=wide[i])
    for row, name in enumerate(names):
        view.add_row(name, *(columns[i][1][row] for i in fitting))
    # Not as the table's own title and caption, which fold at the width of a narrow table.
    below = [Text(caption, style="dim")] if caption else []
    return Group(Text(title, style="bold"), view, *below, Text(""))


def _chosen(scores: Scores) -> str:
    """How the reference of the normalised score was found."""
    on_validation = scores.chosen or scores.window == "validation"
    return f"the best heuristic {'on validation' if on_validation else 'here'}"


def _caption(scores: Scores, baseline: str) -> str:
    """What the figures are, and what to mind about them."""
    better = "less is better" if scores.less_is_better else "more is better"
    about = {
        "profit share": "sum of profit / sum of possible revenue",
        "wait_s": "seconds of waiting, mean of the episodes",
        "return": "the agents' mean return, mean of the episodes",
    }[scores.score]
    lines = [f"{scores.score}: {about}; {better}."]
    if len(scores.results) > 1:
        lines.append(f"vs {baseline}: difference on the same episodes, with its 95 % interval.")
    if scores.bound is not None:
        policy = "no policy that starts every VM" if scores.less_is_better else "no policy"
        lines.append(f"{scores.bound.name}: {policy} is better on these episodes.")
    blocks, episodes = scores.block_count, len(scores.results[0].played)
    if blocks == 1:
        lines.append("Intervals: unknown, as the episodes share rows of one block of the trace.")
    elif blocks < max(episodes, FEW_BLOCKS):
        rough = "; too few for exact ones" if blocks < FEW_BLOCKS else ""
        lines.append(f"Intervals: bootstrap over {blocks} blocks of the trace{rough}.")
    lines += _untold(scores)
    return "\n".join(lines)


def _untold(scores: Scores) -> Iterator[str]:
    """What to mind where most episodes end before they are lost: all who got so far score alike."""
    if scores.scenario.turned_away != "end":
        return
    lost = np.concatenate([result.column("turned_away") for result in scores.results])
    safe = int((lost == 0).sum())
    if 2 * safe <= lost.size:
        return
    several = len(scores.results)
    of_all = f"{lost.size} episodes{f' ({several} policies)' if several > 1 else ''}"
    limited = scores.scenario.horizon or scores.scenario.horizon_seconds
    end = "horizon" if limited else "trace's end" if scores.window == "all" else "window's end"
    yield (
        f"{safe} of {of_all} ended at the {end} with no VM turned away: fewer servers (--servers) "
        "would tell policies apart."
    )


def _metrics(scores: Scores) -> Iterator[tuple[str, Callable[[Result], str]]]:
    """Columns that matter for the scenario, the most telling first."""
    scenario = scores.scenario

    def mean(name: str) -> Callable[[Result], str]:
        return lambda result: _figure(float(result.column(name).mean()))

    def share(name: str) -> Callable[[Result], str]:
        return lambda result: f"{100 * float(result.column(name).mean()):.1f} %"

    yield "placed", mean("placed")
    if scenario.turned_away == "count":
        yield "turned away", mean("turned_away")
        yield "lost cpu", lambda result: f"{100 * scores.lost_cpu(result.policy):.1f} %"
    if scenario.reward.get("server_hours"):
        yield "hours over bound", _hours_over_bound
    yield "used cpu", share("used_cpu")
    if scenario.clusters > 1:
        yield "hops", mean("hops")
    if scenario.turned_away == "wait":
        yield "p95 wait s", mean("wait_p95_s")
    if scenario.outages:
        yield "killed", mean("killed")
    if scores.score == "profit share":
        yield "profit", mean("profit")
    yield "used memory", share("used_memory")
    yield "empty servers", mean("empty_servers")
    yield "NUMA imbalance", share("numa_imbalance")


def _figure(value: float, sign: str = "") -> str:
    """Four digits that count, thousands apart, and no e-notation."""
    if math.isnan(value):
        return "-"
    digits = 0 if abs(value) >= 1000 else 1 if abs(value) >= 100 else 2 if abs(value) >= 10 else 3
    return f"{value + 0.0:{sign},.{digits}f}"  # never -0


def _interval(estimate: Estimate, sign: str = "") -> str:
    if math.isnan(estimate.low):
        return "unknown"
    return f"{_figure(estimate.low, sign)} to {_figure(estimate.high, sign)}"


def _gap(scores: Scores, policy: str) -> str:
    gap = scores.gap(policy)
    return "-" if gap is None else f"{round(100 * gap.value, 1) + 0.0:.1f} %"  # never -0


def _hours_over_bound(result: Result) -> str:
    """Hours of servers that are not empty / of those that what ran fills at least."""
    needed = result.column("server_hours_bound").sum()
    hours = result.column("active_server_hours").sum()
    return _figure(float(hours / needed)) if needed else "-"


def _difference(scores: Scores, policy: str, baseline: str) -> str:
    if policy == baseline:
        return "-"
    estimate = scores.difference(policy, baseline)
    return f"{_figure(estimate.value, '+')} ({_interval(estimate, '+')})"
