"""What MkDocs asks while it builds the site: pages that are made of the repository's own files.

So no page is older than what it tells of: scenarios, cards, heuristics, algorithms, public names.
"""

from __future__ import annotations

from typing import Any

from algorithm_page import algorithm_page
from api_pages import MODULES, api_page, api_place
from mkdocs.structure.files import File, Files
from places_of_pages import ROOT, SHARED, card_page, cards, policy_cards, relink
from policy_page import policy_page
from scenario_pages import scenario_files, scenario_index, scenario_page


def on_config(config: Any) -> Any:
    """Fill the parts of the navigation that depend on what there is."""
    scenarios = [f"scenarios/{file.stem}.md" for file in scenario_files()]
    filled = {
        "Scenarios": ["scenarios/index.md", *scenarios, {"The format": "scenarios/format.md"}],
        "Trained policies": [
            "checkpoints/index.md",
            *(card_page(card) for card in policy_cards()),
        ],
        "Cards": [card_page(card) for card in cards()],
        "API": [{module: api_place(module)} for module in MODULES],
    }
    _fill(config.nav, filled)
    return config


def on_files(files: Files, config: Any) -> Files:
    """Add what is made, and what stands elsewhere in the repository."""
    pages = {
        "scenarios/index.md": scenario_index(),
        "heuristics.md": policy_page(),
        "algorithms.md": algorithm_page(),
    }
    pages |= {f"scenarios/{file.stem}.md": scenario_page(file) for file in scenario_files()}
    pages |= {api_place(module): api_page(module) for module in MODULES}
    for card in [*cards(), *policy_cards()]:
        pages[card_page(card)] = _shared(card.relative_to(ROOT).as_posix(), card_page(card))
    for origin, place in SHARED.items():
        if place.endswith(".md"):
            pages[place] = _shared(origin, place)
        else:
            files.append(File.generated(config, place, abs_src_path=str(ROOT / origin)))
    for place, text in pages.items():
        files.append(File.generated(config, place, content=text))
    return files


def on_page_markdown(markdown: str, page: Any, **_: Any) -> str:
    """Links of the pages in `docs/` to the rest of the repository."""
    place = page.file.src_uri
    if page.file.generated_by is not None:
        return markdown
    return relink(markdown, f"docs/{place}", place)


def _shared(origin: str, place: str) -> str:
    return relink((ROOT / origin).read_text(encoding="utf-8"), origin, place)


def _fill(nav: list[Any], filled: dict[str, list[Any]]) -> None:
    for entry in nav:
        if not isinstance(entry, dict):
            continue
        for title, below in entry.items():
            if title in filled:
                entry[title] = filled.pop(title)
            elif isinstance(below, list):
                _fill(below, filled)
