"""The masks as AgileRL's learners take them: in the info, as lists; nothing of it is imported."""

from __future__ import annotations

from typing import Any

from vmagent_marl.envs.parallel import ClusterParallelEnv


class ListMaskParallelEnv(ClusterParallelEnv):
    """`ClusterParallelEnv` with plain observations and masks of 0 and 1 in the infos.

    AgileRL 2.58's IPPO looks for None among the masks by `in`, which numpy's arrays answer with an
    error: hence lists.
    """

    def __init__(self, scenario: Any, **options: Any) -> None:
        """Options are those of `Game` but for `mask_in`, and any field of the scenario."""
        super().__init__(scenario, **options, mask_in="info")

    def infos_now(self) -> dict[str, dict[str, Any]]:
        """Every agent's info on the last transition."""
        infos = super().infos_now()
        for info in infos.values():
            info["action_mask"] = info["action_mask"].tolist()
        return infos
