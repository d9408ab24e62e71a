"""The words of a command line, read as a function, or a dataclass of settings, takes them."""

from __future__ import annotations

import sys
import typing
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, TypeVar

import tyro

from vmagent_marl.cli import INTERRUPTED
from vmagent_marl.cli.mistakes import refuse, told_in_a_line
from vmagent_marl.cli.values import VALUES
from vmagent_marl.errors import VmagentError, nearest

Value = TypeVar("Value")

PLAIN_NAMES = (tyro.conf.OmitSubcommandPrefixes, tyro.conf.OmitArgPrefixes)


def read(
    kind: Callable[..., Value], words: list[str], *, page: str, about: str | None = None
) -> Value:
    """Call `kind` with what the words say; what is wrong with them is one line, and status 2.

    Args:
        kind: a dataclass whose fields, or a function whose arguments, are the options.
        words: of the command line, after the command's own.
        page: the command's own words, as its help page begins.
        about: heading of the help page; by default `kind`'s docstring.
    """

    def call(given: list[str]) -> Value:
        return tyro.cli(kind, prog=page, description=about, args=given, config=PLAIN_NAMES)

    with VALUES, told_in_a_line(words, lambda: call(["--help"])):
        return call(words)


def run_program(main: Callable[[Value], object], kind: type[Value], about: str | None) -> None:
    """Run a program of a shelf: `main` on the `kind` that the command line says.

        if __name__ == "__main__":
            run_program(main, Args, __doc__)

    Whatever ends it early is one line: an error of ours with exit status 1, wrong words with 2, an
    interrupt with 130.
    """
    try:
        main(read(kind, sys.argv[1:], page=sys.argv[0], about=about))
    except VmagentError as error:
        raise SystemExit(f"{Path(sys.argv[0]).stem}: {error}") from None
    except KeyboardInterrupt:
        print("interrupted: the same command again goes on", file=sys.stderr)
        sys.exit(INTERRUPTED)


def kinds_of(union: Any) -> dict[str, type]:
    """The dataclasses of a union of subcommands, by name."""
    return {mark.name: kind for kind, mark in map(typing.get_args, typing.get_args(union))}


def choose(commands: Mapping[str, Any], words: list[str], page: str) -> Any:
    """What the first word names; told in one line where it names nothing."""
    if not words:
        refuse(page, f"what? give one of {', '.join(commands)}")
    if words[0] not in commands:
        refuse(page, f"unknown command {words[0]!r}: {nearest(words[0], commands)}")
    return commands[words[0]]
