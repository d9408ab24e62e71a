"""A batch of environments that play one course of episodes."""

from __future__ import annotations

from typing import Any

from numpy.typing import NDArray

from vmagent_marl.envs.game import as_scenario
from vmagent_marl.errors import SettingError
from vmagent_marl.sim import Episode
from vmagent_marl.windows import episode_of, rows_of


class Course:
    """Episodes of one seed, each number played once: a batch begins with 0, 1, ..., B - 1.

    Whoever ends takes the next number, the lower environment first. So number n of a seed is the
    same episode here and in `ClusterEnv.reset(seed=seed, options={"number": n})`.
    """

    def __init__(
        self, scenario: Any, num_envs: int, *, window: str, seed: int, **fields: Any
    ) -> None:
        """`window`: the rows of the trace that episodes may touch; `fields`: of the scenario."""
        if num_envs < 1:
            raise SettingError(f"num_envs: {num_envs} are too few: give 1 or more")
        self.scenario = as_scenario(scenario, **fields)
        self.simulator = self.scenario.simulator(batch=num_envs)
        rows_of(self.simulator.trace, window)  # an unknown window is refused here, not at reset
        self.window = window
        self.restart(seed)

    def restart(self, seed: int) -> None:
        """Number 0 of this seed is the next episode that begins."""
        self.seed, self.number = seed, 0

    def begin(self, which: NDArray[Any]) -> None:
        """The next episodes in these environments; the others go on."""
        self.simulator.reset({b: self.take() for b in which.tolist()})

    def take(self) -> Episode:
        """The next episode, which nobody else will play."""
        episode = episode_of(
            self.scenario, self.simulator.trace, self.window, seed=self.seed, number=self.number
        )
        self.number += 1
        return episode
