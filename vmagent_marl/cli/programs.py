"""`run` and `copy`: programs and files from the shelves."""

from __future__ import annotations

import runpy
import shutil
import sys
from pathlib import Path

from tyro.conf import Positional

from vmagent_marl import catalog
from vmagent_marl.errors import VmagentError, unknown_name
from vmagent_marl.files import replacing


def run(program: Positional[str], *arguments: str) -> None:
    """Run a program from a shelf, e.g. `run offline/discrete_cql --help`.

    Args:
        program: its name, as `vmagent-marl list` has it.
        arguments: what it is given.
    """
    file = catalog.find_program(program)
    before = sys.argv
    sys.argv = [str(file), *arguments]
    try:
        runpy.run_path(str(file), run_name="__main__")
    finally:
        sys.argv = before


def copy(name: Positional[str], to: Positional[Path] = Path(".")) -> None:
    """Copy a program, scenario or recipe from its shelf, to change it.

    Args:
        name: `offline/discrete_cql`, `scenarios/recovering`, `datasets/...`.
        to: a folder or a file that is not there yet.
    """
    folder, _, stem = name.removesuffix(".py").removesuffix(".yaml").partition("/")
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
