"""`vmagent-marl`: its subcommands, and how errors reach a person."""

from __future__ import annotations

import os
import sys
import warnings
from collections.abc import Callable
from functools import cache
from typing import Any

import tyro
from rich.console import Console

from vmagent_marl import __version__
from vmagent_marl.cli import (
    INTERRUPTED,
    collecting,
    datasets,
    evaluating,
    looking,
    programs,
    publishing,
    tracing,
    training,
    viewing,
)
from vmagent_marl.cli.demo import demo
from vmagent_marl.cli.mistakes import told_in_a_line
from vmagent_marl.cli.reading import PLAIN_NAMES, choose, kinds_of, read
from vmagent_marl.cli.values import VALUES
from vmagent_marl.errors import VmagentError

ABOUT = """Learn to schedule virtual machines: every server cluster is an agent.

Begin with `vmagent-marl list`, then `vmagent-marl evaluate --scenario recovering`.
`vmagent-marl --version` tells the version."""

NAME = "vmagent-marl"
COMMANDS: dict[str, Callable[..., Any]] = {
    "list": looking.list_all,
    "trace": tracing.trace,
    "collect": collecting.collect,
    "dataset": datasets.dataset,
    "train": training.train,
    "publish": publishing.publish,
    "evaluate": evaluating.evaluate,
    "view": viewing.view,
    "run": programs.run,
    "copy": programs.copy,
    "demo": demo,
}
GROUPS = {"trace": tracing.Command, "dataset": datasets.Command}  # of subcommands
GO_ON = ("collect", "train", "run")  # where a run that was stopped left off


def main(arguments: list[str] | None = None) -> None:
    """Run one subcommand; an error of ours is one line on the error stream, and exit status 1."""
    given = sys.argv[1:] if arguments is None else arguments
    if given == ["--version"]:
        print(__version__)
        return
    Console.on_broken_pipe = _break  # type: ignore[assignment,method-assign]  # rich exits with 1
    warnings.showwarning = _show_warning  # type: ignore[assignment]  # it takes any place
    _warn.cache_clear()
    with VALUES:
        _run(given or ["--help"])


def _run(given: list[str]) -> None:
    try:
        options = next((i for i, word in enumerate(given) if word.startswith("-")), len(given))
        for_help = [*given[:options], "--help", *given[options:]]  # before what may be wrong
        with told_in_a_line(given, lambda: _dispatch(for_help)):
            _dispatch(given)
    except VmagentError as error:
        _say(f"[bold red]error:[/] {_plain(str(error))}")
        sys.exit(1)
    except BrokenPipeError:  # `vmagent-marl list | head`
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    except OSError as error:
        place = f"{error.filename}: " if error.filename else ""
        _say(f"[bold red]error:[/] {_plain(f'{place}{error.strerror or error}')}")
        sys.exit(1)
    except KeyboardInterrupt:
        goes_on = ": the same command again goes on" if given and given[0] in GO_ON else ""
        _say(f"interrupted{goes_on}")
        sys.exit(INTERRUPTED)


def _dispatch(given: list[str]) -> None:
    """Let each subcommand read its own words: where they are wrong its own help page is named."""
    if given[0].startswith("-"):
        tyro.extras.subcommand_cli_from_dict(
            COMMANDS, prog=NAME, description=ABOUT, args=given, config=PLAIN_NAMES
        )
        return
    command, words = choose(COMMANDS, given, NAME), given[1:]
    page = f"{NAME} {given[0]}"
    if given[0] == "run" and words and not words[0].startswith("-"):
        programs.run(words[0], *words[1:])  # the rest is the program's own
    elif given[0] == "train":
        training.train_by(words)  # the agent decides which options there are
    elif given[0] in GROUPS and not (words and words[0].startswith("-")):
        kind = choose(kinds_of(GROUPS[given[0]]), words, page)
        command(read(kind, words[1:], page=f"{page} {words[0]}"))
    else:
        read(command, words, page=page)


def _break(console: Console) -> None:
    """Who reads has seen enough: to be told apart from what went wrong."""
    raise BrokenPipeError


def _show_warning(message: Warning | str, category: type[Warning], *place: Any) -> None:
    _warn(str(message))


@cache  # once, however many simulators see the same
def _warn(message: str) -> None:
    _say(f"[bold yellow]warning:[/] {_plain(message)}")


def _say(text: str) -> None:
    Console(stderr=True, soft_wrap=True, highlight=False).print(text)


def _plain(text: str) -> str:
    """Square brackets of a message are no markup."""
    return text.replace("[", r"\[")


if __name__ == "__main__":
    main()
