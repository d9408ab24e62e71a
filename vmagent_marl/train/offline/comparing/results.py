"""A comparison in files: every episode for programs, a table for spreadsheets, one for people."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from vmagent_marl.files import replacing
from vmagent_marl.train.offline.comparing.board import Board, Entrant
from vmagent_marl.train.offline.comparing.cells import Trained
from vmagent_marl.train.offline.comparing.compare import Compared
from vmagent_marl.train.offline.comparing.page import page_of
from vmagent_marl.train.run_folder import write_table


def write_results(compared: Compared) -> list[Path]:
    """`results.json`, `table.csv` and `table.md` in the folder of the comparison; the files."""
    out = compared.plan.out
    rows = [board.row(each) for board in compared.boards for each in board.ranked]
    files = [out / "results.json", out / "table.csv", out / "table.md"]
    with replacing(files[0]) as unfinished:
        text = json.dumps(_document(compared, rows), allow_nan=False)
        unfinished.write_text(text + "\n", encoding="utf-8")
    write_table(files[1], rows)
    with replacing(files[2]) as unfinished:
        unfinished.write_text(page_of(compared), encoding="utf-8")
    return files


def _document(compared: Compared, rows: list[dict[str, Any]]) -> dict[str, Any]:
    """Everything in plain values, episode by episode."""
    plan = compared.plan
    return {
        "settings": {**plan.decides, "seeds": plan.seeds, "episodes": plan.episodes},
        "table": rows,
        "cells": [_cell(each) for each in compared.trained],
        "datasets": [_board(board) for board in compared.boards],
    }


def _cell(each: Trained) -> dict[str, Any]:
    contender = each.cell.contender
    return {
        "program": contender.program,
        "setting": contender.setting,
        "options": list(contender.options),
        "dataset": each.cell.dataset,
        "seed": each.cell.seed,
        "folder": each.cell.folder.relative_to(each.cell.out).as_posix(),
        "validation_return": each.best,
        "error": each.error,
    }


def _board(board: Board) -> dict[str, Any]:
    return {
        "dataset": board.dataset,
        "scenario": board.scenario.as_dict(),
        "metric": board.score,
        "rows": list(board.rows),
        "blocks": board.resampling.blocks.tolist(),  # of the trace, of each episode
        "behaviour": board.behaviour,
        "reference": board.reference,
        "lost": list(board.lost),
        "entrants": [_entrant(each) for each in board.entrants],
    }


def _entrant(each: Entrant) -> dict[str, Any]:
    """The runs are of the seeds that were trained, in order; each has a value an episode."""
    return {
        "algorithm": each.name,
        "kind": each.kind,
        "setting": each.setting,
        "seeds": [cell.cell.seed for cell in each.cells if cell.best is not None],
        "runs": list(each.test),
    }
