"""A scenario from a YAML file, from the shelf, or from plain values."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from vmagent_marl import catalog, settings
from vmagent_marl.errors import ScenarioError, SettingError
from vmagent_marl.scenario.scenario import Scenario
from vmagent_marl.trace import Trace
from vmagent_marl.trace.source import SYNTHETIC


def load_scenario(name: str | Path, **fields: Any) -> Scenario:
    """A scenario from the shelf by name, or from a YAML file by path, with fields replaced.

    >>> load_scenario("recovering", servers=20).servers
    20

    Raises `UnknownNameError` for a name that is on no shelf, and `ScenarioError` with file, line
    and key for what makes no game. A trace's path in a file is relative to the file.
    """
    is_path = str(name).endswith((".yaml", ".yml")) or "/" in str(name)
    file = Path(name) if is_path else catalog.find("scenarios", str(name))
    try:
        data, lines = settings.read_mapping(file)
    except SettingError as error:
        raise ScenarioError(str(error)) from None
    trace = data.get("trace")
    if isinstance(trace, str) and trace != SYNTHETIC:
        data["trace"] = str(file.parent / trace)
    for key in fields:
        lines.pop(key, None)  # what the caller gives stands in no line of the file
    return scenario_from({"name": file.stem, **data, **fields}, where=str(file), lines=lines)


def scenario_from(
    data: Mapping[str, Any], *, where: str = "scenario", lines: Mapping[str, int] | None = None
) -> Scenario:
    """A scenario from plain values; errors blame `where` and the lines of the keys."""
    if isinstance(data.get("trace"), Trace):
        raise ScenarioError(
            "trace: a Trace is no part of a scenario, which is written down with what is recorded: "
            'vm.write_trace(trace, "mine.h5"), then trace="mine.h5"; `evaluate` and '
            "`Scenario.simulator` also take it as it is"
        )
    fields = {key: str(value) if isinstance(value, Path) else value for key, value in data.items()}
    if isinstance(fields.get("reward"), str):
        fields["reward"] = {fields["reward"]: 1.0}
    try:
        return settings.build(Scenario, fields, where, lines)
    except SettingError as error:
        raise ScenarioError(str(error)) from None
