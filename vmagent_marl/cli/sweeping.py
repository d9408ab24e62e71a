"""`train --sweep`: many runs, a table and the curves of what they came to."""

from __future__ import annotations

import math
import sys
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from vmagent_marl.cli.training import Run
    from vmagent_marl.train.online.learner import Settings
    from vmagent_marl.train.online.sweep import Group, Outcome


def sweep(agent: str, settings: Settings, run: Run, out: Path) -> None:
    """Train every combination; `sweep.csv`, `runs.csv` and `curves.svg` in `out`, and a table."""
    from vmagent_marl.cli.training import compare
    from vmagent_marl.progress import counter
    from vmagent_marl.train.online.sweep import groups_of, read_values, run_sweep, setting_name
    from vmagent_marl.train.run_folder import write_table
    from vmagent_marl.view.plots import plot_learning_curve

    values = read_values(type(settings), run.sweep)
    number = math.prod(map(len, values.values()))
    inner = run.workers == 1 and not run.quiet and sys.stderr.isatty()  # one live line at a time
    outcomes: list[Outcome] = []
    label = agent if "scenario" in values else f"{agent} on {Path(settings.scenario).stem}"
    with counter(label, number, unit="runs", shown=not (run.quiet or inner)) as move:
        for each in run_sweep(agent, settings, values, out, workers=run.workers, progress=inner):
            outcomes.append(each)
            told = f"{setting_name(each.values)}: {each.best:.4g}"
            move(1, f"{label}, {told}")
            if inner:
                print(f"{len(outcomes)}/{number} {told}", file=sys.stderr)
    groups = groups_of(outcomes)
    write_table(
        out / "runs.csv", [{**o.values, "best": o.best, "folder": o.folder.name} for o in outcomes]
    )
    write_table(out / "sweep.csv", [_row(group) for group in groups])
    plot_learning_curve(
        {group.name: group.curve for group in groups},
        out / "curves.svg",
        title=label,
        x_label="requests decided",
        y_label="mean return on validation",
    )
    _print(label, groups)
    for name in ("sweep.csv", "runs.csv", "curves.svg"):
        print(out / name)
    best = max(outcomes, key=lambda each: each.best)
    compare(best.folder / "policy.pt", run.compare)


def _row(group: Group) -> dict[str, object]:
    middle = group.interquartile
    return {
        **group.values,
        "runs": len(group.outcomes),
        "mean": group.mean,
        "interquartile_mean": middle.value,
        "low": middle.low,
        "high": middle.high,
    }


def _print(label: str, groups: list[Group]) -> None:
    from rich.console import Console
    from rich.table import Table

    table = Table(title=f"{label}: best validation's mean return, by setting")
    for heading in ("setting", "runs", "mean", "interquartile mean", "95 % interval"):
        table.add_column(heading, justify="left" if heading == "setting" else "right")
    for group in groups:
        middle = group.interquartile
        spread = (
            "too few runs" if math.isnan(middle.low) else f"{middle.low:.4g} to {middle.high:.4g}"
        )
        table.add_row(
            group.name, str(len(group.outcomes)), f"{group.mean:.4g}", f"{middle.value:.4g}", spread
        )
    Console().print(table)
