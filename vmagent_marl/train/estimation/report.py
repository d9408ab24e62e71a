"""Estimated returns for people, as a table on a terminal."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from vmagent_marl.episodes.collecting.intervals import Estimate
from vmagent_marl.train.estimation.estimating import WEIGHED, PolicyEstimates, ReturnEstimates

if TYPE_CHECKING:
    from rich.console import Console, Group

ABOUT = {
    "fqe": "fitted Q evaluation; its interval is of the starts alone, not of the fit",
    "is": "per-decision importance sampling",
    "wis": "per-decision importance sampling, self-normalised",
    "dr": "doubly robust: fqe, corrected by the weights",
    "wdr": "doubly robust, its weights self-normalised",
}


def print_estimates(found: ReturnEstimates, *, console: Console | None = None) -> None:
    """The table on the terminal, or another console."""
    from rich.console import Console

    (console or Console()).print(estimates_table(found))


def estimates_table(found: ReturnEstimates) -> Group:
    """A row for each policy and estimator, and below what to mind."""
    from rich import box
    from rich.console import Group
    from rich.table import Table
    from rich.text import Text

    data = found.data
    view = Table(box=box.SIMPLE_HEAD, padding=(0, 1, 0, 0))
    view.add_column("policy", overflow="fold")
    for heading in ("by", "return", "95 % interval", "eff. episodes", "to request"):
        view.add_column(heading, justify="left" if heading == "by" else "right", no_wrap=True)
    view.add_row("as recorded", "mean", *_cells(found.recorded), str(data.lengths.size), "")
    for each in found.policies:
        for i, (name, estimate) in enumerate(each.estimates.items()):
            size = _size(each, found.gamma) if name in WEIGHED else ("", "")
            view.add_row(each.policy if i == 0 else "", name, *_cells(estimate), *size)
        if not each.estimates:
            view.add_row(each.policy, "-", "-", "-", "-", "-")
    title = f"{data.lengths.size} episodes of {', '.join(data.dataset)}"
    used = {name for each in found.policies for name in each.estimates}
    lines = [
        f"return: the team's, discounted by {found.gamma:g} a request, from an episode's start to "
        "its end.",
        *(f"{name}: {about}." for name, about in ABOUT.items() if name in used),
    ]
    if used & set(WEIGHED):
        lines.append(
            "eff. episodes: effective sample size, mean over discounted requests; to request: the "
            "first at which it is below 10."
        )
    if int(data.blocks.max()) == 0:
        lines.append("Intervals: unknown, as the episodes share rows of one block of the trace.")
    warned: dict[str, list[str]] = {}  # who is warned, by what
    for each in found.policies:
        for warning in found.warnings(each):
            warned.setdefault(warning, []).append(each.policy)
    below = [
        Text(f"Mind {', '.join(names)}: {warning}.", style="bold")
        for warning, names in warned.items()
    ]
    return Group(Text(title, style="bold"), view, Text("\n".join(lines), style="dim"), *below)


def _size(each: PolicyEstimates, gamma: float) -> tuple[str, str]:
    assert each.weights is not None  # else there were no such estimate
    horizon = each.weights.effective.size
    until = "all" if each.weights.until == horizon else f"{each.weights.until} of {horizon}"
    return f"{each.weights.effective_mean(gamma):.1f}", until


def _cells(estimate: Estimate) -> tuple[str, str]:
    if math.isnan(estimate.low):
        return _figure(estimate.value), "unknown"
    return _figure(estimate.value), f"{_figure(estimate.low)} to {_figure(estimate.high)}"


def _figure(value: float) -> str:
    """Four digits that count, as in the tables of scores."""
    if math.isnan(value):
        return "-"
    digits = 0 if abs(value) >= 1000 else 1 if abs(value) >= 100 else 2 if abs(value) >= 10 else 3
    return f"{value + 0.0:,.{digits}f}"
