"""Plain values into frozen dataclasses, by their annotations; errors name file, line and key.

It serves every file that people write (scenarios, recipes) and the same fields given in Python.
"""

from __future__ import annotations

import dataclasses
import re
import types
import typing
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, TypeVar

import yaml

from vmagent_marl.errors import SettingError, nearest

T = TypeVar("T")

DEPTH = 2  # dots of a key whose line is told; an alias may hold itself
AS_GIVEN = "as given: "  # begins an error about what the caller gives, beside a file


def read_changes(changes: Sequence[str]) -> dict[str, Any]:
    """Fields by name from words such as `home=random`, whose values are YAML."""
    fields: dict[str, Any] = {}
    for change in changes:
        name, equals, value = change.partition("=")
        if not equals or not name:
            raise SettingError(f"--set {change}: is no change: write name=value")
        try:
            fields[name] = yaml.safe_load(value)
        except yaml.YAMLError:
            raise SettingError(f"--set {change}: {value!r} is no value in YAML: mend it") from None
    return fields


def read_mapping(file: Path) -> tuple[dict[str, Any], dict[str, int]]:
    """A YAML file's mapping, and the line of each of its keys, those below a key behind a dot.

    >>> read_mapping(Path("mine.yaml"))  # which holds `tiers: {expert: {episodes: 3}}`
    ({'tiers': {'expert': {'episodes': 3}}}, {'tiers': 1, 'tiers.expert': 1, ...})
    """
    try:
        text = file.read_text(encoding="utf-8")
    except OSError as error:
        raise SettingError(f"{file}: cannot be read ({error.strerror}): give a YAML file") from None
    except UnicodeDecodeError:
        raise SettingError(f"{file}: cannot be read (no text): give a YAML file") from None
    try:
        node = yaml.compose(text, Loader=yaml.SafeLoader)
        data = yaml.safe_load(text)
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        line = f":{mark.line + 1}" if mark else ""
        problem = getattr(error, "problem", None) or "no YAML"
        raise SettingError(f"{file}{line}: {problem}: mend the YAML") from None
    if not isinstance(node, yaml.MappingNode):
        raise SettingError(f"{file}: holds no mapping: write one `key: value` a line")
    return {str(key): value for key, value in data.items()}, _lines_of(node, file)


def _lines_of(node: yaml.MappingNode, file: Path, above: str = "") -> dict[str, int]:
    """The lines of a mapping's keys and of those below them; refuses a key that stands twice."""
    lines: dict[str, int] = {}
    for key, value in node.value:
        name, line = f"{above}{key.value}", key.start_mark.line + 1
        if name in lines:
            raise SettingError(
                f"{file}:{line}: key {key.value!r} stands in line {lines[name]} already: remove one"
            )
        lines[name] = line
        if isinstance(value, yaml.MappingNode) and above.count(".") < DEPTH:
            lines |= _lines_of(value, file, f"{name}.")
    return lines


def build(
    kind: type[T], data: Mapping[str, Any], where: str, lines: Mapping[str, int] | None = None
) -> T:
    """An instance of a dataclass from a mapping; errors blame `where`.

    With `lines`, `where` is a file and they are the lines of its keys; keys that have none were
    given by the caller.
    """
    hints = typing.get_type_hints(kind)
    fields = {field.name: field for field in dataclasses.fields(kind) if field.init}  # type: ignore[arg-type]  # mypy has no bound for "a dataclass"

    def place(key: str) -> str:
        if lines is None:
            return where
        return f"{where}:{lines[key]}" if key in lines else AS_GIVEN.removesuffix(": ")

    values = {}
    for key, value in data.items():
        if key not in fields:
            raise SettingError(f"{place(key)}: unknown key {key!r}: {nearest(key, fields)}")
        values[key] = _convert(value, hints[key], f"{place(key)}: {key}")
    for name, field in fields.items():
        needed = field.default is field.default_factory is dataclasses.MISSING
        if needed and name not in values:
            raise SettingError(f"{where}: key {name!r} is missing: add it")
    try:
        return kind(**values)
    except SettingError as error:
        key = re.split("[:.]", str(error), maxsplit=1)[0]  # messages begin with their field
        raise SettingError(f"{place(key) if key in values else where}: {error}") from None


def _convert(value: Any, hint: Any, place: str) -> Any:
    """A value in the type of an annotation: scalars, tuples, mappings, literals, dataclasses."""
    origin, arguments = typing.get_origin(hint), typing.get_args(hint)
    if origin in (typing.Union, types.UnionType):
        return _convert_union(value, arguments, place)
    if origin is typing.Literal:
        if value in arguments:
            return value
        raise SettingError(f"{place}: {value!r} is none of {_listed(arguments)}: choose one")
    if origin is tuple and isinstance(value, (list, tuple)):
        return tuple(_convert(item, arguments[0], place) for item in value)
    if origin is dict and isinstance(value, Mapping):
        return {str(k): _convert(v, arguments[1], f"{place}.{k}") for k, v in value.items()}
    if dataclasses.is_dataclass(hint) and isinstance(hint, type):
        if isinstance(value, hint):
            return value
        if isinstance(value, Mapping):
            return build(hint, value, place)
    if hint is float and isinstance(value, (int, float)) and not isinstance(value, bool):
        return float(value)
    if hint in (int, str, bool, type(None)) and type(value) is hint:
        return value
    raise SettingError(f"{place}: {value!r} is no {_named(hint)}: give one")


def _convert_union(value: Any, choices: tuple[Any, ...], place: str) -> Any:
    """The first of several types that takes the value; a mapping is meant for the dataclass."""
    if isinstance(value, Mapping):
        choices = tuple(c for c in choices if dataclasses.is_dataclass(c)) or choices
        if len(choices) == 1:
            return _convert(value, choices[0], place)
    for choice in choices:
        try:
            return _convert(value, choice, place)
        except SettingError:
            continue
    raise SettingError(f"{place}: {value!r} is no {_listed(choices)}: give one")


def _listed(choices: tuple[Any, ...]) -> str:
    return " or ".join(_named(choice) for choice in choices)


def _named(hint: Any) -> str:
    if isinstance(hint, str):
        return repr(hint)
    plain = {int: "whole number", float: "number", str: "text", bool: "true/false"}
    if hint in plain:
        return plain[hint]
    if hint is type(None):
        return "null"
    if typing.get_origin(hint) is tuple:
        return f"list of {_named(typing.get_args(hint)[0])}s"
    if typing.get_origin(hint) is typing.Literal:
        return _listed(typing.get_args(hint))
    if dataclasses.is_dataclass(hint):
        keys = ", ".join(field.name for field in dataclasses.fields(hint))
        return f"mapping with the keys {keys}"
    return "mapping"
