"""`vmagent-marl collect --recipe` and `--all`, as people type them, on a small shelf."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from vmagent_marl import catalog
from vmagent_marl.cli.main import main
from vmagent_marl.episodes import collect
from vmagent_marl.episodes.collecting import family, reference
from vmagent_marl.episodes.storage.minari_format import own_metadata

SHELF = {
    "tiny": """
scenario: tiny
episodes: 3
tiers:
  random:
    description: Chance.
    policies: [{name: random}]
  expert:
    description: First fit.
    policies: [{name: first-fit}]
""",
    "small": """
scenario: region-prices
episodes: 2
fields: {servers: 2, horizon: 30}
tiers:
  greedy: {description: Take all., policies: [{name: accept-always}]}
""",
}
NAMES = [f"vmagent/{name}-v0" for name in ("region-prices/greedy", "tiny/random", "tiny/expert")]
VMS = "vmid,cpu,mem,at,lt\n" + "".join(f"{i},{1 + i % 4},{2 + i % 4},{i},50\n" for i in range(300))


@pytest.fixture(autouse=True)
def shelf(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder of a shelf of three recipes."""
    folder, real = tmp_path / "shelf", catalog.shelf
    folder.mkdir()
    for name, text in SHELF.items():
        (folder / f"{name}.yaml").write_text(text)
    monkeypatch.setattr(catalog, "shelf", lambda name: folder if name == "datasets" else real(name))
    monkeypatch.setenv("MINARI_DATASETS_PATH", str(tmp_path / "minari"))
    monkeypatch.setattr(reference, "FEWEST", 2)
    monkeypatch.setattr(reference, "TRANSITIONS", 200)
    return folder


def told(capsys: pytest.CaptureFixture[str], *arguments: str) -> list[str]:
    """The lines of a command that goes well."""
    main(["collect", "--quiet", *arguments])
    return capsys.readouterr().out.splitlines()


def refused(capsys: pytest.CaptureFixture[str], *arguments: str) -> str:
    """The one line of a command that does not."""
    with pytest.raises(SystemExit) as end:
        main(["collect", "--quiet", *arguments])
    assert end.value.code == 1
    (line,) = capsys.readouterr().err.strip().splitlines()
    return line


def table(lines: list[str]) -> dict[str, list[str]]:
    """What stands beside each id below the headings."""
    (start,) = [i for i, line in enumerate(lines) if line.startswith("data set ")]
    assert lines[start].split() == ["data", "set", "transitions", "MB", "return", "score", "s"]
    rows = [line.split() for line in lines[start + 1 :] if line.startswith("vmagent/")]
    return {name: cells for name, *cells in rows}


def test_all_makes_what_is_missing_and_ends_in_a_table(capsys: pytest.CaptureFixture[str]) -> None:
    lines = told(capsys, "--all")
    assert lines[:3] == NAMES
    rows = table(lines)
    assert list(rows) == NAMES
    for name, (transitions, megabytes, mean, sign, sd, score, seconds) in rows.items():
        held = own_metadata(name)["statistics"]
        assert int(transitions.replace(",", "")) == held["transitions"]
        assert float(megabytes) < 1
        assert float(mean.replace(",", "")) == pytest.approx(held["return_mean"], rel=1e-3)
        assert sign == "±"
        assert float(sd.replace(",", "")) == pytest.approx(held["return_sd"], rel=1e-3)
        assert score == "undefined" or re.fullmatch(r"-?\d\.\d{3}", score)
        assert float(seconds) > 0
    again = told(capsys, "--all")
    assert again[:3] == [f"{name}: there already, unchanged" for name in NAMES]
    assert [cells[-1] for cells in table(again).values()] == ["-"] * 3


def test_all_goes_on_where_it_was_stopped(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    made: list[str] = []

    def stopped(*arguments: object, **options: object) -> str:
        if made:
            raise KeyboardInterrupt
        made.append(collect(*arguments, **options))  # type: ignore[arg-type]  # as it was called
        return made[-1]

    monkeypatch.setattr(family, "collect", stopped)
    with pytest.raises(SystemExit) as end:
        main(["collect", "--all", "--quiet"])
    assert end.value.code == 130
    said = capsys.readouterr()
    assert said.out.splitlines() == NAMES[:1]
    assert said.err.strip() == "interrupted: the same command again goes on"
    monkeypatch.setattr(family, "collect", collect)
    assert told(capsys, "--all")[:3] == [f"{NAMES[0]}: there already, unchanged", *NAMES[1:]]


def test_a_recipe_that_has_changed_is_replaced_only_on_demand(
    capsys: pytest.CaptureFixture[str], shelf: Path
) -> None:
    told(capsys, "--all")
    file = shelf / "tiny.yaml"
    file.write_text(SHELF["tiny"].replace("first-fit", "best-fit"))
    assert "tiny/expert-v0: there already, by another recipe" in refused(capsys, "--all")
    assert "give overwrite=True (--overwrite)" in refused(capsys, "--recipe", "tiny/expert")
    lines = told(capsys, "--all", "--overwrite")
    assert lines[:3] == [*(f"{name}: there already, unchanged" for name in NAMES[:2]), NAMES[2]]
    assert own_metadata(NAMES[2])["policies"] == ["best-fit"]


def test_a_recipe_a_file_or_a_path_of_either(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    mine = tmp_path / "mine.yaml"
    mine.write_text(SHELF["tiny"].replace("expert:", "packed:"))
    assert told(capsys, "--recipe", "tiny/expert") == NAMES[2:]
    assert told(capsys, "--recipe", "tiny")[:2] == [
        NAMES[1],
        f"{NAMES[2]}: there already, unchanged",
    ]
    assert told(capsys, "--recipe", f"{mine}/packed") == ["vmagent/tiny/packed-v0"]
    assert list(table(told(capsys, "--recipe", str(mine)))) == [NAMES[1], "vmagent/tiny/packed-v0"]


def test_a_family_on_another_trace(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    trace = tmp_path / "vms.csv"
    trace.write_text(VMS)
    assert told(capsys, "--all", "--trace", str(trace))[:3] == NAMES
    for name in NAMES:
        assert own_metadata(name)["trace"]["name"] == "vms"
    assert "by another recipe" in refused(capsys, "--all")  # on the trace of the recipes
    error = refused(capsys, "--all", "--trace", "nowhere.csv")
    assert error.startswith("error: ")
    assert "nowhere.csv" in error


def test_a_card_for_one_and_a_page_a_scenario_for_several(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    card, pages = tmp_path / "card.md", tmp_path / "cards"
    assert told(capsys, "--recipe", "tiny/expert", "--card", str(card))[-1] == str(card)
    assert card.read_text().startswith(f"# {NAMES[2]}\n")
    files = told(capsys, "--all", "--card", str(pages))[-2:]
    assert files == [str(pages / "region-prices.md"), str(pages / "tiny.md")]
    assert "| `random` | 3 |" in (pages / "tiny.md").read_text()
    assert "is a file, and there are 3 data sets" in refused(capsys, "--all", "--card", str(card))


def test_what_does_not_go_together_is_one_line(capsys: pytest.CaptureFixture[str]) -> None:
    assert "--policy, --seed: the recipe decides" in refused(
        capsys, "--all", "--policy", "random", "--seed", "0"
    )
    assert "leave out --recipe" in refused(capsys, "--all", "--recipe", "tiny")
    assert "--replay or --all" in refused(capsys)
    assert refused(capsys, "--recipe", "tiny/exprt") == (
        "error: unknown recipe 'tiny/exprt': did you mean 'tiny/expert'?"
    )


def test_list_shows_every_recipe(capsys: pytest.CaptureFixture[str]) -> None:
    main(["list"])
    recipes = capsys.readouterr().out.partition("Recipes")[2].partition("Programs")[0]
    for line in ("tiny/random   Chance.", "tiny/expert   First fit.", "small/greedy  Take all."):
        assert line in recipes


def test_a_broken_file_stops_everything_before_anything_is_made(
    capsys: pytest.CaptureFixture[str], shelf: Path
) -> None:
    (shelf / "zebra.yaml").write_text("scenario: tiny\nepisodes: 3\ntiers:\n  a: {polices: []}\n")
    assert "zebra.yaml:4: tiers.a: unknown key 'polices': did you mean 'policies'" in refused(
        capsys, "--all"
    )
    assert not (shelf.parent / "minari").exists()
