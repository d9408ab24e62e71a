"""`trace`: describe and convert traces; what makes new ones is in `trace_making`."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import tyro
from rich.console import Console
from rich.table import Table
from tyro.conf import Positional

from vmagent_marl.cli import trace_making
from vmagent_marl.errors import SettingError

if TYPE_CHECKING:
    from vmagent_marl.trace import Trace

# As `read_trace` has them; written out, since the trace package takes its time to import.
_SQLITE = b"SQLite format 3\0"  # a file's first bytes

Format = Literal["lifetimes", "events", "azure-v1", "azure-v2", "azure-packing", "hdf5"]


@dataclass(frozen=True, kw_only=True)
class _Source:
    """A trace and how to read it."""

    file: Positional[str]  # a trace file of any form, or `synthetic` for the embedded month
    format: Format | None = None  # its form, where the content does not tell it
    machine: tuple[float, float] | None = None  # vCPU and GB of a machine (azure-packing)
    machine_id: int | None = None  # which machine (azure-packing); default: that of most VMs
    start_hour: int | None = None  # of the day (local) at second 0; default: what the file tells
    skip_bad: bool = False  # leave bad rows out, count them and list ten


@dataclass(frozen=True, kw_only=True)
class Describe(_Source):
    """What is in a trace: types of VM, bursts, lifetimes, load, censoring.

    Of several traces also how alike they are, and with --plot they are drawn beside each other.
    """

    others: Positional[tuple[str, ...]] = ()  # more of them
    servers: int | None = None  # also tell the load of a cluster of so many servers
    node: tuple[float, float] = (40.0, 90.0)  # vCPU and GB of a NUMA node; a server has two
    plot: Path | None = None  # also draw it (.png, .svg, .pdf, or a page: .html)


@dataclass(frozen=True, kw_only=True)
class Convert(_Source):
    """Any form into the lifetime form, the event form or HDF5, as the new name's end tells."""

    out: Positional[Path]  # .csv, .events.csv (also with .gz), .h5 or .hdf5


Command = (
    Annotated[Describe, tyro.conf.subcommand("describe")]
    | Annotated[Convert, tyro.conf.subcommand("convert")]
    | trace_making.Command
)


def trace(command: Command) -> None:
    """Describe traces, convert, scale and fetch them, or draw a synthetic one."""
    if isinstance(command, Describe):
        _describe(command)
    elif isinstance(command, Convert):
        _convert(command)
    else:
        trace_making.make(command)


def _describe(command: Describe) -> None:
    from vmagent_marl.trace.likeness import unlike_ends

    trace_making.check_place(command.plot)
    found = _all_of(command)
    console = Console()
    for one in found:
        _print_facts(console, one, command)
    if len(found) > 1:
        console.print(_likeness_table(found))
        for note in unlike_ends(found):
            console.print(note, soft_wrap=True, highlight=False, markup=False)
    if command.plot:
        from vmagent_marl.view.trace_plots import plot_traces

        print(plot_traces(found, command.plot, servers=command.servers, node=command.node))


def _all_of(command: Describe) -> list[Trace]:
    """The traces, each under a name of its own."""
    files = command.file, *command.others
    of_machine = [file for file in files if _of_machine(file)]
    found = []
    for file in files:
        one = replace(command, file=file)
        if of_machine and file not in of_machine:  # the machine is for the others
            one = replace(one, machine=None, machine_id=None)
        found.append(_read(one))
    for longer in (lambda file: Path(file).name, str):
        names = [trace.name for trace in found]
        found = [
            replace(trace, name=longer(file)) if names.count(trace.name) > 1 else trace
            for trace, file in zip(found, files, strict=True)
        ]
    return found


def _of_machine(file: str) -> bool:
    """Whether sizes are fractions of a machine: in Azure's packing trace."""
    with suppress(OSError), Path(file).open("rb") as opened:
        return opened.read(len(_SQLITE)) == _SQLITE
    return False


def _print_facts(console: Console, found: Trace, command: Describe) -> None:
    from vmagent_marl.trace import describe
    from vmagent_marl.trace.facts import facts

    told = describe(found, servers=command.servers, node=command.node)
    types = told.pop("types")
    assert isinstance(types, list)  # so `describe` promises
    table = Table(title=f"Trace {found.name}", title_justify="left", box=None)
    table.add_column("", no_wrap=True, style="cyan")
    table.add_column("", overflow="fold")  # all of the fingerprint
    for words, figure in facts(told).items():
        table.add_row(words, figure)
    table.add_row("fingerprint", str(told["fingerprint"]))
    console.print(table)
    console.print(_type_table(types))


def _likeness_table(traces: list[Trace]) -> Table:
    """Each trace but the first beside the first."""
    from vmagent_marl.trace.likeness import DISTANCES, likeness

    first, *others = traces
    table = Table(title=f"How like {first.name} it is", title_justify="left", box=None)
    table.add_column("", style="cyan")
    for other in others:
        table.add_column(other.name, justify="right")
    measured = [likeness(first, other) for other in others]
    for name, about in DISTANCES.items():
        table.add_row(about, *(f"{each[name]:.3f}" for each in measured))
    return table


def _read(command: _Source) -> Trace:
    """The trace that a command names, read as it says."""
    from vmagent_marl.trace import read_trace
    from vmagent_marl.trace.source import SYNTHETIC, load_trace

    if command.machine and not _of_machine(command.file):
        raise SettingError(f"{command.file}: --machine is for Azure's packing trace: leave it out")
    if command.file == SYNTHETIC:
        month = load_trace(SYNTHETIC)
        hour = command.start_hour
        return month if hour is None else replace(month, start_hour=hour)
    return read_trace(
        command.file,
        start_hour=command.start_hour,
        format=command.format,
        machine=command.machine,
        machine_id=command.machine_id,
        skip_bad=command.skip_bad,
    )


def _type_table(types: list[dict[str, Any]]) -> Table:
    """The most frequent types of VM."""
    from vmagent_marl.trace.facts import QUANTILES, number

    table = Table(title="Types of VM", title_justify="left", box=None)
    first, *others = QUANTILES.values()
    for heading in ("vCPU", "GB", "share", f"{first} live at most (s)", *others):
        table.add_column(heading, justify="right")
    for kind in types:
        lived = kind["lifetime_s"] or {}
        table.add_row(
            number(kind["vcpu"]),
            number(kind["memory_gb"]),
            f"{100 * kind['share']:.1f} %",
            *(f"{lived[each]:,.0f}" if lived else "" for each in QUANTILES),
        )
    return table


def _convert(command: Convert) -> None:
    from vmagent_marl.trace.forms.write import form_by_name, write_trace

    form_by_name(command.out)  # before a file is read that may be large
    trace_making.check_new(command.out)
    found = _read(command)
    write_trace(found, command.out)
    lost = trace_making.left_behind(found.start_hour, found.columns, command.out)
    print(f"{command.out}: {len(found):,} VMs{lost}")
