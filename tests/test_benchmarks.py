"""The page of results, and the benchmark of packing on a month that is small."""

from __future__ import annotations

import importlib
from pathlib import Path
from typing import Any

import pytest
from places import ROOT

from vmagent_marl.errors import TraceError
from vmagent_marl.trace import synthetic_month, write_lifetimes


@pytest.fixture
def shelf(monkeypatch: pytest.MonkeyPatch) -> Any:
    """Modules of the folder by name, as `python benchmarks/...` finds them."""
    folder = ROOT / "benchmarks"
    if not folder.is_dir():
        pytest.skip("benchmarks/ is not beside the tests")
    monkeypatch.syspath_prepend(folder)
    return importlib.import_module


def test_a_section_is_replaced_and_the_others_stay(shelf: Any, tmp_path: Path) -> None:
    results, page = shelf("results"), tmp_path / "results.md"
    page.write_text("# Results\n\n## Speed\n\n<!-- speed -->\nold\n<!-- speed -->\n")
    results.write_section(page, "Packing", "first")
    results.write_section(page, "Speed", "new")
    results.write_section(page, "Packing", "second")
    assert page.read_text() == (
        "# Results\n\n## Speed\n\n<!-- speed -->\nnew\n<!-- speed -->\n"
        "\n## Packing\n\n<!-- packing -->\nsecond\n<!-- packing -->\n"
    )


def test_packing_is_told_in_two_tables(
    shelf: Any, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    packing, month = shelf("packing"), tmp_path / "month.csv"
    write_lifetimes(synthetic_month(seed=0).rows(0, 400), month)
    page = tmp_path / "results.md"
    page.write_text("# Results\n")
    packing.main(month, page)
    told = capsys.readouterr().out
    assert told.split("\n\n")[1] in page.read_text()
    rows = [line.split(" | ") for line in told.splitlines() if line.startswith("| worst-fit")]
    spread, used_first = float(rows[0][3].strip(" |").split()[0]), float(rows[0][2])
    assert 1.0 <= used_first < spread  # worst fit opens every server, unless it may not
    with pytest.raises(TraceError, match="absent: give --trace"):
        packing.main(tmp_path / "nowhere.csv")
