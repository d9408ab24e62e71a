"""The page of algorithms: whatever programs and learners there are, out of their docstrings."""

from __future__ import annotations

import re
from pathlib import Path

from places_of_pages import ROOT, relink
from prose import arguments, docstring, prose, table

OFFLINE = ROOT / "offline"
ONLINE = ROOT / "vmagent_marl" / "train" / "online"
# The paper, or the sources: every algorithm's docstring has a list of its own for it.
DIFFERS = re.compile(r"^Differences from .*:$", re.MULTILINE)

ABOUT = {
    "Online": [
        "These learn while they play, in the simulator's batches. Each is an agent of one command, "
        "which goes on where a killed run stopped:",
        "```sh\nvmagent-marl train --agent dqn --scenario fading --steps 20000 --out runs/dqn\n"
        "vmagent-marl train --agent dqn --help    # its settings\n```",
    ]
}


def algorithm_files() -> dict[str, list[Path]]:
    """By heading, the files that are an algorithm each: those that tell what differs from where."""
    shelves = {"Offline": OFFLINE, "Online": ONLINE}
    return {
        heading: [file for file in sorted(shelf.glob("*.py")) if DIFFERS.search(docstring(file))]
        for heading, shelf in shelves.items()
    }


def algorithm_page() -> str:
    """Each with its source, its differences from the paper, and its arguments."""
    readme = (OFFLINE / "README.md").read_text(encoding="utf-8")
    parts = [
        "# Algorithms",
        relink(readme, "offline/README.md", "algorithms.md").partition("\n")[2],
    ]
    for heading, files in algorithm_files().items():
        if files:
            parts += [f"## {heading}", *ABOUT.get(heading, [])]
        for file in files:
            first, _, rest = docstring(file).partition("\n\n")
            name, colon, about = first.partition(": ")
            about = f"{about[0].upper()}{about[1:]}" if colon else first
            parts += [f"### {name if colon else file.stem}", f"`{_place(file)}`. {about}"]
            parts.append(prose(rest))
            rows = [
                (f"`--{field.replace('_', '-')}`", f"`{kind}`", f"`{default}`", text)
                for field, kind, default, text in arguments(file)
            ]
            if rows:
                parts.append(table(("argument", "type", "default", "meaning"), rows))
    return "\n\n".join([*parts, ""])


def _place(file: Path) -> str:
    return file.relative_to(ROOT).as_posix()
