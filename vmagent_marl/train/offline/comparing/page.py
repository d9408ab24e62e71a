"""A comparison for people: in Markdown, one table a data set, one over all, and what failed."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from vmagent_marl.episodes.collecting.intervals import Estimate, Floats
from vmagent_marl.episodes.collecting.reference import RANDOM
from vmagent_marl.evaluation.statistics import stratified_interval
from vmagent_marl.train.offline.comparing.board import Board, Entrant

if TYPE_CHECKING:
    from vmagent_marl.train.offline.comparing.compare import Compared

MEANING = {
    "profit share": "profit / possible revenue, a ratio of sums; more is better",
    "wait_s": "seconds waited in an episode; less is better",
    "return": "the team's return in an episode; more is better",
}
ABOUT = """\
Checkpoints, the settings of a tuned program, and the behaviour and the heuristic that others are
held against were chosen on validation windows only; then whoever stands in a table played the test
window once, all on the same episodes. *Score*: over all seeds and episodes; *IQM*: the mean of the
middle half of them. *Less best behaviour*, *less cloning*: the difference of the scores on the same
episodes from the best policy that made the data, and from behaviour cloning; bold where it is sure.
*Normalised*: 0 at random legal play, 1 at the heuristic named; undefined where these two are not
surely apart. In brackets 95 % bootstrap intervals over seeds and blocks of the trace, both drawn as
wholes; over few seeds they are too narrow: where seeds decide, those of 3 miss the truth one time
in four, of 5 one in six, of 10 one in ten. *Validation*: the mean return there, of learners
that of the checkpoints it has chosen. `table.csv` has the other heuristics too."""
COLUMNS = (
    "algorithm",
    "seeds",
    "IQM",
    "score",
    "normalised",
    "less best behaviour",
    "less cloning",
    "validation",
)


def page_of(compared: Compared) -> str:
    """The whole page."""
    plan = compared.plan
    parts = [
        "# Offline algorithms compared",
        f"{plan.seeds} seeds, {plan.steps:,} updates, validated every {plan.validate_every:,} on "
        f"{plan.validation_episodes} episodes; {plan.episodes} episodes of the test window.",
        ABOUT,
        *(_board(board) for board in compared.boards),
        _overall(compared.boards),
        _settings(compared),
        _lost(compared),
    ]
    return "\n\n".join(part for part in parts if part) + "\n"


def over_datasets(boards: Sequence[Board]) -> dict[str, Floats]:
    """(seeds, data sets) normalised scores of each learner, where all data sets have one.

    Of data sets on which the normalised score is undefined none is told; where some seed failed,
    as many of each data set are taken.
    """
    kept = [board for board in boards if board.normalised(RANDOM) is not None]
    names = dict.fromkeys(e.name for board in kept for e in board.entrants if e.kind == "learner")
    found = {}
    for name in names:
        runs = [board.normalised_seeds(name) for board in kept if name in board.runs]
        told = [each for each in runs if each is not None]
        if len(told) == len(kept):
            fewest = min(map(len, told))
            found[name] = np.array([each[:fewest] for each in told]).T
    return found


def named(each: Entrant) -> str:
    """With the setting that was chosen for it."""
    if not each.setting:
        return each.name
    tuned = f", tuned: the best of {each.tried} on validation" if each.tried > 1 else ""
    return f"{each.name} ({each.setting}{tuned})"


def _board(board: Board) -> str:
    first, stop = board.rows
    blocks = board.resampling.block_count
    parts = [
        f"## {board.dataset}",
        f"Scenario `{board.scenario.name}`, score: {MEANING[board.score]}. Test window: rows "
        f"{first:,} to {stop - 1:,}, {board.episodes} episodes in {blocks} blocks. Best behaviour: "
        f"{_code(board.behaviour)}; a normalised score of 1: {_code(board.reference)}.",
    ]
    told = [
        each
        for each in board.ranked
        if each.kind != "heuristic" or each.name in (RANDOM, board.reference)
    ]
    return "\n\n".join([*parts, _table(COLUMNS, [_row(board, each) for each in told])])


def _row(board: Board, each: Entrant) -> list[str]:
    row = board.row(each)
    kind = "" if each.kind == "learner" else f", {each.kind}"
    failed = f" ({row['failed']} failed)" if row["failed"] else ""
    normal = board.normalised(each.name)
    return [
        f"{named(each)}{kind}",
        f"{row['seeds']}{failed}" if each.kind == "learner" else "",
        _spread(board.resampling.interquartile(board.runs[each.name])),
        _spread(board.resampling.score(board.runs[each.name])),
        "undefined" if normal is None else _spread(normal),
        _difference(board.difference(each.name, board.behaviour)),
        _difference(board.difference(each.name, "behaviour_cloning")),
        f"{each.validation:.4g}",
    ]


def _overall(boards: Sequence[Board]) -> str:
    tables = over_datasets(boards)
    kept = sum(board.normalised(RANDOM) is not None for board in boards)
    if not tables or kept < 2:
        return ""
    estimates = {name: stratified_interval(table) for name, table in tables.items()}
    ranked = sorted(estimates, key=lambda name: -estimates[name].value)
    rows = [
        [name, str(len(tables[name])), _spread(estimates[name]), f"{tables[name].mean():.3f}"]
        for name in ranked
    ]
    of = "" if kept == len(boards) else f" of {len(boards)}; undefined on the others"
    return "\n\n".join(
        [
            "## Over all data sets",
            f"Normalised scores of the {kept} data sets{of}; intervals over seeds alone, drawn "
            "anew for each data set.",
            _table(("algorithm", "seeds", "IQM", "mean"), rows),
        ]
    )


def _settings(compared: Compared) -> str:
    """What each setting of a tuned program came to on validation."""
    groups: dict[tuple[str, str], dict[str, list[float]]] = {}
    for each in compared.trained:
        of = groups.setdefault((each.cell.dataset, each.cell.contender.program), {})
        found = of.setdefault(each.cell.contender.setting, [])
        if each.best is not None:
            found.append(each.best)
    rows = [
        [dataset, program, setting, str(len(best)), f"{np.mean(best):.4g}" if best else "failed"]
        for (dataset, program), settings in groups.items()
        if len(settings) > 1
        for setting, best in settings.items()
    ]
    if not rows:
        return ""
    heads = ("data set", "program", "setting", "seeds", "validation")
    return f"## Settings tried\n\nMean return on validation.\n\n{_table(heads, rows)}"


def _lost(compared: Compared) -> str:
    groups: dict[tuple[str, str, str], list[int]] = {}
    for each in compared.failed:
        cell = each.cell
        groups.setdefault((cell.contender.name, cell.dataset, str(each.error)), []).append(
            cell.seed
        )
    lost = [
        f"{name} on {dataset}, {'seed' if len(seeds) == 1 else 'seeds'} "
        f"{', '.join(map(str, seeds))}: {error}"
        for (name, dataset, error), seeds in groups.items()
    ]
    lost += dict.fromkeys(each for board in compared.boards for each in board.lost)
    if not lost:
        return ""
    return "\n\n".join(["## Failed", *(f"```text\n{each}\n```" for each in lost)])


def _table(heads: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    lines = [heads, *rows]
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    told = [
        " | ".join(
            cell.rjust(width) if i else cell.ljust(width)
            for i, (cell, width) in enumerate(zip(line, widths, strict=True))
        )
        for line in lines
    ]
    rule = "|".join(("-" * (w + 1) + ":") if i else "-" * (w + 2) for i, w in enumerate(widths))
    return "\n".join([f"| {told[0]} |", f"|{rule}|", *(f"| {line} |" for line in told[1:])])


def _spread(estimate: Estimate, sign: str = "") -> str:
    between = "" if math.isnan(estimate.low) else f" [{estimate.low:.4g}, {estimate.high:.4g}]"
    return f"{estimate.value:{sign}.4g}{between}"


def _difference(estimate: Estimate | None) -> str:
    if estimate is None:
        return ""
    value, space, rest = _spread(estimate, "+").partition(" ")
    sure = value if estimate.holds_zero else f"**{value}**"
    return f"{sure}{space}{rest}"


def _code(name: str | None) -> str:
    return "none known" if name is None else f"`{name}`"
