"""Compare offline algorithms: programs x data sets x seeds, with intervals, in tables and figures.

Each cell runs a program in a process of its own, as anybody would by hand; so a program of yours is
compared like those of the shelf if it takes --dataset, --out, --steps, --seed, --validate-every,
--validation-episodes, --device and --compare, and writes policy.pt and curve.csv: a copy of any of
them does. What is finished is kept: the same command again goes on, and one that names more
programs, data sets or seeds trains what is missing.

    python offline/compare.py --programs behaviour_cloning discrete_cql mine.py \\
        --datasets recovering/noisy-10 vmagent/recovering/mixed-v0 --seeds 5 --workers 2 \\
        --options "discrete_cql: --alpha 0.3" "discrete_cql: --alpha 1.0" --out runs/compare

Of several settings of a program the best on validation, over seeds, plays the test window.
"""

from __future__ import annotations

import sys
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from vmagent_marl.cli.reading import run_program

if TYPE_CHECKING:
    from vmagent_marl.train.offline.comparing.board import Board
    from vmagent_marl.train.offline.comparing.compare import Compared
    from vmagent_marl.view.estimates import Panel


@dataclass(frozen=True, kw_only=True)
class Args:
    """What to compare, and how."""

    programs: tuple[str, ...]
    """Names on the shelf `offline`, or paths of programs of yours."""
    datasets: tuple[str, ...]
    """Ids of Minari data sets, or recipes, which are recorded unless they are there."""
    out: Path
    """Folder for every run, the tables and the figures; a killed comparison goes on there."""
    seeds: int = 5
    """Runs of each program on each data set, of seeds 0, 1, ..."""
    options: tuple[str, ...] = ()
    """Options of a program's own, `PROGRAM: --option value`; several for one are all tried."""
    steps: int = 4000
    """Updates of each run."""
    validate_every: int = 500
    """Updates between validations."""
    validation_episodes: int = 8
    """Episodes a validation plays."""
    episodes: int = 100
    """Of the test window, which whoever is compared plays in the end."""
    device: str = "auto"
    """`cpu`, `cuda`, or `auto`: a GPU where there is one."""
    workers: int | None = None
    """Runs at once; 1 unless given, or all cores of the Ray cluster."""
    ray: str | None = None
    """On a Ray cluster: `local`, started here for it, or the address of one with shared folders."""


def main(args: Args) -> None:
    """Train what is missing, play the test window, and write what came of it."""
    from vmagent_marl.cli import INTERRUPTED
    from vmagent_marl.errors import VmagentError
    from vmagent_marl.train.offline.comparing.compare import Plan, compare
    from vmagent_marl.train.offline.comparing.results import write_results

    tell = partial(print, file=sys.stderr, flush=True)
    try:
        compared = compare(Plan(**asdict(args)), tell)
        files = [*write_results(compared), *draw(compared)]
    except KeyboardInterrupt:
        tell("interrupted: the same command again goes on")
        raise SystemExit(INTERRUPTED) from None
    print((args.out / "table.md").read_text(encoding="utf-8"))
    for file in files:
        print(file)
    if compared.failed:
        raise VmagentError(
            f"{len(compared.failed)} of {len(compared.trained)} cells failed, see "
            f"{args.out / 'table.md'}: the same command again tries them anew"
        )


def draw(compared: Compared) -> list[Path]:
    """Scores of all, profiles over the data sets, and the learning curves on each; the files."""
    from vmagent_marl.evaluation.statistics import interquartile_mean, stratified_interval
    from vmagent_marl.train.offline.comparing.page import over_datasets
    from vmagent_marl.view.estimates import Panel, plot_estimates
    from vmagent_marl.view.profiles import plot_profiles

    out, boards = compared.plan.out, compared.boards
    boards = [board for board in boards if any(e.kind == "learner" for e in board.entrants)]
    panels = [_panel(board) for board in boards]
    tables = over_datasets(boards)
    if tables:
        estimates = {name: stratified_interval(table) for name, table in tables.items()}
        ranked = dict(sorted(estimates.items(), key=lambda item: -item[1].value))
        values = {name: [*map(float, interquartile_mean(tables[name]))] for name in ranked}
        level, score = {"best heuristic": 1.0}, "normalised score"
        panels.append(Panel("all data sets, interquartile mean", ranked, values, level, score))
    files = []
    if panels:
        files.append(plot_estimates(panels, out / "scores.png", title="Test windows"))
    if tables:
        files.append(plot_profiles(tables, out / "profiles.png", x_label="normalised"))
    return [*files, *(_curves(compared, board) for board in boards)]


def _panel(board: Board) -> Panel:
    """Differences on the same episodes, which are surer than the scores."""
    from vmagent_marl.view.estimates import Panel

    held = board.behaviour or board.reference or board.ranked[0].name
    kinds = ("learner", "behaviour")
    shown = [e.name for e in board.ranked if e.kind in kinds or e.name == board.reference]
    told = {name: board.difference(name, held) for name in shown}
    zero = board.runs[held].score
    return Panel(
        board.dataset.removeprefix("vmagent/").removesuffix("-v0"),
        {name: each for name, each in told.items() if each is not None},
        {name: (board.runs[name].scores - zero).tolist() for name in shown},
        {held: 0.0},
        f"{board.score.replace('wait_s', 'waiting (s)')}, less that of {held}",
    )


def _curves(compared: Compared, board: Board) -> Path:
    """On validation: of every program the setting that was chosen there."""
    from vmagent_marl.view.plots import plot_learning_curve

    held = dict.fromkeys(name for name in (board.reference, board.behaviour) if name is not None)
    return plot_learning_curve(
        {
            each.name: [cell.cell.curve for cell in each.cells if cell.best is not None]
            for each in board.entrants
            if each.kind == "learner"
        },
        compared.plan.out / "curves" / f"{board.dataset.replace('/', '-')}.png",
        y="mean_return",
        title=board.dataset,
        x_label="updates",
        y_label="mean return on validation",
        levels={each.name: each.validation for each in board.entrants if each.name in held},
    )


if __name__ == "__main__":
    run_program(main, Args, __doc__)
