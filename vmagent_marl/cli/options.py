"""Options that several subcommands share."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Annotated, Any, Literal

from tyro.conf import arg

from vmagent_marl.errors import ScenarioError
from vmagent_marl.settings import AS_GIVEN, read_changes

# As they are named in the help; a type alone does not tell a name from a file.
Name = Annotated[str, arg(metavar="NAME")]
OneName = Annotated[str | None, arg(metavar="NAME")]
Names = Annotated[tuple[str, ...], arg(metavar="NAME ...")]
TraceFile = Annotated[str | None, arg(metavar="FILE")]
Window = Literal["train", "validation", "test", "all"]  # as `windows` has them
Changes = Annotated[tuple[str, ...], arg(metavar="NAME=VALUE ...")]


def scenario_fields(
    trace: str | None, servers: int | None, changes: Sequence[str]
) -> dict[str, Any]:
    """Fields of a scenario from `--trace`, `--servers` and `--set name=value`."""
    fields = read_changes(changes)
    if trace is not None:
        fields["trace"] = trace
    if servers is not None:
        fields["servers"] = servers
    return fields


@contextmanager
def blaming_options(trace: str | None, servers: int | None) -> Iterator[None]:
    """Name what was given by hand as it was typed: an option, and no field of a file."""
    try:
        yield
    except ScenarioError as error:
        told = str(error).removeprefix(AS_GIVEN)
        if told == str(error):
            raise
        name, _, rest = told.partition(": ")
        typed = {"trace": trace, "servers": servers}.get(name) is not None
        option = "--set:" if told.startswith("unknown") else "--set"  # else a field's name follows
        raise ScenarioError(f"--{name}: {rest}" if typed else f"{option} {told}") from None
