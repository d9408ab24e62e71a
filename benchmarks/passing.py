"""Data sets that a benchmark records, and that are gone when it has ended."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

HOME = "MINARI_DATASETS_PATH"


@contextmanager
def passing_datasets() -> Iterator[Path]:
    """An empty folder for this block; Minari's data sets are in it, and nobody else's are seen."""
    before = os.environ.get(HOME)
    with tempfile.TemporaryDirectory() as folder:
        os.environ[HOME] = str(Path(folder) / "minari")
        try:
            yield Path(folder)
        finally:
            del os.environ[HOME]
            if before is not None:
                os.environ[HOME] = before
