"""Who is compared: programs by name or path, each with one or several settings of its options."""

from __future__ import annotations

import hashlib
import re
import shlex
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from vmagent_marl import catalog
from vmagent_marl.errors import SettingError, unknown_name

SHELF = "offline"
TOOLS = ("compare", "estimate_value")  # on the shelf, and no learners
OURS = ("dataset", "out", "seed", "compare", "validate-every", "validation-episodes")
"""Options that the comparison gives itself; who were validated more often would look better."""
_SETTING = re.compile(r"(?P<program>[^:/]+)(?:/(?P<setting>[\w.,=+-]+))?:(?P<words>.*)", re.DOTALL)


@dataclass(frozen=True)
class Contender:
    """A program with one setting of its own options."""

    program: str  # its name
    file: Path  # absolute
    setting: str = ""  # by which it is told from others of the program; none: as it comes
    options: tuple[str, ...] = ()  # words on its command line

    @property
    def name(self) -> str:
        """Of its folder, and in tables of settings."""
        return f"{self.program}.{self.setting}" if self.setting else self.program

    @property
    def told(self) -> dict[str, object]:
        """What decides about its runs: they are not to be mixed with those of another."""
        digest = hashlib.sha256(self.file.read_bytes()).hexdigest()
        return {"program": self.program, "sha256": digest, "options": list(self.options)}


def find_contenders(programs: Sequence[str], options: Sequence[str] = ()) -> list[Contender]:
    """Programs of the shelf by name, or of anybody by path, with `options` such as

    `discrete_cql: --alpha 1.0`, or with a name for the setting, `discrete_cql/strong: --alpha 3`.
    A program for which there are several is tuned: all are trained. Raises `UnknownNameError` for a
    program that is nowhere, and `SettingError` for options that are not its own.
    """
    files = {}
    for name in programs:
        file = _find(name)
        if file.stem in files:
            raise SettingError(f"programs: two are named {file.stem!r}: rename one of the files")
        files[file.stem] = file
    if not files:
        raise SettingError("programs: there is none: name one or more")
    settings: dict[str, list[Contender]] = {program: [] for program in files}
    for text in options:
        found = _SETTING.fullmatch(text)
        if found is None:
            raise SettingError(f"options {text!r}: write `PROGRAM: --option value ...`")
        program = found["program"].strip().removesuffix(".py")
        if program not in files:
            raise unknown_name("program in options", program, files)
        words = _words(text, found["words"])
        setting = found["setting"] or re.sub(r"[^\w.]+", "-", " ".join(words)).strip("-")
        each = Contender(program, files[program], setting, words)
        if each.name in [other.name for other in settings[program]]:
            raise SettingError(f"options {text!r}: {each.name} is there twice: leave one out")
        settings[program].append(each)
    return [
        each
        for program, file in files.items()
        for each in settings[program] or [Contender(program, file)]
    ]


def _words(text: str, given: str) -> tuple[str, ...]:
    try:
        words = tuple(shlex.split(given))
    except ValueError as error:
        raise SettingError(f"options {text!r}: cannot be read ({error}): mend the quotes") from None
    for word in words:
        name = word.partition("=")[0].removeprefix("--").replace("_", "-")
        if word.startswith("--") and name in OURS:
            raise SettingError(f"options {text!r}: --{name} is the comparison's own: leave it out")
    return words


def _find(name: str) -> Path:
    path = Path(name)
    if path.suffix == ".py" and path.is_file():
        return path.absolute()
    stem = name.removeprefix(f"{SHELF}/").removesuffix(".py")
    known = [each for each in catalog.names(SHELF) if each not in TOOLS]
    if stem not in known:
        raise unknown_name("program", name, known)
    return catalog.find(SHELF, stem).absolute()
