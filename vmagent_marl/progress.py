"""One bar on the error stream, where somebody looks at it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager


@contextmanager
def counter(
    label: str, total: int, *, unit: str = "", done: int = 0, shown: bool = True
) -> Iterator[Callable[..., None]]:
    """A function that moves the bar on, by 1 or a number, and may change its label."""
    from rich.console import Console
    from rich.progress import (
        BarColumn,
        MofNCompleteColumn,
        Progress,
        TextColumn,
        TimeRemainingColumn,
    )

    console = Console(stderr=True)
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn(unit),
        TimeRemainingColumn(elapsed_when_finished=True),
    )
    hidden = not (shown and console.is_terminal)
    with Progress(*columns, console=console, transient=True, disable=hidden) as bar:
        task = bar.add_task(label, total=total, completed=done)

        def move(by: int = 1, text: str | None = None) -> None:
            bar.update(task, advance=by, description=text or label)

        yield move
