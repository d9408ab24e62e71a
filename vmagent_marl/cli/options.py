"""Options that several subcommands share."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import yaml

from vmagent_marl.errors import SettingError


def scenario_fields(
    trace: str | None, servers: int | None, changes: Sequence[str]
) -> dict[str, Any]:
    """Fields of a scenario from `--trace`, `--servers` and `--set name=value`."""
    fields: dict[str, Any] = {}
    for change in changes:
        name, equals, value = change.partition("=")
        if not equals or not name:
            raise SettingError(f"--set {change}: is no change: write name=value")
        try:
            fields[name] = yaml.safe_load(value)
        except yaml.YAMLError:
            raise SettingError(f"--set {change}: {value!r} is no value in YAML: mend it") from None
    if trace is not None:
        fields["trace"] = trace
    if servers is not None:
        fields["servers"] = servers
    return fields
