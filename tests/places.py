"""Where the reference data are: beside the checkout, or where VMAGENT_TRACE_DIR says."""

import os
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
SHARED = ROOT.parent / "shared"
REFERENCE = SHARED / "reference"
TRACE = "huawei-east-1-lifetimes.csv"


def real_trace() -> str:
    """The real month's file; skips the test where it is absent."""
    for folder in (os.environ.get("VMAGENT_TRACE_DIR"), SHARED / "data"):
        if folder and (Path(folder) / TRACE).is_file():
            return str(Path(folder) / TRACE)
    pytest.skip(f"{TRACE} is absent: put it in {SHARED / 'data'} or set VMAGENT_TRACE_DIR")


def reference(name: str) -> Path:
    """A file of exact results; skips the test where it is absent."""
    if not (REFERENCE / name).is_file():
        pytest.skip(f"{name} is absent: it stands in {REFERENCE}")
    return REFERENCE / name
