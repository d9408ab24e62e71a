"""A BenchMARL task on our native TorchRL environment."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from vmagent_marl.adapters.missing import missing
from vmagent_marl.adapters.torchrl import GROUP, ClusterTorchEnv
from vmagent_marl.envs.game import as_scenario

try:
    from benchmarl.environments.common import TaskClass
except ModuleNotFoundError as error:
    raise missing("benchmarl", "pip install benchmarl", error) from None


class ClusterTask(TaskClass):  # type: ignore[misc]  # not followed by mypy: see pyproject.toml
    """A scenario as a task: masks, the state for central critics, and a batch in one simulator."""

    def __init__(self, scenario: Any, horizon: int, **options: Any) -> None:
        """`horizon`: requests of an episode; options: those of `ClusterTorchEnv`."""
        self._scenario = as_scenario(scenario, horizon=horizon)
        super().__init__(self._scenario.name, {**options, "horizon": horizon})

    def get_env_fun(
        self, num_envs: int, continuous_actions: bool, seed: int | None, device: Any
    ) -> Callable[[], ClusterTorchEnv]:
        """What makes a batch of environments."""
        config = {"seed": seed or 0, **self.config, "device": device, "return_state": True}
        return lambda: ClusterTorchEnv(self._scenario, num_envs, **config)

    def supports_continuous_actions(self) -> bool:
        """No."""
        return False

    def supports_discrete_actions(self) -> bool:
        """Yes."""
        return True

    def max_steps(self, env: Any) -> int:
        """Requests of an episode."""
        return int(self.config["horizon"])

    def has_render(self, env: Any) -> bool:
        """No: watch an episode of `parallel_env` instead."""
        return False

    def group_map(self, env: Any) -> dict[str, list[str]]:
        """One group of all clusters."""
        return dict(env.group_map)

    def observation_spec(self, env: Any) -> Any:
        """What the networks read."""
        return _only(env.full_observation_spec_unbatched, (GROUP, "observation"))

    def action_mask_spec(self, env: Any) -> Any:
        """What is legal."""
        return _only(env.full_observation_spec_unbatched, (GROUP, "action_mask"))

    def state_spec(self, env: Any) -> Any:
        """What a central critic or mixer reads."""
        return _only(env.full_observation_spec_unbatched, "state")

    def info_spec(self, env: Any) -> None:
        """None."""

    def action_spec(self, env: Any) -> Any:
        """One plan a cluster."""
        return env.full_action_spec_unbatched

    @staticmethod
    def env_name() -> str:
        """Name under which BenchMARL logs it."""
        return "vmagent_marl"


def _only(spec: Any, wanted: str | tuple[str, str]) -> Any:
    """A composite with this leaf alone."""
    kept = spec.clone()
    for key in list(spec.keys(include_nested=True, leaves_only=True)):
        if key != wanted:
            del kept[key]
    return kept
