"""`vmagent-marl dataset`, as people type it."""

from __future__ import annotations

from pathlib import Path

import minari
import pytest

from vmagent_marl.cli.main import main
from vmagent_marl.episodes import collect, recipe_for
from vmagent_marl.episodes.collecting import reference
from vmagent_marl.episodes.storage.minari_format import FILE, dataset_folder

NAME = "vmagent/region-prices/accept-always-v0"


@pytest.fixture(autouse=True)
def recorded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MINARI_DATASETS_PATH", str(tmp_path / "minari"))
    monkeypatch.setenv("COLUMNS", "160")
    monkeypatch.setattr(reference, "FEWEST", 2)
    monkeypatch.setattr(reference, "TRANSITIONS", 200)
    collect(
        recipe_for(
            "region-prices",
            "accept-always",
            behaviour="accept-always",
            episodes=2,
            fields={"servers": 2, "horizon": 10},
        ),
        progress=False,
    )


def fails(capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[str, str]:
    """What a command says that fails, and its one error."""
    with pytest.raises(SystemExit) as end:
        main(["dataset", *arguments])
    assert end.value.code == 1
    told = capsys.readouterr()
    (error,) = told.err.strip().splitlines()
    assert error.startswith("error: ")
    return told.out, error


def test_a_whole_data_set(capsys: pytest.CaptureFixture[str]) -> None:
    main(["dataset", "verify", NAME])
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == 11
    assert all(line.startswith("ok ") for line in lines)
    assert "20 transitions of 3 agents" in lines[2]


def test_a_damaged_data_set(capsys: pytest.CaptureFixture[str]) -> None:
    file = dataset_folder(NAME) / "data" / FILE
    content = bytearray(file.read_bytes())
    content[-1] ^= 1
    file.write_bytes(bytes(content))
    out, error = fails(capsys, "verify", NAME, "--quiet")
    assert out.startswith("FAILED  checksum")
    assert "(checksum" in error
    assert "record it anew with --overwrite, or download it again" in error


def test_list_and_show(capsys: pytest.CaptureFixture[str]) -> None:
    main(["dataset", "list"])
    out = capsys.readouterr().out
    assert f"{NAME}  2 episodes, 20 transitions" in out
    assert "scenario region-prices, window train" in out
    main(["dataset", "show", NAME])
    out = capsys.readouterr().out
    for told in ("How it was made", "Reference scores", "20 of 3 agents", "accept-always"):
        assert told in out
    assert "did you mean" in fails(capsys, "show", "vmagent/region-prices/accept-v0")[1]


def test_export(capsys: pytest.CaptureFixture[str]) -> None:
    main(["dataset", "export", NAME, "--to", "torchrl"])
    made = "vmagent/region-prices/accept-always-torchrl-v0"
    assert capsys.readouterr().out.split() == [made]
    main(["dataset", "export", NAME, "--to", "agents"])
    assert len(capsys.readouterr().out.split()) == 3
    assert "--overwrite" in fails(capsys, "export", NAME, "--to", "torchrl")[1]
    main(["dataset", "export", NAME, "--to", "torchrl", "--overwrite", "--quiet"])
    main(["dataset", "list"])
    assert f"from {NAME}" in capsys.readouterr().out
    main(["dataset", "show", made])
    assert NAME in capsys.readouterr().out
    assert "verify its source" in fails(capsys, "verify", made)[1]


def test_nothing_yet(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    capsys.readouterr()
    monkeypatch.setenv("MINARI_DATASETS_PATH", str(tmp_path / "empty"))
    main(["dataset", "list"])
    assert "collect" in capsys.readouterr().out
    assert minari.list_local_datasets() == {}
