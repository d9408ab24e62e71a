"""A page for each scenario on the shelf, out of its YAML file and the results of benchmarks."""

from __future__ import annotations

import re
from pathlib import Path

import yaml
from places_of_pages import ROOT
from prose import table

SHELF = ROOT / "scenarios"
HEAD = re.compile(r"^\| ([\w-]+)[:,] .*\|$")  # of a table of results, which begins with a name


def scenario_files() -> list[Path]:
    """In the order of their names."""
    return sorted(SHELF.glob("*.yaml"))


def scenario_index() -> str:
    """All of them, a line each."""
    rows = []
    for file in scenario_files():
        data = yaml.safe_load(file.read_text(encoding="utf-8"))
        name = f"[`{file.stem}`]({file.stem}.md)"
        size = f"{data.get('clusters', 1)} x {_plain(data['servers'])}"
        rows.append((name, size, _reward(data), data["description"]))
    return "\n\n".join(
        [
            "# Scenarios",
            "A scenario says what is played: clusters and servers, where VMs go that nobody takes, "
            "what is paid. Each is a YAML file; every field can be replaced on the command line "
            "(`--set servers=20`) and in Python (`load_scenario(name, servers=20)`). "
            "[The format](format.md) lists the fields and tells how to add one.",
            table(("scenario", "clusters x servers", "reward", "what is played"), rows),
            "All play on the embedded synthetic month unless told otherwise, and on any "
            "[trace](../traces.md). How all rules do is told scenario by scenario, and in one "
            "place in the [results](../results.md#scenarios).",
        ]
    )


def scenario_page(file: Path) -> str:
    """What it is for, its fields with what they mean, and how rules do in it."""
    source = file.read_text(encoding="utf-8")
    data, meaning = yaml.safe_load(source), _meanings()
    header = [line.removeprefix("#").strip() for line in _header(source)]
    rows = [
        (f"`{key}`", f"`{_plain(value)}`", meaning.get(key, ""))
        for key, value in data.items()
        if key != "description"
    ]
    camel = "".join(part.capitalize() for part in file.stem.split("-"))
    parts = [
        f"# {file.stem}",
        data["description"],
        " ".join(header),
        "## Fields",
        table(("field", "here", "meaning"), rows),
        "Fields that are not named have the [defaults](format.md).",
        "## Play it",
        "```python\nimport vmagent_marl as vm\n",
        f'env = vm.parallel_env("{file.stem}", seed=0)\n```',
        f"In Gymnasium it is `vmagent_marl/{camel}-v0`; on the command line:",
        f"```sh\nvmagent-marl evaluate --scenario {file.stem} --policy all\n```",
    ]
    found = results_of(file.stem)
    if found:
        parts += ["## How rules do", *found, "What columns mean stands in the "
                  "[results](../results.md#scenarios)."]  # fmt: skip
    return "\n\n".join([*parts, ""])


def results_of(name: str) -> list[str]:
    """The tables of `benchmarks/results.md` whose head begins with a scenario's name."""
    text = (ROOT / "benchmarks" / "results.md").read_text(encoding="utf-8")
    tables = [part for part in text.split("\n\n") if part.startswith("|")]
    heads = ((HEAD.match(part.split("\n")[0]), part) for part in tables)
    return [part for head, part in heads if head and head[1] == name]


def _header(source: str) -> list[str]:
    lines = []
    for line in source.splitlines():
        if not line.startswith("#"):
            break
        lines.append(line)
    return lines


def _meanings() -> dict[str, str]:
    """By key, from the table of the shelf's README."""
    text = (SHELF / "README.md").read_text(encoding="utf-8")
    meanings = {}
    for keys, told in re.findall(r"^\| (`[^|]+`) \| [^|]* \| (.*) \|$", text, re.MULTILINE):
        for key in re.findall(r"`(\w+)`", keys):
            meanings[key] = told
    return meanings


def _reward(data: dict[str, object]) -> str:
    reward = data.get("reward", "placed")
    return ", ".join(reward) if isinstance(reward, dict) else str(reward)


def _plain(value: object) -> str:
    return yaml.safe_dump(value, default_flow_style=True, width=10**6).removesuffix("...\n").strip()
