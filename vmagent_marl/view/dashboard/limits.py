"""How much of a stranger's scenario is played: what a file says must not cost the machine."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from vmagent_marl.errors import DatasetError, SettingError
from vmagent_marl.scenario import Scenario, scenario_from
from vmagent_marl.trace.source import SYNTHETIC, InlineTrace

MOST_SERVERS = 20_000  # of all clusters together
MOST_REQUESTS = 2_000_000  # of a trace written out in a scenario


def scenario_of(plain: Any, *, where: str, trace: str | None, strange: bool) -> Scenario:
    """A scenario from what a file tells, on another `trace` where one is given.

    A `strange` one, from an upload, plays on the synthetic month, on requests that it writes out,
    or on a trace that was given to the dashboard: it names no file of its own. Raises
    `DatasetError` where it does, or is too large, or makes no game.
    """
    if not isinstance(plain, dict):
        raise DatasetError(f"{where}: tells no scenario: record it anew")
    named = plain.get("trace")
    if trace is not None:
        plain = {**plain, "trace": trace}
    elif isinstance(named, str) and named != SYNTHETIC and (strange or not Path(named).is_file()):
        raise DatasetError(
            f"{where}: recorded on {Path(named).name!r}: start the dashboard with --trace FILE"
        )
    try:
        scenario = scenario_from(plain, where=where)
    except (SettingError, TypeError, ValueError, OverflowError) as error:
        raise DatasetError(f"{where}: its scenario makes no game ({error})") from None
    check_size(scenario, where)
    return scenario


def check_size(scenario: Scenario, where: str) -> None:
    """Raise `DatasetError` for a scenario that is too large to watch."""
    servers = sum(scenario.each("servers"))
    if scenario.expansion:
        servers = max(servers, scenario.clusters * scenario.expansion.most)
    if servers > MOST_SERVERS:
        raise DatasetError(f"{where}: {servers:,} servers are too many: {MOST_SERVERS:,} at most")
    trace = scenario.trace
    if isinstance(trace, InlineTrace) and trace.repeat * len(trace.requests) > MOST_REQUESTS:
        raise DatasetError(f"{where}: too many requests written out: {MOST_REQUESTS:,} at most")
