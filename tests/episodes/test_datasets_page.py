"""The page about data sets: every example runs, one after the other, in an empty folder."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from adapters.libraries import need
from places import ROOT

PAGE = ROOT / "docs" / "datasets.md"
EXAMPLES = re.findall(r"^```python\n(.*?)^```", PAGE.read_text(encoding="utf-8"), re.S | re.M)
FIRST, *OTHERS = EXAMPLES


def title(example: str) -> str:
    return re.findall(r"from (\S+) import|import (\S+)\n", example)[-1][0] or "minari"


@pytest.mark.filterwarnings("ignore")  # of the libraries
@pytest.mark.parametrize("example", OTHERS, ids=title)
def test_example(example: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    if "torchrl" in example:
        need("torchrl")
    for each in (FIRST, example):
        exec(compile(each, str(PAGE), "exec"), {"__name__": "example"})


def test_the_page_tells_every_command() -> None:
    from typing import get_args

    from vmagent_marl.cli.datasets import Command

    page = PAGE.read_text(encoding="utf-8")
    for each in get_args(Command):
        assert f"vmagent-marl dataset {get_args(each)[0].__name__.lower()}" in page
