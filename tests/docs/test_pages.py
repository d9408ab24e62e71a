"""What the pages show runs: README.md and every page in docs/, block by block."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from docs.blocks import Block, Reader, blocks
from places import ROOT

PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
ALONE = ("game",)  # what its blocks print is held too: tests/envs/test_game_page.py
SHOWN = [block for page in PAGES for block in blocks(page) if block.runs and page.stem not in ALONE]


@pytest.fixture(scope="module")
def readers() -> dict[Path, Reader]:
    return {}


@pytest.fixture
def reader(
    request: pytest.FixtureRequest,
    readers: dict[Path, Reader],
    tmp_path_factory: pytest.TempPathFactory,
    monkeypatch: pytest.MonkeyPatch,
) -> Iterator[Reader]:
    """Of the block's page, in the folder of all its blocks."""
    page: Path = request.node.callspec.params["block"].page
    if page not in readers:
        readers[page] = Reader(page, tmp_path_factory.mktemp(page.stem))
    monkeypatch.chdir(readers[page].folder)
    monkeypatch.setenv("MINARI_DATASETS_PATH", str(readers[page].folder / "minari"))
    monkeypatch.setenv("XDG_CACHE_HOME", str(readers[page].folder / "cache"))
    return readers[page]


def marked(block: Block) -> object:
    return pytest.param(block, id=str(block), marks=pytest.mark.xdist_group(block.page.stem))


@pytest.mark.filterwarnings("ignore")  # of the libraries
@pytest.mark.parametrize("block", [marked(block) for block in SHOWN])
def test_block(block: Block, reader: Reader) -> None:
    reader.run(block.number)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_no_block_that_could_run_is_passed_over(page: Path) -> None:
    """One of another language, or of none, holds no command of ours."""
    fences = re.findall(r"^```(\w*)\n(.*?)^```", page.read_text(encoding="utf-8"), re.S | re.M)
    for language, code in fences:
        assert language in ("python", "sh") or not re.search(r"^vmagent-marl ", code, re.M)
        assert language in ("python", "sh", "yaml", "text") or "import " not in code


def test_a_block_below_finds_what_those_above_it_made(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    page.write_text("```python\na = 2\n```\n\n```text\n4\n```\n\n```python\nb = a * a\n```\n")
    reader = Reader(page, tmp_path)
    reader.run(2)
    assert reader.names["b"] == 4
    reader.names["a"] = 0
    reader.run(0)  # was run already
    assert reader.names["a"] == 0


def test_what_fails_names_the_line_of_the_page(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    page.write_text(
        "# A page\n\n```python\na = 1\nb = a / 0\n```\n\n```sh\nvmagent-marl lisp\n```\n"
    )
    with pytest.raises(ZeroDivisionError) as error:
        Reader(page, tmp_path).run(0)
    assert error.traceback[-1].lineno + 1 == 5
    with pytest.raises(AssertionError, match="vmagent-marl lisp ended with 2"):
        Reader(page, tmp_path, read=1).run(1)


def test_what_is_not_installed_is_skipped_by_name(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    page.write_text("```python\nimport no_such_library.part\n```\n")
    with pytest.raises(pytest.skip.Exception, match="page:1 needs no_such_library"):
        Reader(page, tmp_path).run(0)
