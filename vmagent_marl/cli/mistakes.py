"""What is wrong with the words of a command line, in one line in the place of tyro's box."""

from __future__ import annotations

import re
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, redirect_stdout, suppress
from io import StringIO
from typing import Any, NoReturn

from vmagent_marl.errors import nearest

try:
    # Not public: where a later tyro has it no more, its own box is shown.
    from tyro import _errors as failures
except ImportError:  # pragma: no cover
    failures = None  # type: ignore[assignment]

WRONG = 2  # exit status where the words are wrong, as shells and argparse have it
EXAMPLES = {"N": "3", "NUMBER": "0.5"}  # by the name of a value, where no default is one
OPTION = re.compile(r"^\W*?(?:-h, )?(--[a-z][\w-]*)(?:, (--[a-z][\w-]*))?", re.MULTILINE)


@contextmanager
def told_in_a_line(words: Sequence[str], show_help: Callable[[], object]) -> Iterator[None]:
    """Tell in one line, and exit with status 2, whatever tyro finds wrong with the words.

    `show_help` prints the help page of what reads them: the nearest option is looked up there.
    """
    if failures is None:
        yield
        return

    def tell(event: failures.ParseErrorEvent) -> None:
        own = event.prog.split()  # such as the --agent of `train --agent ppo`
        told = (
            _of_a_value(event)
            or _unknown([word for word in words if word not in own], show_help)
            or _of_the_words(event)
        )
        if told is not None:
            refuse(event.prog, told)

    with failures.on_parse_error(tell):
        yield


def refuse(page: str, told: str) -> NoReturn:
    """Say what is wrong with the words after `page`, and where its help is; exit status 2."""
    command = f"python {page}" if page.endswith(".py") else page
    print(f"{page}: {' '.join(told.split())} ({command} --help)", file=sys.stderr)
    sys.exit(WRONG)


def _of_a_value(event: Any) -> str | None:
    if isinstance(event, failures.InstantiationFailure):
        if event.argument is None:  # a rule between values, which says what to do itself
            return str(event.message)
        return f"{event.argument.display_name()}: {event.message}{_example(event.argument)}"
    if isinstance(event, failures.InvalidChoice):
        name = event.argument.display_name()
        return f"{name}: {event.value!r} is no choice: {nearest(event.value, event.choices)}"
    return _of_what_is_there(event) if isinstance(event, failures.MissingArgs) else None


def _of_what_is_there(event: failures.MissingArgs) -> str | None:
    """A wrong value beside what is missing, which tyro would tell of at the next try."""
    for missing in event.missing_arguments:
        for argument in missing.source_parser.args:
            words = event.partial_output.get(str(argument.get_output_key()))
            reader = argument.lowered.instance_from_str
            try:
                if reader is not None and isinstance(words, list):
                    reader(words)
            except ValueError as error:
                return f"{argument.display_name()}: {error}{_example(argument)}"
    return None


def _of_the_words(event: Any) -> str | None:
    """Too few of them, or too many; None for what tyro alone knows to tell."""
    if isinstance(event, failures.BadValue):
        return f"{event.argument.display_name()}: has too few values: {_give([event.argument])}"
    if isinstance(event, failures.MissingArgs):
        missing = [each.arg for each in event.missing_arguments]
        names = ", ".join(each.display_name() for each in missing)
        return f"{names}: {'is' if len(missing) == 1 else 'are'} missing: {_give(missing)}"
    if isinstance(event, failures.UnrecognizedArgs):
        return f"{event.tokens[0]!r}: is a word too many: leave it out"
    return None


def _example(argument: Any) -> str:
    """What might stand there: the default, if it is of the kind, else any number."""
    default, kinds = argument.field.default, str(argument.lowered.metavar).split()
    values = default if isinstance(default, tuple) else (default,)
    if any(type(value) not in (int, float) for value in values) or not values:
        values = tuple(EXAMPLES[kind] for kind in kinds if kind in EXAMPLES)
    return f": give e.g. {' '.join(map(str, values))}" if values else ""


def _give(arguments: Sequence[Any]) -> str:
    """How options and their values, or values alone, are typed."""
    usages = [str(each.lowered.metavar) for each in arguments]
    for i, each in enumerate(arguments):
        if not each.is_positional():
            usages[i] = f"{each.lowered.name_or_flags[0]} {usages[i]}"
    return f"give {' '.join(usages)}"


def _unknown(words: Sequence[str], show_help: Callable[[], object]) -> str | None:
    """The first option among the words that is not on the help page, if any."""
    with (
        redirect_stdout(StringIO()) as page,
        suppress(SystemExit),
        failures.on_parse_error(lambda event: sys.exit(WRONG)),  # no mistake is looked up twice
    ):
        show_help()
    known = [name for names in OPTION.findall(page.getvalue()) for name in names if name]
    for word in words:
        option = word.partition("=")[0]
        if known and option.startswith("--") and option.replace("_", "-") not in known:
            near = nearest(option, known)
            what = near if near.startswith("did") else "leave it out"  # the page has all of them
            return f"unknown option {option!r}: {what}"
    return None
