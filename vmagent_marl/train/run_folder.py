"""The folder of a training run: claimed by what decides its outcome."""

from __future__ import annotations

import csv
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from vmagent_marl.errors import SettingError
from vmagent_marl.files import replacing


def claim(folder: Path, decides: Mapping[str, Any]) -> None:
    """Make a folder the run of these settings and data, or go on with the run that it holds.

    `steps` may be more than before; `sha256` are the digests of the data sets. Raises
    `SettingError` where the folder holds another run.
    """
    wanted = json.loads(json.dumps(decides))  # as JSON gives it back: lists, no tuples
    if folder.exists() and not folder.is_dir():
        raise SettingError(f"{folder}: is a file: give a folder to write to")
    file = folder / "config.json"
    found = _read(file) if file.exists() else {}
    for key, value in wanted.items() if found else ():
        held = found.get(key)
        longer = key == "steps" and isinstance(held, int) and held <= value
        if held == value or longer:
            continue
        if key == "sha256":
            names = ", ".join(map(repr, wanted["dataset"]))
            what = f"of other episodes than {names} holds now: it was recorded anew since"
        else:
            what = f"with {key} {held!r}, not {value!r}"
        raise SettingError(f"{folder}: holds a run {what}: give another folder to write to")
    with replacing(file) as unfinished:
        unfinished.write_text(json.dumps(wanted, indent=2) + "\n", encoding="utf-8")


def write_table(file: Path, rows: Sequence[Mapping[str, object]]) -> None:
    """Write rows of equal keys as CSV."""
    with replacing(file) as unfinished, unfinished.open("w", encoding="utf-8", newline="") as text:
        writer = csv.DictWriter(text, list(rows[0]), lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)


def _read(file: Path) -> dict[str, Any]:
    try:
        found = json.loads(file.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        found = None
    if not isinstance(found, dict) or not found:
        raise SettingError(f"{file}: holds no settings: give another folder to write to")
    return found
