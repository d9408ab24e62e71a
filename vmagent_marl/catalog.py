"""What is on the shelves: scenarios, data set recipes, trained policies, and programs.

The shelves are the folders beside the package in a checkout, and `_catalog/` inside of an
installed one. They hold files to read and run, and are never imported.
"""

from __future__ import annotations

from pathlib import Path

from vmagent_marl.errors import VmagentError, unknown_name

SHELVES = {
    "scenarios": ".yaml",
    "datasets": ".yaml",
    "checkpoints": ".pt",
    "collectors": ".py",
    "offline": ".py",
}
PROGRAM_SHELVES = ("collectors", "offline")

_PACKAGE = Path(__file__).parent


def shelf(name: str) -> Path:
    """Folder of a shelf; an installed one first, else the checkout's."""
    for folder in (_PACKAGE / "_catalog" / name, _PACKAGE.parent / name):
        if folder.is_dir():
            return folder
    raise VmagentError(f"the shelf {name!r} is missing beside {_PACKAGE}: install the package anew")


def names(shelf_name: str) -> list[str]:
    """What is on a shelf, by the stems of its files."""
    return sorted(file.stem for file in shelf(shelf_name).glob(f"*{SHELVES[shelf_name]}"))


def is_path(name: str | Path) -> bool:
    """Whether a name is the path of a YAML file, and no name on a shelf."""
    return str(name).endswith((".yaml", ".yml")) or "/" in str(name)


def find(shelf_name: str, name: str) -> Path:
    """The file of a name on a shelf; raises `UnknownNameError` with the nearest known one."""
    file = shelf(shelf_name) / f"{name}{SHELVES[shelf_name]}"
    if not file.is_file():
        raise unknown_name(shelf_name.removesuffix("s"), name, names(shelf_name))
    return file


def programs() -> list[str]:
    """Programs as they are named on the command line, e.g. `offline/discrete_cql`."""
    return [f"{folder}/{stem}" for folder in PROGRAM_SHELVES for stem in names(folder)]


def find_program(name: str) -> Path:
    """The file of a program; raises `UnknownNameError` with the nearest known one."""
    folder, _, stem = name.removesuffix(".py").partition("/")
    if f"{folder}/{stem}" not in programs():
        raise unknown_name("program", name, programs())
    return find(folder, stem)
