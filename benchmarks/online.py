"""Whether a shipped policy comes out again: trained anew by its command, and compared.

python benchmarks/online.py                                   # the first of the shelf, in minutes
python benchmarks/online.py --policies recovering-dqn         # these
python benchmarks/online.py --write benchmarks/results.md     # and into the results

Same versions on the same kind of CPU give the same bytes. Elsewhere the last bits of sums differ,
play parts, and another policy is learned: then its score on the test window is what tells.
"""

from __future__ import annotations

import dataclasses
import shlex
import tempfile
import time
from pathlib import Path

import tyro
import yaml
from results import measured_at, write_section

from vmagent_marl import catalog
from vmagent_marl.cli.training import train_by
from vmagent_marl.cli.values import VALUES
from vmagent_marl.episodes.collecting.histogram import readable
from vmagent_marl.episodes.collecting.intervals import Estimate
from vmagent_marl.evaluation import ALL, Scores, evaluate
from vmagent_marl.policies.checkpoint import load_policy
from vmagent_marl.scenario import scenario_from
from vmagent_marl.train.publishing import EPISODES, shared_bytes

ANEW, SHIPPED = "trained anew", "as it ships"

NOTE = """\
Policies of `checkpoints/`, each trained anew by its line in `checkpoints/commands.yaml` on one
thread, and {episodes} episodes of the test window for it, for the policy that ships and for every
heuristic. *CPU*: minutes of the training; *bytes*: whether the file is the same as the one that
ships; then scores with 95 % intervals, *less*: the difference on the same episodes. The best
heuristic is chosen on validation."""


def main(
    policies: tuple[str, ...] = (),
    episodes: int = EPISODES,
    shelf: Path | None = None,
    traces: Path = Path(),
    write: Path | None = None,
) -> None:
    """Train, compare, tell.

    Args:
        policies: their names; the first of the shelf, if none.
        episodes: that each policy plays on the test window.
        shelf: the folder of the policies and their commands; `checkpoints`, if none.
        traces: where the files are that commands name as traces.
        write: the page of results, whose section is replaced.
    """
    folder = shelf or catalog.shelf("checkpoints")
    commands = yaml.safe_load((folder / "commands.yaml").read_text(encoding="utf-8"))
    rows = [
        "| policy | CPU | bytes | score | it scores | anew | anew less it | best heuristic "
        "| anew less that |",
        "|---|---:|---|---|---:|---:|---:|---|---:|",
    ]
    for name in policies or list(commands)[:1]:
        rows.append(row_of(name, with_traces(commands[name], traces), folder, episodes))
    text = "\n".join([f"{measured_at()}.", "", NOTE.format(episodes=episodes), "", *rows])
    print(text)
    if write is not None:
        write_section(write, "Shipped policies, trained anew", text)


def with_traces(command: str, traces: Path) -> list[str]:
    """The words of a command, its trace where it lies here."""
    words = shlex.split(command)
    if "--trace" in words:
        place = words.index("--trace") + 1
        words[place] = str(traces / words[place])
    return words


def row_of(name: str, words: list[str], shelf: Path, episodes: int) -> str:
    """Train a policy anew and tell it beside the one that ships."""
    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder) / name
        began = time.process_time()
        with VALUES:
            train_by([*words, "--device", "cpu", "--out", str(out), "--compare", "no"])
        minutes = (time.process_time() - began) / 60
        anew = load_policy(out / "policy.pt")
        same = shared_bytes(out / "policy.pt") == (shelf / f"{name}.pt").read_bytes()
    shipped = dataclasses.replace(load_policy(shelf / f"{name}.pt"), name=SHIPPED)
    players = [dataclasses.replace(anew, name=ANEW), shipped, ALL]
    scores = evaluate(
        scenario_from(anew.training.scenario), players, windows="test", episodes=episodes
    )
    cells = [f"`{name}`", f"{minutes:.1f} min", "the same" if same else "others", scores.score]
    return f"| {' | '.join([*cells, *compared(scores)])} |"


def compared(scores: Scores) -> list[str]:
    """Scores of both, their difference, and the best heuristic with the difference from it."""
    best = scores.reference
    assert best is not None  # all heuristics play
    return [
        told(scores.estimate(SHIPPED)),
        told(scores.estimate(ANEW)),
        told(scores.difference(ANEW, SHIPPED)),
        f"`{best}` {told(scores.estimate(best))}",
        told(scores.difference(ANEW, best)),
    ]


def told(estimate: Estimate) -> str:
    """A figure with its interval."""
    return f"{readable(estimate.value)} ({readable(estimate.low)} to {readable(estimate.high)})"


if __name__ == "__main__":
    tyro.cli(main)
