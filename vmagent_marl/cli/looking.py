"""`list`: what there is to play, record, run and load."""

from __future__ import annotations

from pathlib import Path

from rich.console import Console
from rich.table import Table

from vmagent_marl import catalog, settings


def list_all() -> None:
    """What there is: scenarios, policies, agents, recipes, programs, and data sets here."""
    from vmagent_marl.episodes import load_recipes
    from vmagent_marl.policies import about_policy, policy_names
    from vmagent_marl.train.online.algorithms import ALGORITHMS

    console = Console()
    _print(console, "Scenarios", [(n, _about(n)) for n in catalog.names("scenarios")])
    _print(console, "Policies", [(name, about_policy(name)) for name in policy_names()])
    trained = [(name, _card_line(name)) for name in catalog.names("checkpoints")]
    _print(console, "Trained policies", trained)
    agents = [(name, f"{_clusters(each.many)}: {each.about}") for name, each in ALGORITHMS.items()]
    _print(console, "Agents", agents)
    recipes = [(file, each) for file in catalog.names("datasets") for each in load_recipes(file)]
    told = [(f"{file}/{each.behaviour}", each.description) for file, each in recipes]
    _print(console, "Recipes", told)
    _print(console, "Programs", [(name, _purpose(name)) for name in catalog.programs()])
    _print(console, "Data sets here", _local_datasets())


def _clusters(many: bool | None) -> str:
    return {True: "many clusters", False: "one cluster", None: "one or many"}[many]


def _print(console: Console, title: str, rows: list[tuple[str, str]]) -> None:
    table = Table(
        title=title, title_justify="left", title_style="bold", box=None, show_header=False
    )
    table.add_column(no_wrap=True, style="cyan")
    table.add_column()
    for name, about in rows or [("none yet", "`vmagent-marl collect` makes one")]:
        table.add_row(f"  {name}", about)
    console.print(table)
    console.print()


def _about(scenario: str) -> str:
    data, _ = settings.read_mapping(catalog.find("scenarios", scenario))
    return str(data.get("description", ""))


def _card_line(checkpoint: str) -> str:
    """The line below the heading of a trained policy's card."""
    card = catalog.find("checkpoints", checkpoint).with_suffix(".md")
    return card.read_text(encoding="utf-8").split("\n\n")[1] if card.is_file() else ""


def _purpose(program: str) -> str:
    """First line of a program's docstring."""
    text = catalog.find_program(program).read_text(encoding="utf-8")
    return text.partition('"""')[2].partition("\n")[0].removesuffix('"""')


def _local_datasets() -> list[tuple[str, str]]:
    """Of the namespace `vmagent`, without reading more than their metadata."""
    from minari.storage import get_dataset_path

    root = Path(get_dataset_path(""))
    found = sorted(root.glob("vmagent/**/data/metadata.json"))
    return [(str(file.parent.parent.relative_to(root)), "") for file in found]
