"""The family of data sets, built twice: by processes here, and on Ray while workers are killed.

python benchmarks/family.py                                   # the figures in Markdown
python benchmarks/family.py --write benchmarks/results.md     # and into the results

Both have to come to the same bytes. Ten minutes and 4 GB in a temporary folder;
`--recipe recovering` builds one scenario's six sets alone.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import tyro
from results import measured_at, write_section

from vmagent_marl.episodes.storage.minari_format import FILE, sha256_of

KILL_EVERY = 12.0  # s
KILLS = 4  # a call is begun anew three times at most, and one may be hit again and again


def main(recipe: str | None = None, write: Path | None = None) -> None:
    """Build, kill, compare.

    Args:
        recipe: a file of recipes in the place of all.
        write: file of results to write the section into.
    """
    what = ["--all"] if recipe is None else ["--recipe", recipe]
    with tempfile.TemporaryDirectory() as folder:
        here, on_ray = Path(folder) / "here", Path(folder) / "ray"
        seconds, _ = build(here, [*what, "--workers", "2"], kills=0)
        seconds_on_ray, killed = build(on_ray, [*what, "--ray", "local"], kills=KILLS)
        digests, others = dict(files(here)), dict(files(on_ray))
        size = sum(file.stat().st_size for file in here.rglob(FILE))
        if digests != others:
            unlike = sorted(name for name in digests if digests[name] != others.get(name))
            sys.exit(f"not the same: {', '.join(unlike) or 'sets are missing'}")
        rows = [
            "| | |",
            "|---|---|",
            f"| data sets | {len(digests)}, {size / 1e9:.2f} GB |",
            f"| by two processes | {seconds:.0f} s |",
            f"| on Ray, {killed} workers killed | {seconds_on_ray:.0f} s |",
            f"| sha256 of all files | the same {len(digests)} |",
        ]
    text = "\n".join([measured_at(), "", *rows])
    print(text)
    if write is not None:
        write_section(write, "The family, built twice", text)


def build(home: Path, options: list[str], *, kills: int) -> tuple[float, int]:
    """Run `collect` with Minari's folder at `home`: its seconds, and how many workers died."""
    began, killed = time.monotonic(), 0
    command = [sys.executable, "-m", "vmagent_marl.cli.main", "collect", *options, "--quiet"]
    environment = {**os.environ, "MINARI_DATASETS_PATH": str(home)}
    with subprocess.Popen(command, env=environment, stdout=subprocess.DEVNULL) as run:
        while run.poll() is None:
            try:
                run.wait(KILL_EVERY)
            except subprocess.TimeoutExpired:
                killed += killed < kills and kill_a_worker()
        if run.returncode:
            sys.exit(f"collect ended with {run.returncode}")
    return time.monotonic() - began, killed


def kill_a_worker() -> bool:
    """SIGKILL for the youngest process that does work for Ray."""
    found = subprocess.run(["pgrep", "-n", "-f", "^ray::"], capture_output=True, text=True)
    if not found.stdout.strip():
        return False
    os.kill(int(found.stdout), signal.SIGKILL)
    return True


def files(home: Path) -> Iterator[tuple[str, str]]:
    """Every data set below a folder, and its digest."""
    for file in sorted(home.rglob(FILE)):
        yield str(file.parent.parent.relative_to(home)), sha256_of(file)


if __name__ == "__main__":
    tyro.cli(main)
