"""What there is to watch below a folder: data sets, runs, scores and episode files."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from vmagent_marl.errors import DatasetError
from vmagent_marl.view.dashboard.episode_file import SUFFIX
from vmagent_marl.view.dashboard.runs import Run, Score, read_run, read_score
from vmagent_marl.view.dashboard.stored import StoredEpisodes, open_stored

DEEP = 6  # folders below the one that is looked through
MOST_FOLDERS = 5000


@dataclass
class Found:
    """Things to watch, in the order of their paths."""

    datasets: list[StoredEpisodes] = field(default_factory=list)
    runs: list[Run] = field(default_factory=list)
    scores: list[Score] = field(default_factory=list)
    episodes: list[Path] = field(default_factory=list)

    def __bool__(self) -> bool:
        return bool(self.datasets or self.runs or self.scores or self.episodes)


def look_through(root: Path) -> Found:
    """Everything below a folder that can be read; links to other folders are not followed."""
    found = Found()
    for folder in _folders(root):
        try:
            files = sorted(entry.name for entry in os.scandir(folder) if entry.is_file())
        except OSError:
            continue
        if "metadata.json" in files and "main_data.hdf5" in files:
            try:
                found.datasets.append(open_stored(folder.parent))
            except DatasetError:
                continue  # somebody else's, or broken: `dataset verify` tells
            continue
        if run := read_run(folder):
            found.runs.append(run)
        for name in files:
            if name.endswith(SUFFIX):
                found.episodes.append(folder / name)
            elif name.endswith(".json") and (score := read_score(folder / name)):
                found.scores.append(score)
    return found


def _folders(root: Path) -> Iterator[Path]:
    """The folder and those below it, in order."""
    left = MOST_FOLDERS
    for here, below, _ in os.walk(root):
        folder = Path(here)
        deep = len(folder.relative_to(root).parts)
        below[:] = sorted(b for b in below if not b.startswith(".")) if deep < DEEP else []
        left -= 1
        if left < 0:
            return
        yield folder
