"""Code blocks of a page, run as a reader would: from top to bottom, in one folder.

Python blocks share one namespace. Of a shell block the lines that begin with `vmagent-marl` are
run, in this process; the others install or clone things.
"""

from __future__ import annotations

import ast
import importlib.util
import re
import shlex
import warnings
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from vmagent_marl.cli.main import main

BLOCK = re.compile(r"^```(\w+)\n(.*?)^```", re.DOTALL | re.MULTILINE)
COMMAND = "vmagent-marl"
ELSEWHERE = ("demo", "view")  # commands that tests of their own run: minutes, or until stopped
LEARNS = "offline/"  # programs that need d3rlpy


@dataclass(frozen=True)
class Block:
    """A fenced piece of a page."""

    page: Path
    number: int
    line: int  # of the page, before its code
    language: str
    code: str

    def __str__(self) -> str:
        return f"{self.page.stem}:{self.line}"

    @property
    def commands(self) -> list[list[str]]:
        """Words of the commands of a shell block."""
        lines = self.code.replace("\\\n", " ").splitlines()
        words = [shlex.split(line, comments=True) for line in lines]
        return [each for each in words if each[:1] == [COMMAND]]

    @property
    def runs(self) -> bool:
        """Whether anything of it can be run."""
        return self.language == "python" or (self.language == "sh" and bool(self.commands))


def blocks(page: Path) -> list[Block]:
    """All of a page, in order."""
    text = page.read_text(encoding="utf-8")
    found = enumerate(BLOCK.finditer(text))
    return [
        Block(page, i, text.count("\n", 0, match.start()) + 1, match[1], match[2])
        for i, match in found
    ]


@dataclass
class Reader:
    """Somebody who works through a page in a folder, and remembers what was defined."""

    page: Path
    folder: Path
    names: dict[str, Any] = field(default_factory=lambda: {"__name__": "example"})
    read: int = 0

    def run(self, number: int) -> None:
        """A block, after those above it that were not run; skips where a library is absent."""
        ahead = [block for block in blocks(self.page)[self.read : number + 1] if block.runs]
        for block in ahead:
            self.read = block.number + 1
            lacking = absent(block)
            if not lacking:
                self._run(block)
            elif block.number == number:
                pytest.skip(f"{block} needs {lacking}: pip install -c constraints.txt '.[dev]'")

    def _run(self, block: Block) -> None:
        if block.language == "python":
            code = "\n" * block.line + block.code  # so that a traceback names the page's line
            exec(compile(code, str(block.page), "exec"), self.names)
            return
        for words in block.commands:
            if words[1] not in ELSEWHERE:
                run_command(words[1:])


def absent(block: Block) -> str:
    """A library that a block needs and that is not installed, or nothing."""
    if block.language == "python":
        nodes = ast.walk(ast.parse(block.code))
        wanted = {alias.name for n in nodes if isinstance(n, ast.Import) for alias in n.names}
        nodes = ast.walk(ast.parse(block.code))
        wanted |= {n.module or "" for n in nodes if isinstance(n, ast.ImportFrom)}
        wanted |= {"moviepy"} if "RecordVideo" in block.code else set()
        wanted |= {"d3rlpy"} if "train.offline" in block.code else set()
    else:
        learns = any(words[2].startswith(LEARNS) for words in block.commands if words[1] == "run")
        wanted = {"d3rlpy"} if learns else set()
    roots = sorted({name.split(".")[0] for name in wanted})
    return ", ".join(root for root in roots if importlib.util.find_spec(root) is None)


def run_command(words: list[str]) -> None:
    """One subcommand as it is typed, in this process; it may end by its exit status 0."""
    shows, breaks = warnings.showwarning, Console.on_broken_pipe
    status: object = None
    try:
        main(words)
    except SystemExit as end:
        status = end.code
    finally:
        warnings.showwarning, Console.on_broken_pipe = shows, breaks  # type: ignore[method-assign]
    assert not status, f"{COMMAND} {shlex.join(words)} ended with {status}"
