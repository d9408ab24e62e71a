"""Minari data sets as learners and estimators are told them: by their ids, all of one scenario."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from vmagent_marl.episodes.storage.minari_format import own_metadata
from vmagent_marl.errors import DatasetError, SettingError


def ids_of(dataset: str | Sequence[str]) -> tuple[str, ...]:
    """One id, or several; raises `SettingError` where there is none."""
    ids = (dataset,) if isinstance(dataset, str) else tuple(dataset)
    if not ids:
        raise SettingError("dataset: there is none: name one or more by their ids")
    return ids


def one_scenario(ids: Sequence[str], sets: Sequence[Any]) -> dict[str, Any]:
    """The one scenario that all data sets were recorded on; raises `DatasetError` for several."""
    found = [own_metadata(data)["scenario"] for data in sets]
    for name, scenario in zip(ids, found, strict=True):
        if scenario != found[0]:
            raise DatasetError(
                f"data sets {ids[0]!r} and {name!r} are of two scenarios, "
                f"{_told_apart(found[0], scenario)}: take one at a time"
            )
    return dict(found[0])


def _told_apart(one: Mapping[str, Any], other: Mapping[str, Any]) -> str:
    """Names of two scenarios, or of the fields in which two of one name differ."""
    if one["name"] != other["name"]:
        return f"{one['name']!r} and {other['name']!r}"
    fields = [key for key in sorted({*one, *other}) if one.get(key) != other.get(key)]
    return f"{one['name']!r} with other {', '.join(fields)}"
