"""The page of results, and the benchmark of packing on a month that is small."""

from __future__ import annotations

import importlib
import json
from pathlib import Path
from typing import Any

import pytest
from places import ROOT, real_trace

from vmagent_marl.errors import TraceError
from vmagent_marl.evaluation.demand import demand_of
from vmagent_marl.scenario import load_scenario
from vmagent_marl.sim import Episode
from vmagent_marl.trace import NEVER, synthetic_month, write_lifetimes, write_trace
from vmagent_marl.trace.synthetic.statistics import month_statistics


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


def test_scenarios_are_told_by_month_and_window(
    shelf: Any, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    scenarios, month = shelf("scenarios"), tmp_path / "month.csv"
    write_lifetimes(synthetic_month(seed=0).rows(0, 3000), month)
    region = tmp_path / "mine.yaml"
    region.write_text(
        "clusters: 2\nservers: 2\nhalve: {resource: memory, above: 64}\nhome: random\n"
        "power: 0.3\nsummaries: coarse\nreward: profit\nhorizon: 100\n"
    )
    page = tmp_path / "results.md"
    page.write_text("# Results\n")
    scenarios.main((str(region),), month, 3, page)
    told = capsys.readouterr().out
    rows = {
        line.split(" | ")[0].strip("| "): line.strip("|").split(" | ")[1:]
        for line in told.splitlines()
        if line.startswith("| ")
    }
    assert set(rows["mine: profit share"][0].split(", ")) == {"synthetic", "validation"}
    assert len(rows["load"]) == len(rows["bound"]) == len(rows["accept-always"]) == 4
    for column, bound in enumerate(rows["bound"]):
        best = [row[column] for row in rows.values() if row[column].startswith("**")]
        assert len(best) == 1
        assert float(best[0].strip("* ")) <= float(bound.strip(" |"))
    assert told.split("\n\n")[1] in page.read_text()


def test_load_is_what_is_asked_for(shelf: Any, tmp_path: Path) -> None:
    """Of 8 servers' vCPU one VM asks for 10 %, and for the second half another for 20 %."""
    scenarios, month = shelf("scenarios"), tmp_path / "month.csv"
    month.write_text("vmid,cpu,mem,at,lt\n0,8,8,0,\n1,16,8,50,\n2,1,1,100,5\n3,1,1,200,5\n")
    scenario = load_scenario("recovering", trace=month, servers=1, turned_away="count", horizon=2)
    demand = demand_of(scenario, scenario.load_trace(), Episode(0))
    assert scenarios.asked_at(demand) == pytest.approx([0.1, 0.3, 0.3, 0.3])


def test_stale_summaries_and_hints_are_told_beside_a_pool(shelf: Any, tmp_path: Path) -> None:
    scenarios, month = shelf("scenarios"), tmp_path / "month.csv"
    write_lifetimes(synthetic_month(seed=0).rows(0, 16_000), month)
    stale = scenarios.stale_table(str(month)).splitlines()
    assert [line.split(" | ")[0] for line in stale[2:]] == [
        "| one pool of 40 servers",
        "| 1 try, accept-always",
        "| 2 tries, accept-always",
        "| 8 tries, accept-always",
    ]
    pool, once, _, often = (
        [float(c.split(" %")[0]) for c in s.split(" | ")[1:]] for s in stale[2:]
    )
    assert min(once) > pool[0]
    assert max(often) < max(once)
    hints = scenarios.hints_table({"small": str(month)}, 2).splitlines()
    over = {line.split(" | ")[0][2:]: line.strip("| ").split(" | ")[1:] for line in hints}
    assert float(over["nilas"][0]) < float(over["first-fit"][0])
    assert len(set(over["first-fit"])) == 1  # which reads no hints


def test_synthetic_months_are_told_in_a_table(shelf: Any, tmp_path: Path) -> None:
    synthetic, page = shelf("synthetic"), tmp_path / "results.md"
    month = synthetic_month(days=9, seed=5)
    even, odd = (synthetic.days_of(month, odd) for odd in (False, True))
    assert len(even) + len(odd) == len(month)
    assert (int(even.arrival[-1]) // 86_400, int(odd.arrival[-1]) // 86_400) == (4, 3)
    assert {NEVER} < set(even.departure.tolist())
    file = tmp_path / "month.h5"
    write_trace(month, file)
    page.write_text("# Results\n")
    synthetic.main(file, seeds=2, write=page)
    told = page.read_text()
    assert "| lifetimes, Kolmogorov-Smirnov | 0." in told
    assert told.count("\n|") == 12


def test_the_month_is_measured_again(
    shelf: Any, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A little is enough to see that what comes out is what the package holds, nearly."""
    measure, out = shelf("measure_month"), tmp_path / "statistics.json"
    measure.main(Path(real_trace()), out, rounds=1, seeds=2)
    found, held = json.loads(out.read_text()), month_statistics().raw
    assert list(found) == list(held)
    told = capsys.readouterr().out
    for name in ("bursts_per_day", "day", "busy_hour", "lt_q", "p0"):
        assert 0 < measure.difference(held[name], found[name]) < 0.1
        assert name in told
    write_lifetimes(synthetic_month(days=32), tmp_path / "other.csv")
    with pytest.raises(SystemExit, match="'other' is not the month that is measured here"):
        measure.main(tmp_path / "other.csv")
