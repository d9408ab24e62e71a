"""What of the repository stands where on the site, and links between the two."""

from __future__ import annotations

import posixpath
import re
from pathlib import Path

ROOT = Path(__file__).parents[2]

# Pages that are read elsewhere in the repository too: where they are, and their place on the site.
SHARED = {
    "benchmarks/results.md": "results.md",
    "benchmarks/costs.svg": "costs.svg",
    "scenarios/README.md": "scenarios/format.md",
    "datasets/README.md": "recipes.md",
    "checkpoints/README.md": "checkpoints/index.md",
    "collectors/README.md": "collectors.md",
    "vmagent_marl/adapters/README.md": "libraries.md",
    "CONTRIBUTING.md": "contributing.md",
    "CHANGELOG.md": "changelog.md",
}
# Files and folders that the site has a page on, and links to which lead there.
MADE = {
    "offline": "algorithms.md",
    "offline/README.md": "algorithms.md",
    "scenarios": "scenarios/index.md",
    "vmagent_marl/policies": "heuristics.md",
    "vmagent_marl/adapters": "libraries.md",
}

_FENCE = re.compile(r"^(```.*?^```)", re.MULTILINE | re.DOTALL)
_LINK = re.compile(r"(!?)\[([^\]]*)\]\(([^()\s]+)\)")


def cards() -> list[Path]:
    """The cards of data sets, by name."""
    return sorted((ROOT / "datasets" / "cards").rglob("*.md"))


def policy_cards() -> list[Path]:
    """The cards of trained policies, by name."""
    shelf = ROOT / "checkpoints"
    return [card for card in sorted(shelf.glob("*.md")) if card.name != "README.md"]


def card_page(card: Path) -> str:
    """Where a card stands on the site."""
    if card.parent == ROOT / "checkpoints":
        return f"checkpoints/{card.name}"
    return f"cards/{card.relative_to(ROOT / 'datasets' / 'cards').as_posix()}"


def site_places() -> dict[str, str]:
    """Path in the repository to place on the site, of all that is on both."""
    shared = {
        card.relative_to(ROOT).as_posix(): card_page(card) for card in [*cards(), *policy_cards()]
    }
    for file in (ROOT / "scenarios").glob("*.yaml"):
        shared[f"scenarios/{file.name}"] = f"scenarios/{file.stem}.md"
    return shared | SHARED | MADE


def relink(text: str, origin: str, page: str) -> str:
    """Links of a file of the repository, as they are from its page on the site.

    What is not on the site is named instead.
    """
    places, folder = site_places(), posixpath.dirname(origin)

    def link(found: re.Match[str]) -> str:
        mark, words, target = found.groups()
        path, hash_mark, anchor = target.partition("#")
        if not path or re.match(r"[a-z]+:", path):
            return found[0]
        there = posixpath.normpath(posixpath.join(folder, path))
        place = places.get(there)
        if place is None and there.startswith("docs/") and (ROOT / there).is_file():
            place = there.removeprefix("docs/")
        if place is None:
            return words if words.strip("`") == there else f"{words} (`{there}`)"
        near = posixpath.relpath(place, posixpath.dirname(page) or ".")
        return f"{mark}[{words}]({near}{hash_mark}{anchor})"

    parts = _FENCE.split(text)
    return "".join(part if part.startswith("```") else _LINK.sub(link, part) for part in parts)
