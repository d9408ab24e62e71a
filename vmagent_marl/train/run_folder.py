"""The folder of a training run: claimed by its settings, written whole or not at all."""

from __future__ import annotations

import csv
import io
import json
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from vmagent_marl.errors import SettingError


def claim(folder: Path, settings: Mapping[str, Any]) -> None:
    """Make a folder the run of these settings, or go on with the run that it holds.

    `steps` may be more than before. Raises `SettingError` where the folder holds another run.
    """
    wanted = json.loads(json.dumps(settings))  # as JSON gives it back: lists, no tuples
    file = folder / "config.json"
    if file.exists():
        try:
            found = json.loads(file.read_text(encoding="utf-8"))
        except ValueError:
            raise SettingError(f"{file}: is no JSON: give another folder to write to") from None
        for key, value in wanted.items():
            longer = key == "steps" and isinstance(found.get(key), int) and found[key] <= value
            if found.get(key) != value and not longer:
                raise SettingError(
                    f"{folder}: holds a run with {key} {found.get(key)!r}, not {value!r}: "
                    "give another folder to write to"
                )
    write_text(file, json.dumps(wanted, indent=2) + "\n")


def write_table(file: Path, rows: Sequence[Mapping[str, object]]) -> None:
    """Write rows of equal keys as CSV."""
    table = io.StringIO()
    writer = csv.DictWriter(table, list(rows[0]), lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    write_text(file, table.getvalue())


def write_text(file: Path, text: str) -> None:
    """Write a file; a kill leaves the old one or the new one."""
    file.parent.mkdir(parents=True, exist_ok=True)
    unfinished = file.with_name(f"{file.name}.{os.getpid()}.tmp")
    unfinished.write_text(text, encoding="utf-8")
    os.replace(unfinished, file)
