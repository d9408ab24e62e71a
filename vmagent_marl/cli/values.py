"""How values on the command line are named and read: rules that tyro asks before its own.

Its own show the annotations of Python (`{None}|INT`, `[STR [STR ...]]`) and dump them where a value
is wrong. These show what to type, and say what is wrong with a value in one sentence.
"""

from __future__ import annotations

import dataclasses
import types
import typing
from collections.abc import Callable
from pathlib import Path
from typing import Any

from tyro.conf import UseAppendAction
from tyro.constructors import ConstructorRegistry, PrimitiveConstructorSpec, PrimitiveTypeInfo

Spec = PrimitiveConstructorSpec[Any]

VALUES = ConstructorRegistry()  # rules hold inside of `with VALUES:`, for programs that run too
NOTHING = ["none"]  # how an absent default is shown
PLAIN = {int: ("N", "whole number"), float: ("NUMBER", "number"), str: ("TEXT", "text")}


@VALUES.primitive_rule
def _plain(info: PrimitiveTypeInfo) -> Spec | None:
    for kind, (metavar, noun) in PLAIN.items():
        if info.type is kind:
            return _one(metavar, _reader(kind, noun), kind)
    return _one("FILE", Path, Path) if info.type is Path else None


@VALUES.primitive_rule
def _several(info: PrimitiveTypeInfo) -> Spec | None:
    """A tuple, of one length or of any."""
    kinds = typing.get_args(info.type)
    if info.type_origin is not tuple or not kinds or UseAppendAction in info.markers:
        return None  # an option that may be repeated is read by tyro's own rule
    of_any_length = kinds[-1] is Ellipsis
    specs = [_spec(kind, info) for kind in (kinds[:1] if of_any_length else kinds)]
    if any(spec is None or spec.nargs != 1 for spec in specs):
        return None
    each = [spec for spec in specs if spec is not None]

    def read(words: list[str]) -> tuple[Any, ...]:
        readers = each * len(words) if of_any_length else each
        return tuple(
            spec.instance_from_str([word]) for spec, word in zip(readers, words, strict=True)
        )

    return PrimitiveConstructorSpec(
        nargs="*" if of_any_length else len(each),
        metavar=f"{each[0].metavar} ..." if of_any_length else " ".join(s.metavar for s in each),
        instance_from_str=read,
        is_instance=lambda value: isinstance(value, tuple),
        str_from_instance=lambda values: [str(value) for value in values] or NOTHING,
        choices=each[0].choices if of_any_length else None,
    )


@VALUES.primitive_rule
def _optional(info: PrimitiveTypeInfo) -> Spec | None:
    """What may be left out, or be `none`, as an absent default is shown."""
    kinds = [kind for kind in typing.get_args(info.type) if kind is not type(None)]
    if info.type_origin not in (typing.Union, types.UnionType) or len(kinds) != 1:
        return None
    spec = _spec(kinds[0], info)
    if spec is None:
        return None
    given, shown, read = spec.is_instance, spec.str_from_instance, spec.instance_from_str
    return dataclasses.replace(
        spec,
        instance_from_str=lambda words: None if words == NOTHING else read(words),
        is_instance=lambda value: value is None or given(value),
        str_from_instance=lambda value: NOTHING if value is None else shown(value),
    )


def _spec(kind: Any, parent: PrimitiveTypeInfo) -> Spec | None:
    """The rule of a part of a type; None where there is none."""
    part = PrimitiveTypeInfo.make(raw_annotation=kind, parent_markers=parent.markers)
    spec = ConstructorRegistry.get_primitive_spec(part)
    return spec if isinstance(spec, PrimitiveConstructorSpec) else None


def _one(metavar: str, read: Callable[[str], Any], kind: type) -> Spec:
    return PrimitiveConstructorSpec(
        nargs=1,
        metavar=metavar,
        instance_from_str=lambda words: read(words[0]),
        is_instance=lambda value: isinstance(value, kind) or (kind is float and type(value) is int),
        str_from_instance=lambda value: [str(value)],
    )


def _reader(kind: Callable[[str], Any], noun: str) -> Callable[[str], Any]:
    def read(word: str) -> Any:
        try:
            return kind(word)
        except ValueError:
            raise ValueError(f"{word!r} is no {noun}") from None

    return read
