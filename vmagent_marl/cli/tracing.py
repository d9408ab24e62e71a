"""`trace`: describe and convert traces; what makes new ones is in `trace_making`."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import tyro
from rich.console import Console
from rich.table import Table
from tyro.conf import Positional

from vmagent_marl.cli import trace_making
from vmagent_marl.files import check_writable

if TYPE_CHECKING:
    from vmagent_marl.trace import Trace

# As `read_trace` has them; written out, since the trace package takes its time to import.
Format = Literal["lifetimes", "events", "azure-v1", "azure-v2", "azure-packing", "hdf5"]


@dataclass(frozen=True, kw_only=True)
class _Source:
    """A trace and how to read it."""

    file: Positional[str]  # a trace file of any form, or `synthetic` for the embedded month
    format: Format | None = None  # its form, where the content does not tell it
    machine: tuple[float, float] | None = None  # vCPU and GB of a machine (azure-packing)
    machine_id: int | None = None  # which machine (azure-packing); default: that of most VMs
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
    check_writable(command.plot)
    found = [_read(replace(command, file=file)) for file in (command.file, *command.others)]
    console = Console()
    for one in found:
        _print_facts(console, one, command)
    if len(found) > 1:
        console.print(_likeness_table(found))
    if command.plot:
        from vmagent_marl.view.trace_plots import plot_traces

        print(plot_traces(found, command.plot, servers=command.servers, node=command.node))


def _print_facts(console: Console, found: Trace, command: Describe) -> None:
    from vmagent_marl.trace import describe

    told = describe(found, servers=command.servers, node=command.node)
    types = told.pop("types")
    assert isinstance(types, list)  # so `describe` promises
    facts = Table(title=f"Trace {told.pop('name')}", title_justify="left", box=None)
    facts.add_column("", no_wrap=True, style="cyan")
    facts.add_column("")
    for key, value in told.items():
        facts.add_row(key.replace("_", " "), _shown(value))
    console.print(facts)
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

    if command.file == SYNTHETIC:
        return load_trace(SYNTHETIC)
    return read_trace(
        command.file,
        format=command.format,
        machine=command.machine,
        machine_id=command.machine_id,
        skip_bad=command.skip_bad,
    )


def _type_table(types: list[dict[str, Any]]) -> Table:
    """The most frequent types of VM."""
    table = Table(title="Types of VM", title_justify="left", box=None)
    for heading in ("vCPU", "GB", "share", "lifetime (s), by probability"):
        table.add_column(heading, justify="left" if "life" in heading else "right")
    for kind in types:
        table.add_row(
            f"{kind['vcpu']:g}",
            f"{kind['memory_gb']:g}",
            f"{kind['share']:.1%}",
            _shown(kind["lifetime_s"]),
        )
    return table


def _shown(value: object) -> str:
    if isinstance(value, float):
        return f"{value:,.4g}" if abs(value) < 1000 else f"{value:,.0f}"
    if isinstance(value, int):
        return f"{value:,}"
    if isinstance(value, dict):
        return ", ".join(f"{key}: {_shown(item)}" for key, item in value.items())
    return str(value)


def _convert(command: Convert) -> None:
    from vmagent_marl.trace.forms.write import form_by_name, write_trace

    form = form_by_name(command.out)  # before a file is read that may be large
    trace_making.check_new(command.out)
    found = _read(command)
    write_trace(found, command.out)
    lost = [name for name in ("tenant", "home", "priority") if name in found.columns]
    note = f", without {', '.join(lost)}: .h5 keeps them" if lost and form != "hdf5" else ""
    print(f"{command.out}: {len(found):,} VMs{note}")
