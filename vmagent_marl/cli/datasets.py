"""`dataset`: which are here, what is in one, whether it is whole, and other forms of it."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal

import tyro
from rich.console import Console
from rich.markdown import Markdown
from rich.table import Table
from tyro.conf import Positional, arg

Id = Annotated[Positional[str], arg(metavar="ID")]  # as `dataset list` has it


@dataclass(frozen=True)
class List:
    """All data sets on this machine, also those that others recorded."""


@dataclass(frozen=True, kw_only=True)
class Show:
    """The card of a data set: how it was made, what it holds, how to load it."""

    name: Id  # as `dataset list` has it


@dataclass(frozen=True, kw_only=True)
class Verify:
    """Check everything: the file's checksum, every array, and every step, which is played again."""

    name: Id  # of the data set
    trace: str | None = None  # where the trace it was recorded on is now, if it has moved
    quiet: bool = False  # no progress bar


@dataclass(frozen=True, kw_only=True)
class Export:
    """Write a data set again in another form, as a data set of its own beside it."""

    name: Id  # of the data set
    to: Literal["torchrl", "agents"]  # for TorchRL's loader, or one for each agent alone
    overwrite: bool = False  # replace data sets of the same ids
    quiet: bool = False  # no progress bar


Command = (
    Annotated[List, tyro.conf.subcommand("list")]
    | Annotated[Show, tyro.conf.subcommand("show")]
    | Annotated[Verify, tyro.conf.subcommand("verify")]
    | Annotated[Export, tyro.conf.subcommand("export")]
)


def dataset(command: Command) -> None:
    """List, show, verify and export recorded data sets."""
    if isinstance(command, List):
        _list()
    elif isinstance(command, Show):
        _show(command.name)
    elif isinstance(command, Verify):
        _verify(command)
    else:
        _export(command)


def _list() -> None:
    import minari

    from vmagent_marl.episodes.storage.minari_format import dataset_folder

    dataset_folder("")  # says what to do where there is no place for data sets
    table = Table(box=None, show_header=False)
    table.add_column(no_wrap=True, style="cyan")
    table.add_column()
    sets = minari.list_local_datasets()
    for name, metadata in sets.items():
        table.add_row(name, _told(metadata))
    if sets:
        Console().print(table)
    else:
        print("none yet: `vmagent-marl collect` makes one")


def _told(metadata: dict[str, Any]) -> str:
    """How large a data set is, and what was recorded."""
    from vmagent_marl.episodes.storage.minari_format import OWN
    from vmagent_marl.episodes.views.arrays import FORM

    size = (
        f"{int(metadata['total_episodes']):,} episodes, {int(metadata['total_steps']):,} "
        f"transitions, {metadata.get('dataset_size', 0):,.1f} MB"
    )
    if OWN in metadata:
        own = metadata[OWN]
        return f"{size}; scenario {own['scenario']['name']}, window {own['window']}"
    if FORM in metadata:
        form = metadata[FORM]
        return f"{size}; from {form.get('source') or form['environment']}"
    return f"{size}; recorded elsewhere"


def _show(name: str) -> None:
    from vmagent_marl.episodes.collecting.card import card_of
    from vmagent_marl.episodes.storage.minari_format import CARD, OWN, dataset_folder, load_dataset
    from vmagent_marl.episodes.views.arrays import FORM
    from vmagent_marl.episodes.views.derived import form_card

    metadata = load_dataset(name).storage.metadata
    card = dataset_folder(name) / CARD
    if OWN in metadata:
        text = card_of(metadata)
    elif FORM in metadata:
        text = form_card(metadata)
    elif Path(card).is_file():
        text = card.read_text(encoding="utf-8")
    else:
        text = f"# {name}\n\n{metadata.get('description', 'It has no card.')}"
    Console().print(Markdown(text))


def _verify(command: Verify) -> None:
    from vmagent_marl.episodes.verifying.verify import require, verify

    console, checks = Console(highlight=False, soft_wrap=True), []
    for check in verify(command.name, trace=command.trace, progress=not command.quiet):
        checks.append(check)
        console.print(str(check), style=None if check.passed else "red", markup=False)
    require(command.name, checks)


def _export(command: Export) -> None:
    from vmagent_marl.episodes.views.single_agent import write_agent_datasets
    from vmagent_marl.episodes.views.torchrl_form import export_torchrl

    write = write_agent_datasets if command.to == "agents" else export_torchrl
    made = write(command.name, overwrite=command.overwrite, progress=not command.quiet)
    for name in [made] if isinstance(made, str) else made:
        print(name)
