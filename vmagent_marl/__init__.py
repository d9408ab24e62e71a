"""Learn to schedule virtual machines: every server cluster is an agent.

>>> import vmagent_marl as vm
>>> env = vm.parallel_env("region-prices", seed=0)      # PettingZoo; vm.env(...) for the AEC form
>>> scenario = vm.load_scenario("recovering", servers=20)
>>> scores = vm.evaluate(scenario, "server-best-fit", windows="validation")
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

__version__ = "0.1.0"

if TYPE_CHECKING:
    from vmagent_marl.envs import env, parallel_env, vector_env
    from vmagent_marl.episodes import collect
    from vmagent_marl.evaluation import evaluate
    from vmagent_marl.policies import make_policy
    from vmagent_marl.scenario import Scenario, load_scenario
    from vmagent_marl.trace import (
        LeftOutWarning,
        Trace,
        read_trace,
        synthetic_month,
        write_trace,
    )

# Imported when first used, so that the package itself loads nothing heavier than numpy.
_HOME = {
    "LeftOutWarning": "vmagent_marl.trace",
    "Scenario": "vmagent_marl.scenario",
    "Trace": "vmagent_marl.trace",
    "collect": "vmagent_marl.episodes",
    "env": "vmagent_marl.envs",
    "evaluate": "vmagent_marl.evaluation",
    "load_scenario": "vmagent_marl.scenario",
    "make_policy": "vmagent_marl.policies",
    "parallel_env": "vmagent_marl.envs",
    "read_trace": "vmagent_marl.trace",
    "synthetic_month": "vmagent_marl.trace",
    "vector_env": "vmagent_marl.envs",
    "write_trace": "vmagent_marl.trace",
}
__all__ = [
    "LeftOutWarning",
    "Scenario",
    "Trace",
    "collect",
    "env",
    "evaluate",
    "load_scenario",
    "make_policy",
    "parallel_env",
    "read_trace",
    "synthetic_month",
    "vector_env",
    "write_trace",
]


def _register_environments() -> None:
    from vmagent_marl.envs.registration import register_when_imported

    register_when_imported()


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(_HOME[name]), name)


def __dir__() -> list[str]:
    return [*__all__, "__version__"]


_register_environments()
