"""`trace`: describe, convert and draw traces."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal

import tyro
from rich.console import Console
from rich.table import Table
from tyro.conf import Positional

from vmagent_marl.errors import TraceError


@dataclass(frozen=True)
class Describe:
    """What is in a trace: types of VM, bursts, lifetimes, load."""

    file: Positional[str]  # a trace file, or `synthetic` for the embedded month
    plot: Path | None = None  # also draw it (.png, .svg or .pdf)


@dataclass(frozen=True)
class Convert:
    """Any form that is read into the lifetime form `vmid,cpu,mem,at,lt`."""

    file: Positional[Path]
    out: Positional[Path]  # .csv or .csv.gz


@dataclass(frozen=True)
class Synthesize:
    """Draw a month that looks like a real one, into the lifetime form."""

    out: Positional[Path]  # .csv or .csv.gz
    seed: int = 0
    rate: float = 1.0  # times the requests of the real month
    days: float = 31.0
    day_profile: Literal["as-is", "resampled", "flat"] = "as-is"  # the month's days


Command = (
    Annotated[Describe, tyro.conf.subcommand("describe")]
    | Annotated[Convert, tyro.conf.subcommand("convert")]
    | Annotated[Synthesize, tyro.conf.subcommand("synthesize")]
)


def trace(command: Command) -> None:
    """Describe a trace, convert it, or draw a synthetic one."""
    if isinstance(command, Describe):
        _describe(command)
    elif isinstance(command, Convert):
        _convert(command)
    else:
        _synthesize(command)


def _describe(command: Describe) -> None:
    from vmagent_marl.trace import describe
    from vmagent_marl.trace.source import load_trace

    found = load_trace(command.file)
    told = describe(found)
    types = told.pop("types")
    assert isinstance(types, list)  # so `describe` promises
    console = Console()
    facts = Table(title=f"Trace {told.pop('name')}", title_justify="left", box=None)
    facts.add_column("", no_wrap=True, style="cyan")
    facts.add_column("")
    for key, value in told.items():
        facts.add_row(key.replace("_", " "), _shown(value))
    console.print(facts)
    console.print(_type_table(types))
    if command.plot:
        from vmagent_marl.view.plots import plot_trace

        plot_trace(found, command.plot)
        print(command.plot)


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
    from vmagent_marl.trace import read_trace, write_lifetimes

    if command.out.exists():
        raise TraceError(f"{command.out} exists: move it away or name another file")
    found = read_trace(command.file)
    write_lifetimes(found, command.out)
    print(f"{command.out}: {len(found):,} VMs")


def _synthesize(command: Synthesize) -> None:
    from vmagent_marl.trace import synthetic_month, write_lifetimes

    if command.out.exists():
        raise TraceError(f"{command.out} exists: move it away or name another file")
    drawn = synthetic_month(
        seed=command.seed, rate=command.rate, days=command.days, day_profile=command.day_profile
    )
    write_lifetimes(drawn, command.out)
    print(f"{command.out}: {len(drawn):,} VMs")
