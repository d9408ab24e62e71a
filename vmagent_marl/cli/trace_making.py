"""`trace synthesize`, `trace scale` and `trace fetch`: traces that were not there before."""

from __future__ import annotations

import math
import os
import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import tyro
from tyro.conf import Positional

from vmagent_marl.errors import SettingError, TraceError
from vmagent_marl.files import check_writable

if TYPE_CHECKING:
    from vmagent_marl.trace import Trace
    from vmagent_marl.trace.fetch import Progress


@dataclass(frozen=True)
class Synthesize:
    """Draw a trace that looks like a real month; it has no licence.

    The lifetime form (.csv) is written day by day: it may be larger than memory.
    """

    out: Positional[Path]  # .csv, .events.csv (also with .gz), .h5 or .hdf5
    seed: int = 0
    rate: float = 1.0  # times the requests of the real month
    days: float = 31.0
    profile: Literal["as-is", "resampled", "flat"] = "as-is"  # the month's days, or anew, or alike
    mix: tuple[str, ...] = ()  # 4x8=2 1x2=0.5: so many times as frequent (vCPU x GB)
    burstiness: float = 1.0  # 0: every VM comes alone; 2: bursts of twice the size, half as many
    tail: Literal["never", "days"] = "never"  # VMs that outlive a month: never deleted, or later on
    quiet: bool = False  # no progress bar


@dataclass(frozen=True)
class Scale:
    """Another load from a trace: its mix first, then fewer VMs, more, and at another pace."""

    file: Positional[str]  # a trace file of any form, or `synthetic` for the embedded month
    out: Positional[Path]  # .csv, .events.csv (also with .gz), .h5 or .hdf5
    mix: tuple[str, ...] = ()  # 4x8=2: all of these and half of the others (vCPU x GB)
    thin: float = 1.0  # keep each VM with this probability
    copies: int = 1  # so many on top of each other, their days shifted
    shift_days: int | None = None  # from one copy to the next; default: spread evenly
    stretch: float = 1.0  # times the time between requests
    stretch_lifetimes: bool = False  # lifetimes too
    seed: int = 0  # of what is kept


@dataclass(frozen=True)
class Fetch:
    """Fetch a published trace from its publisher; a cut download goes on where it stopped."""

    name: Positional[str]  # huawei-east-1
    out: Path | None = None  # default: the publisher's name of the file, here
    url: str | None = None  # another address of the same file
    sha256: str | None = None  # that the file must have
    size: int | None = None  # bytes that the file must have
    accept_other: bool = False  # take a trace that holds other VMs than were published
    accept_licence: bool = False  # accept the publisher's terms without being asked
    quiet: bool = False  # no progress bar


Command = (
    Annotated[Synthesize, tyro.conf.subcommand("synthesize")]
    | Annotated[Scale, tyro.conf.subcommand("scale")]
    | Annotated[Fetch, tyro.conf.subcommand("fetch")]
)


def make(command: Command) -> None:
    """Draw, scale or fetch a trace."""
    if isinstance(command, Synthesize):
        _synthesize(command)
    elif isinstance(command, Scale):
        _scale(command)
    else:
        _fetch(command)


def _synthesize(command: Synthesize) -> None:
    from vmagent_marl.progress import counter
    from vmagent_marl.trace import synthetic_month
    from vmagent_marl.trace.forms.write import form_by_name, write_pieces, write_trace
    from vmagent_marl.trace.synthetic.month import START_HOUR, synthetic_days
    from vmagent_marl.trace.synthetic.plan import MonthPlan

    plan = MonthPlan(
        seed=command.seed,
        rate=command.rate,
        days=command.days,
        day_profile=command.profile,
        tail=command.tail,
        mix=_mix(command.mix),
        burstiness=command.burstiness,
    )
    check_new(command.out)
    if form_by_name(command.out) == "lifetimes":
        total, shown = math.ceil(plan.days), not command.quiet
        with counter(str(command.out), total, unit="days", shown=shown) as move:
            rows = write_pieces(_counted(synthetic_days(plan), move), command.out)
    else:
        try:
            drawn = synthetic_month(**vars(plan))
            write_trace(drawn, command.out)
        except MemoryError:
            raise TraceError(
                "memory does not hold so many VMs at once: give fewer --days or a lower --rate, or "
                "a name in .csv, which is written day by day"
            ) from None
        rows = len(drawn)
    print(f"{command.out}: {rows:,} VMs{left_behind(START_HOUR, [], command.out)}")


def _counted(days: Iterator[Trace], move: Callable[[], None]) -> Iterator[Trace]:
    for day in days:
        yield day
        move()


def _scale(command: Scale) -> None:
    from vmagent_marl.trace.forms.write import form_by_name, write_trace
    from vmagent_marl.trace.scaling import reweigh, stretch, superpose, thin
    from vmagent_marl.trace.source import load_trace

    mix = _mix(command.mix)
    if not mix and (command.thin, command.copies, command.stretch) == (1, 1, 1):
        raise SettingError("nothing to change: give --mix, --thin, --copies or --stretch")
    if command.shift_days is not None and command.copies == 1:
        raise SettingError("--shift-days is between copies: give --copies too")
    if command.stretch_lifetimes and command.stretch == 1:
        raise SettingError("--stretch-lifetimes is for a time that is stretched: give --stretch")
    if not 0 < command.thin <= 1:
        raise SettingError(f"--thin {command.thin:g}: give a number above 0, at most 1")
    if not 0 < command.stretch < math.inf:
        raise SettingError(f"--stretch {command.stretch:g}: give a finite number above 0")
    if command.copies < 1:
        raise SettingError(f"--copies {command.copies}: give 1 or more")
    form_by_name(command.out)  # before the work, where it names none
    check_new(command.out)
    scaled = load_trace(command.file)
    if mix:
        scaled = reweigh(scaled, mix, seed=command.seed)
    if command.thin != 1:
        scaled = thin(scaled, command.thin, seed=command.seed + 1)  # not what the mix has kept
    if command.copies != 1:
        scaled = superpose(scaled, command.copies, shift_days=command.shift_days)
    if command.stretch != 1:
        scaled = stretch(scaled, command.stretch, lifetimes=command.stretch_lifetimes)
    write_trace(scaled, command.out)
    lost = left_behind(scaled.start_hour, scaled.columns, command.out)
    print(f"{command.out}: {len(scaled):,} VMs{lost}")


def left_behind(start_hour: int, columns: Iterable[str], out: Path) -> str:
    """For a person: what a trace has that the new file's form cannot hold."""
    from vmagent_marl.trace.forms.write import form_by_name

    lost = [name for name in ("tenant", "home", "priority") if name in columns]
    if start_hour:
        lost.append(f"start hour (--start-hour {start_hour})")
    if not lost or form_by_name(out) == "hdf5":
        return ""
    return f", without {', '.join(lost)}: .h5 keeps them"


def _fetch(command: Fetch) -> None:
    from vmagent_marl.trace.fetch import fetch
    from vmagent_marl.trace.published import published_trace

    published = published_trace(command.name)
    out = command.out or Path(published.file_name)
    check_new(out)
    print(published.terms)
    if not command.accept_licence:
        _ask_to_accept()
    with _bar(str(out), shown=not command.quiet) as progress:
        sha256 = fetch(
            command.url or published.url,
            out,
            sha256=command.sha256,
            size=command.size,
            check=published.check_header if command.accept_other else published.check,
            progress=progress,
        )
    print(f"{out}: {out.stat().st_size:,} bytes, sha256 {sha256}")
    if not command.accept_other:
        print(f"{published.requests:,} VMs, of which {published.deleted:,} are deleted")


def _ask_to_accept() -> None:
    """Raise `TraceError` unless a person says yes."""
    if not sys.stdin.isatty():
        raise TraceError("nobody is here to accept the licence: read it, then --accept-licence")
    if input("Do you accept these terms? [y/N] ").strip().lower() not in ("y", "yes"):
        raise TraceError("the licence was not accepted: nothing was fetched")


def _mix(given: Sequence[str]) -> dict[str, float]:
    """`4x8=2` as a mapping."""
    mix = {}
    for change in given:
        kind, equals, factor = change.partition("=")
        try:
            mix[kind.strip()] = float(factor)
        except ValueError:
            equals = ""
        if not equals or not kind:
            raise SettingError(f"--mix {change}: is no type and number: write 4x8=2")
    return mix


def check_new(out: Path) -> None:
    """Raise, before the work whose result it is to hold, where a file is or none can be."""
    if os.path.lexists(out):
        raise TraceError(f"{out} exists: move it away or name another file")
    check_place(out)


def check_place(out: Path | None) -> None:
    """Raise where no file can be written; folders that are missing stay so until one is."""
    missing = [folder for folder in out.parents if not folder.exists()] if out else []
    try:
        check_writable(out)
    finally:
        for folder in missing:
            with suppress(OSError):
                folder.rmdir()


@contextmanager
def _bar(label: str, shown: bool) -> Iterator[Progress]:
    """Of bytes, on the error stream, where somebody looks at it."""
    from rich.console import Console
    from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TransferSpeedColumn

    console = Console(stderr=True)
    columns = TextColumn("{task.description}"), BarColumn(), DownloadColumn(), TransferSpeedColumn()
    hidden = not (shown and console.is_terminal)
    with Progress(*columns, console=console, transient=True, disable=hidden) as bar:
        task = bar.add_task(label, total=None)
        yield lambda done, total: bar.update(task, completed=done, total=total)
