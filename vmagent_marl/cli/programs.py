"""`run` and `copy`: programs and files from the shelves."""

from __future__ import annotations

import shutil
import sys
from pathlib import Path
from types import ModuleType
from typing import Annotated

from tyro.conf import Positional, arg

from vmagent_marl import catalog
from vmagent_marl.errors import VmagentError, unknown_name
from vmagent_marl.files import replacing


def run(program: Annotated[Positional[str], arg(metavar="NAME")], *arguments: str) -> None:
    """Run a program from a shelf, e.g. `run offline/discrete_cql --help`.

    Args:
        program: its name, as `vmagent-marl list` has it.
        arguments: what it is given.
    """
    file = catalog.find_program(program)
    main = ModuleType("__main__")  # not by runpy, which names the file in the program's help
    main.__file__ = str(file)
    before = sys.argv, sys.modules["__main__"]
    sys.argv, sys.modules["__main__"] = [f"vmagent-marl run {program}", *arguments], main
    try:
        exec(compile(file.read_bytes(), file, "exec"), vars(main))
    finally:
        sys.argv, sys.modules["__main__"] = before


def copy(
    name: Annotated[Positional[str], arg(metavar="NAME")],
    to: Annotated[Positional[Path], arg(metavar="[FOLDER|FILE]")] = Path("."),
) -> None:
    """Copy a program, scenario, recipe or trained policy from its shelf, to change it.

    Args:
        name: `offline/discrete_cql`, `scenarios/recovering`, `datasets/...`, `checkpoints/...`.
        to: a folder or a file that is not there yet.
    """
    folder, _, stem = name.removesuffix(Path(name).suffix).partition("/")
    known = [f"{shelf}/{item}" for shelf in catalog.SHELVES for item in catalog.names(shelf)]
    if f"{folder}/{stem}" not in known:
        raise unknown_name("file", name, known)
    source = catalog.find(folder, stem)
    target = to / source.name if to.is_dir() else to
    if target.exists():
        raise VmagentError(f"{target} exists: move it away or name another file")
    with replacing(target) as unfinished:
        shutil.copyfile(source, unfinished)
    print(target)
