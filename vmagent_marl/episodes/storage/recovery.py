"""The environment that a data set was recorded in, for `recover_environment` of Minari."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from vmagent_marl.envs.gym_env import ClusterEnv
from vmagent_marl.errors import DatasetError
from vmagent_marl.trace.source import SYNTHETIC


def recovered(
    scenario: Mapping[str, Any], *, recorded_on: Mapping[str, Any], **options: Any
) -> ClusterEnv:
    """`ClusterEnv` on the trace that a data set was `recorded_on` (name, fingerprint, requests).

    `dataset.recover_environment(trace="path")` finds the trace in another file. Raises
    `DatasetError` where it is not the one, or is not there.
    """
    trace = options.get("trace", scenario["trace"])
    wanted = (
        f"the data were recorded on trace {recorded_on['name']!r} of {recorded_on['requests']:,} "
        f"requests, fingerprint {recorded_on['fingerprint'][:16]}: give its file, "
        'recover_environment(trace="...")'
    )
    if isinstance(trace, str | Path) and trace != SYNTHETIC and not Path(trace).is_file():
        raise DatasetError(f"{trace}: is not there, and {wanted}")
    environment = ClusterEnv(scenario, **options)
    played = environment.game.simulator.trace
    if played.fingerprint != recorded_on["fingerprint"]:
        raise DatasetError(f"{trace}: has fingerprint {played.fingerprint[:16]}, and {wanted}")
    return environment
