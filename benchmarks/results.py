"""The page of results: each benchmark rewrites its own section and leaves the others alone."""

from __future__ import annotations

import os
import platform
import subprocess
from pathlib import Path

from vmagent_marl.files import replacing


def measured_at() -> str:
    """Commit, Python and machine, for the line above a table."""
    described = ["git", "describe", "--always", "--dirty"]
    here = Path(__file__).parent
    done = subprocess.run(described, cwd=here, capture_output=True, text=True, check=False)
    python, cores = platform.python_version(), os.cpu_count()
    return f"{done.stdout.strip()}, Python {python}, {cores} cores ({platform.machine()})"


def write_section(file: Path, title: str, text: str) -> None:
    """Put `text` between the marks `<!-- title -->`; a new section goes to the page's end."""
    mark = f"<!-- {title.lower()} -->"
    page = file.read_text(encoding="utf-8")
    if mark not in page:
        page = f"{page.rstrip()}\n\n## {title}\n\n{mark}\n{mark}\n"
    before, _, rest = page.partition(mark)
    _, _, after = rest.partition(mark)
    with replacing(file) as unfinished:
        unfinished.write_text(f"{before}{mark}\n{text.strip()}\n{mark}{after}", encoding="utf-8")
    print(file)
