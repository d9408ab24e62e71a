"""RLlib's multi-agent environment, for its action-masking module."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from vmagent_marl.adapters.missing import missing
from vmagent_marl.adapters.rllib_form import MaskedParallelEnv
from vmagent_marl.errors import SettingError

try:
    from ray.rllib.env.wrappers.pettingzoo_env import ParallelPettingZooEnv
except ModuleNotFoundError as error:
    raise missing("RLlib", 'pip install "ray[rllib]"', error) from None

APART = 1_000_000  # between the seeds of two env runners


class ClusterMultiAgentEnv(ParallelPettingZooEnv):  # type: ignore[misc]  # mypy does not follow it
    """RLlib's own wrapper on `MaskedParallelEnv`, with seeds and truncations set right.

    Every env runner plays a course of its own: by their default all would play the same episodes.
    The ends name nobody but `__all__`: RLlib (2.60) takes agents that are each truncated in one
    step for terminated ones, and then does not bootstrap from the last observation.
    """

    def __init__(self, config: Mapping[str, Any]) -> None:
        """`config`: RLlib's env_config: `scenario`, and the options of `parallel_env`."""
        options = dict(config)
        if "scenario" not in options:
            raise SettingError('env_config names no scenario: give {"scenario": "region-prices"}')
        runner = getattr(config, "worker_index", 0) * APART + getattr(config, "vector_index", 0)
        options["seed"] = options.get("seed", 0) + runner
        super().__init__(MaskedParallelEnv(options.pop("scenario"), **options))

    def step(self, action_dict: Mapping[str, Any]) -> tuple[Any, Any, Any, Any, Any]:
        """Decide the request by the plans of all agents."""
        seen, rewards, terminated, truncated, infos = super().step(action_dict)
        ends = ({"__all__": over["__all__"]} for over in (terminated, truncated))
        return seen, rewards, *ends, infos
