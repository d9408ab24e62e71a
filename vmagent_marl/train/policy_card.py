"""The card of a published policy, in Markdown: what it is, how it was made, what it is good for."""

from __future__ import annotations

import hashlib
import json
import math
import platform
import shlex
import subprocess
from collections.abc import Iterator
from pathlib import Path

from vmagent_marl import __version__
from vmagent_marl.episodes.collecting.histogram import readable
from vmagent_marl.episodes.collecting.intervals import Estimate
from vmagent_marl.episodes.storage.versions import version_of
from vmagent_marl.evaluation import Scores
from vmagent_marl.evaluation.title import changed_fields
from vmagent_marl.settings import read_changes
from vmagent_marl.trace.source import SYNTHETIC
from vmagent_marl.train.command import command_line, train_words
from vmagent_marl.train.publishing import Published

VERSIONS = ("torch", "numpy", "numba")
UNITS = {"return": "mean return", "profit share": "profit share", "wait_s": "seconds of waiting"}


def card_of(published: Published) -> str:
    """The card; the line below its heading is what `vmagent-marl list` shows."""
    parts = [
        f"# {published.name}",
        _in_a_line(published),
        "\n".join(["| | |", "|---|---|", *(f"| {key} | {told} |" for key, told in _is(published))]),
        _trained(published),
        _scores(published.scores, published.name),
        _how_to_play(published),
    ]
    return "\n\n".join(parts) + "\n"


def _in_a_line(published: Published) -> str:
    scores, name = published.scores, published.name
    unit = UNITS[scores.score]
    told = f"{published.policy.training.algorithm} on `{published.scenario.name}`: {unit} "
    told += f"{readable(scores.estimate(name).value)} on test"
    best = scores.reference
    if best is None:
        return f"{told}."
    return f"{told}, the best heuristic's ({best}) {readable(scores.estimate(best).value)}."


def _is(published: Published) -> Iterator[tuple[str, str]]:
    policy, scenario, chosen = published.policy, published.scenario, published.chosen
    training, shape = policy.training, policy.network.shape
    changes = ", ".join(
        f"{key}={json.dumps(value)}" for key, value in changed_fields(scenario).items()
    )
    plays = f"{training.clusters} x {training.servers} servers"
    if shape.over_servers:
        plays += ", and clusters of any other number of servers"
    size = f"hidden {' x '.join(map(str, shape.hidden))}"
    if shape.types:
        size = f"{len(shape.types)} types of VM"
    parameters = sum(weights.numel() for weights in policy.network.parameters())
    yield (
        "scenario",
        f"`{scenario.name}`{f' ({changes})' if changes else ''}: {scenario.description}",
    )
    yield "plays", plays
    yield "algorithm", training.algorithm
    yield "network", f"`{shape.kind}`, {size}, {parameters:,} parameters"
    yield "learned from", _learned_from(published)
    yield "seed", str(published.config.get("seed"))
    yield "steps", f"{chosen.steps:,}; this is the checkpoint of step {chosen.step:,}"
    yield (
        "chosen by",
        f"mean return {readable(chosen.mean_return)} on {_episodes(published)} of the validation "
        "window, the best of the run",
    )
    yield "size", f"{len(published.content):,} bytes"
    yield "sha256", f"`{hashlib.sha256(published.content).hexdigest()}`"
    versions = ", ".join(f"{package} {version_of(package)}" for package in VERSIONS)
    yield "made with", f"vmagent-marl {__version__} ({_commit()}), {versions}, {_machine()}"


def _learned_from(published: Published) -> str:
    scores, training = published.scores, published.policy.training
    embedded = published.scenario.trace == SYNTHETIC
    month = "the embedded synthetic month" if embedded else f"trace `{scores.trace}`"
    told = f"{month}, sha256 `{scores.fingerprint}`, window `train`"
    if not training.dataset:
        return told
    digests = published.config.get("sha256") or [None] * len(training.dataset)
    sets = [
        f"`{name}`{f' (sha256 `{digest}`)' if digest else ''}"
        for name, digest in zip(training.dataset, digests, strict=False)
    ]
    return f"{', '.join(sets)}, recorded on {told}"


def _episodes(published: Published) -> str:
    number = published.config.get("validation_episodes")
    return "episodes" if number is None else f"{number} episodes"


def _trained(published: Published) -> str:
    """The commands, or, of a program on a shelf, what it was told."""
    words = train_words(published.config)
    run = f"runs/{published.name}"
    publishing = f"vmagent-marl publish {run} --name {published.name}"
    if words is None:
        settings = json.dumps(published.config, indent=2)
        return f"## How it was trained\n\n```json\n{settings}\n```"
    lines = [command_line([*words, "--out", run]), publishing]
    return "\n".join(
        [
            "## How it was trained",
            "",
            "On a CPU; what is not named has this version's defaults.",
            "",
            "```sh",
            *lines,
            "```",
        ]
    )


def _scores(scores: Scores, name: str) -> str:
    best, better = scores.reference, "less" if scores.less_is_better else "more"
    told = (
        f"{UNITS[scores.score].capitalize()} of {len(scores.results[0].played)} episodes of the "
        f"{scores.where} of {scores.trace}, which had no say in its training; {better} is better. "
        f"*{name} less it* is the difference on the same episodes. Intervals are of 95 %, by "
        f"bootstrap over {scores.block_count} blocks of the trace."
    )
    if best is not None:
        told += f" `{best}` is the best heuristic on validation."
    rows = []
    for policy in scores.ranked:
        mine = policy == name
        less = "" if mine else _estimate(scores.difference(name, policy), "+")
        shown = f"**{policy}**" if mine else f"`{policy}`"
        rows.append(f"| {shown} | {_estimate(scores.estimate(policy))} | {less} |")
    head = [f"| policy | {scores.score} | {name} less it |", "|---|---|---|"]
    return "\n".join(["## What it reaches", "", told, "", *head, *rows])


def _estimate(estimate: Estimate, sign: str = "") -> str:
    def shown(value: float) -> str:
        plus = sign if value > 0 else ""
        return f"{plus}{readable(value)}"

    if math.isnan(estimate.low):
        return f"{shown(estimate.value)} (interval unknown)"
    return f"{shown(estimate.value)} ({shown(estimate.low)} to {shown(estimate.high)})"


def _how_to_play(published: Published) -> str:
    name, scenario, said = published.name, published.scenario, published.config
    played, fields = scenario.name, changed_fields(scenario)
    if "scenario" in said:  # as `train` was told, be it a file
        servers = {} if said["servers"] is None else {"servers": said["servers"]}
        played, fields = said["scenario"], servers | read_changes(said.get("set", ()))
    if isinstance(scenario.trace, str) and scenario.trace != SYNTHETIC:
        fields = {"trace": Path(scenario.trace).name, **fields}
    game = ["--scenario", played]
    if "trace" in fields:
        game += ["--trace", fields["trace"]]
    changes = [f"{key}={json.dumps(value)}" for key, value in fields.items() if key != "trace"]
    game += ["--set", *changes] if changes else []
    told = "".join(f", {key}={value!r}" for key, value in fields.items())
    return "\n".join(
        [
            "## How to play it",
            "",
            "By its name where it ships with the package, else by the path of its file:",
            "",
            "```sh",
            f"vmagent-marl evaluate {shlex.join(game)} --policy {name} first-fit --window test",
            f"vmagent-marl collect {shlex.join(game)} --policy {name} --epsilon 0.1",
            f"vmagent-marl view {shlex.join([f'{played}:{name}', *game[2:]])}",
            "```",
            "",
            "```python",
            "import vmagent_marl as vm",
            "",
            f'scenario = vm.load_scenario("{played}"{told})',
            f'print(vm.evaluate(scenario, ["{name}", "first-fit"], episodes=5).ranked)',
            "```",
        ]
    )


def _commit() -> str:
    """Of the checkout that this package is in, where it is in one."""
    folder = Path(__file__).parents[2]
    if not (folder / ".git").exists():
        return "no checkout"
    described = ["git", "-C", str(folder), "describe", "--always", "--dirty"]
    try:
        told = subprocess.run(described, capture_output=True, text=True, check=False).stdout
    except OSError:  # no git here
        told = ""
    return f"commit {told.strip() or 'unknown'}"


def _machine() -> str:
    """Python and the kind of CPU, which decide the last bits of what is learned."""
    kind = platform.processor() or platform.machine()
    about = Path("/proc/cpuinfo")
    if about.is_file():
        names = [line for line in about.read_text().splitlines() if line.startswith("model name")]
        kind = names[0].partition(":")[2].strip() if names else kind
    return f"Python {platform.python_version()}, {kind}"
