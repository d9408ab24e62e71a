from __future__ import annotations

from pathlib import Path

import pytest

from vmagent_marl.episodes.collecting import reference


@pytest.fixture(autouse=True)
def datasets_path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Every test has a place of its own for data sets, and references of few episodes."""
    path = tmp_path / "minari"
    monkeypatch.setenv("MINARI_DATASETS_PATH", str(path))
    monkeypatch.setattr(reference, "FEWEST", 2)
    monkeypatch.setattr(reference, "TRANSITIONS", 1000)
    return path
