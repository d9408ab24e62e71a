"""One environment of the simulator, with its seeds and starts: what every single form wraps."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from numpy.typing import NDArray

from vmagent_marl.envs.spaces import MaskIn, check_mask_in
from vmagent_marl.errors import ActionError, ScenarioError, nearest
from vmagent_marl.scenario import Scenario, load_scenario, scenario_from
from vmagent_marl.sim import Episode, ObservationLayout, Simulator
from vmagent_marl.sim.state import HOME, RUNNING, SECONDS, TERMINATED, TRUNCATED
from vmagent_marl.windows import episode_of, rows_of

RENDER_MODES = ["human", "ansi", "rgb_array"]
FRAMES_PER_SECOND = 10


def as_scenario(scenario: str | Path | Mapping[str, Any] | Scenario, **fields: Any) -> Scenario:
    """A scenario by name, path or plain values, with fields replaced."""
    if isinstance(scenario, Scenario):
        return scenario.replace(**fields) if fields else scenario
    if isinstance(scenario, Mapping):
        return scenario_from({**scenario, **fields})
    return load_scenario(scenario, **fields)


class Game:
    """One course of episodes: episode `number` of a seed begins at a row drawn from the two."""

    def __init__(
        self,
        scenario: str | Path | Mapping[str, Any] | Scenario,
        *,
        window: str = "train",
        seed: int = 0,
        mask_in: MaskIn = "obs",
        render_mode: str | None = None,
        **fields: Any,
    ) -> None:
        """`window`: the rows of the trace that episodes may touch; `fields`: of the scenario."""
        check_mask_in(mask_in)
        if render_mode is not None and render_mode not in RENDER_MODES:
            raise ScenarioError(
                f"render_mode: {render_mode!r} is unknown: {nearest(render_mode, RENDER_MODES)}"
            )
        self.scenario = as_scenario(scenario, **fields)
        self.simulator: Simulator = self.scenario.simulator()
        self.window = window
        rows_of(self.simulator.trace, window)  # an unknown window is refused here, not at reset
        self.mask_in = mask_in
        self.render_mode = render_mode
        self._seed, self._number = seed, -1

    @property
    def layout(self) -> ObservationLayout:
        """Order of an observation."""
        return self.simulator.layout

    def begin(self, seed: int | None = None, options: Mapping[str, Any] | None = None) -> Episode:
        """Start the seed's next episode, or the first one of a new seed.

        `options`: `number` of the episode, and its `start` and `stop` rows, where not drawn. Other
        keys are not ours: PettingZoo's tests hand some in.
        """
        chosen = options or {}
        if seed is not None:
            self._seed, self._number = int(seed), -1
        self._number = int(chosen.get("number", self._number + 1))
        if "start" in chosen:
            stop = chosen.get("stop", rows_of(self.simulator.trace, self.window)[1])
            episode = Episode(int(chosen["start"]), int(stop), self._number, self._seed)
        else:
            episode = episode_of(
                self.scenario,
                self.simulator.trace,
                self.window,
                seed=self._seed,
                number=self._number,
            )
        self.simulator.reset({0: episode})
        self._show()
        return episode

    def step(self, plans: NDArray[Any]) -> None:
        """Decide the request by the plans (K,) of all clusters."""
        self.check_running()
        self.simulator.step(plans[None])
        self._show()

    def check_running(self) -> None:
        """Raise `ActionError` where there is nothing to decide."""
        if self.simulator.status(0) != RUNNING:
            raise ActionError("the episode is over, or none has begun: call reset() first")

    @property
    def ends(self) -> tuple[bool, bool]:
        """Whether the episode has terminated, and whether it was truncated."""
        status = self.simulator.status(0)
        return status == TERMINATED, status == TRUNCATED

    @property
    def home(self) -> int:
        """Cluster that the request is offered to first."""
        return int(self.simulator.state.clock[0, HOME])

    @property
    def seconds(self) -> int:
        """Simulated seconds of the last transition."""
        return int(self.simulator.state.outcome[0, SECONDS])

    def snapshot(self) -> tuple[Any, int, int]:
        """Everything that changes: the simulator's arrays, the seed and the episode's number."""
        return self.simulator.snapshot(), self._seed, self._number

    def restore(self, snapshot: tuple[Any, int, int]) -> None:
        """Go on from a snapshot."""
        arrays, self._seed, self._number = snapshot
        self.simulator.restore(arrays)

    def render(self) -> Any:
        """The servers as a heat map: (H, W, 3) uint8, or text; `human` prints, at each step too."""
        from vmagent_marl.envs.frames import occupancy_image, occupancy_text

        if self.render_mode == "rgb_array":
            return occupancy_image(self.simulator)
        if self.render_mode == "ansi":
            return occupancy_text(self.simulator)
        self._show()
        return None

    def _show(self) -> None:
        """To whoever watches the terminal."""
        if self.render_mode == "human":
            from vmagent_marl.envs.frames import occupancy_text

            print(occupancy_text(self.simulator), end="\n\n", flush=True)
