"""The game in the forms that other libraries know: PettingZoo, Gymnasium, and batches of both."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from vmagent_marl.envs.aec import ClusterAECEnv
    from vmagent_marl.envs.parallel import ClusterParallelEnv
    from vmagent_marl.envs.vector import ClusterVectorEnv
    from vmagent_marl.scenario import Scenario

__all__ = ["env", "parallel_env", "vector_env"]


def parallel_env(scenario: str | Path | Scenario, **options: Any) -> ClusterParallelEnv:
    """PettingZoo's parallel form: every cluster answers each request with a plan.

    Options are those of `Game` (window, seed, mask_in, actions, render_mode), and any scenario
    field.
    """
    from vmagent_marl.envs.parallel import ClusterParallelEnv

    return ClusterParallelEnv(scenario, **options)


def env(scenario: str | Path | Scenario, **options: Any) -> ClusterAECEnv:
    """PettingZoo's AEC form: only the clusters that a request reaches are asked, in its order."""
    from vmagent_marl.envs.aec import ClusterAECEnv

    return ClusterAECEnv(scenario, **options)


def vector_env(
    scenario: str | Path | Scenario, num_envs: int = 1, **options: Any
) -> ClusterVectorEnv:
    """Gymnasium's vector form: a batch of environments in one simulator."""
    from vmagent_marl.envs.vector import ClusterVectorEnv

    return ClusterVectorEnv(scenario, num_envs=num_envs, **options)
