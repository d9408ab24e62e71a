"""The site: it is built without a warning, tells of everything there is, and fetches nothing."""

from __future__ import annotations

import importlib.util
import os
import re
import subprocess
import sys
from html import unescape
from pathlib import Path

import pytest
from places import ROOT
from view.browser import rendered

from vmagent_marl import catalog
from vmagent_marl.policies import policy_names

pytestmark = [
    pytest.mark.xdist_group("site"),
    pytest.mark.skipif(
        importlib.util.find_spec("material") is None
        or importlib.util.find_spec("mkdocstrings") is None,
        reason='mkdocs-material or mkdocstrings is absent: pip install ".[docs]"',
    ),
]


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("site")
    done = subprocess.run(
        [sys.executable, "-m", "mkdocs", "build", "--strict", "--site-dir", folder],
        cwd=ROOT,
        env={**os.environ, "NO_MKDOCS_2_WARNING": "1"},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    assert "WARNING" not in done.stderr
    return folder


def text_of(page: Path) -> str:
    return unescape(re.sub(r"<[^>]+>", "", page.read_text(encoding="utf-8")))


def test_every_scenario_has_a_page_with_its_fields(site: Path) -> None:
    index = text_of(site / "scenarios" / "index.html")
    for name in catalog.names("scenarios"):
        page = text_of(site / "scenarios" / f"{name}.html")
        source = catalog.find("scenarios", name).read_text(encoding="utf-8")
        (description,) = re.findall(r"^description: (.*)$", source, re.MULTILINE)
        assert description in page
        assert description in index
        for key in re.findall(r"^(\w+):", source, re.MULTILINE):
            assert key == "description" or re.search(rf"\b{key}\b", page)
    assert "0.583" in text_of(
        site / "scenarios" / "region-sizes.html"
    )  # a result of cheapest-first


def test_every_field_of_a_scenario_has_a_meaning(site: Path) -> None:
    for name in catalog.names("scenarios"):
        html = (site / "scenarios" / f"{name}.html").read_text(encoding="utf-8")
        fields = html.split('id="fields"')[1].split("</table>")[0]
        meanings = re.findall(r"<td>(.*?)</td>\s*</tr>", fields, re.DOTALL)
        assert meanings
        assert all(meaning.strip() for meaning in meanings), name


def test_every_policy_program_and_card_is_told_of(site: Path) -> None:
    heuristics = text_of(site / "heuristics.html")
    for name in policy_names():
        assert name in heuristics
    algorithms = text_of(site / "algorithms.html")
    for program in catalog.names("offline"):
        if "Differences from" in catalog.find("offline", program).read_text(encoding="utf-8"):
            assert f"offline/{program}.py" in algorithms
    assert "Differences from the paper:" in algorithms
    assert "--learning-rate" in algorithms
    assert "SAC with action masks" in algorithms
    assert "online/replay.py" not in algorithms
    for card in (ROOT / "datasets" / "cards").rglob("*.md"):
        assert list(site.glob(f"cards/**/{card.stem}.html"))


def test_public_names_are_told_with_their_docstrings(site: Path) -> None:
    import vmagent_marl as vm

    page = (site / "api" / "vmagent-marl.html").read_text(encoding="utf-8")
    for name in vm.__all__:
        assert f'id="vmagent_marl.{name}"' in page
    assert "Play policies on the same episodes and score them." in unescape(page)


def test_columns_lists_and_examples_of_docstrings_keep_their_form(site: Path) -> None:
    envs = (site / "api" / "vmagent-marl-envs.html").read_text(encoding="utf-8")
    assert re.search(r"<td>Agents</td>\s*<td><code>cluster_0</code>", envs)
    algorithms = (site / "algorithms.html").read_text(encoding="utf-8")
    assert "<li>illegal actions are masked" in algorithms


def test_nothing_is_fetched_from_the_network(site: Path) -> None:
    """Links that a reader may follow are no such thing."""
    for page in site.rglob("*.html"):
        html = page.read_text(encoding="utf-8")
        assert not re.findall(r'<(?:script|img|iframe|source)[^>]*\bsrc="?(?:https?:)?//', html), (
            page
        )
        assert not re.findall(r'<link(?![^>]*rel="?canonical)[^>]*href="?(?:https?:)?//', html), (
            page
        )
    for style in site.rglob("*.css"):
        assert not re.findall(r"(?:url\(|@import)\s*[\"']?(?:https?:)?//", style.read_text("utf-8"))


def test_sources_of_pages_are_not_published(site: Path) -> None:
    assert not list(site.rglob("*.py"))
    assert not list(site.rglob("README*"))


def test_the_start_page_opens_from_its_folder(site: Path, tmp_path: Path) -> None:
    shown = rendered(site / "index.html", tmp_path / "profile")
    assert "Learn to schedule virtual machines" in shown
    for place in re.findall(r'<a href="([\w/-]+\.html)', shown):
        assert (site / place).is_file(), place


@pytest.mark.parametrize("page", sorted((ROOT / "docs").glob("*.md")), ids=lambda page: page.stem)
def test_links_of_the_pages_lead_somewhere_in_the_repository_and_on_the_site(
    page: Path, site: Path
) -> None:
    text = re.sub(r"^```.*?^```", "", page.read_text(encoding="utf-8"), flags=re.S | re.M)
    for words, target in re.findall(r"\[([^\]]*)\]\(([^()\s#]+)[^()]*\)", text):
        if not target.startswith("http"):
            assert (page.parent / target).exists(), target
            html = (site / f"{page.stem}.html").read_text(encoding="utf-8")
            plain = re.sub(r"`", "", words)
            shown = re.sub(r"</?code>", "", html)
            assert re.search(
                rf"<a href=[^>]*>\s*{re.escape(plain)}</a>|<img[^>]*{re.escape(target)}", shown
            )


def test_links_out_of_the_site_are_named_and_not_broken(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(ROOT / "docs" / "building")
    places = importlib.import_module("places_of_pages")
    told = "[a](../benchmarks/results.md#speed) [b](../Makefile) [c](game.md) [d](https://x.y/z)"
    wanted = "[a](results.md#speed) b (`Makefile`) [c](game.md) [d](https://x.y/z)"
    assert places.relink(told, "docs/traces.md", "traces.md") == wanted
    fenced = "```text\n[a](../Makefile)\n```"
    assert places.relink(fenced, "docs/traces.md", "traces.md") == fenced
    deep = places.relink("[x](../datasets/README.md)", "docs/a.md", "api/a.md")
    assert deep == "[x](../recipes.md)"
