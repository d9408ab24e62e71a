"""The page about data sets names every command; its examples are run by tests/docs."""

from __future__ import annotations

from typing import get_args

from places import ROOT

from vmagent_marl.cli.datasets import Command


def test_the_page_tells_every_command() -> None:
    page = (ROOT / "docs" / "datasets.md").read_text(encoding="utf-8")
    for each in get_args(Command):
        assert f"vmagent-marl dataset {get_args(each)[0].__name__.lower()}" in page
