"""One environment of the simulator, with its seeds and starts: what every single form wraps."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple, SupportsIndex

import numpy as np
from numpy.typing import NDArray

from vmagent_marl.envs.candidate_layout import Layout, candidates_in
from vmagent_marl.envs.candidates import Candidates
from vmagent_marl.envs.spaces import MaskIn, check_mask_in
from vmagent_marl.errors import ActionError, ScenarioError, nearest
from vmagent_marl.scenario import Scenario, load_scenario, scenario_from
from vmagent_marl.sim import Episode, Simulator
from vmagent_marl.sim.state import HOME, RUNNING, SECONDS, STATUS, TERMINATED, TRUNCATED
from vmagent_marl.windows import episode_of, rows_of

if TYPE_CHECKING:
    from vmagent_marl.envs.terminal import Screen

RENDER_MODES = ["human", "ansi", "rgb_array"]
FRAMES_PER_SECOND = 10
VIEWS = {"seen", "joint", "last", "_plans", "_answers", "_clock", "_outcome", "_team_reward"}
OPEN = {"_screen"}  # what a copy has to open for itself


def as_scenario(scenario: str | Path | Mapping[str, Any] | Scenario, **fields: Any) -> Scenario:
    """A scenario by name, path or plain values, with fields replaced."""
    if isinstance(scenario, Scenario):
        return scenario.replace(**fields) if fields else scenario
    if isinstance(scenario, Mapping):
        return scenario_from({**scenario, **fields})
    return load_scenario(scenario, **fields)


def view_of(simulator: Simulator, actions: str) -> Simulator | Candidates:
    """How agents are to see and play it: by `slots`, or by candidates (`top-8`)."""
    count = candidates_in(actions)
    return simulator if count is None else Candidates(simulator, count)


class Last(NamedTuple):
    """What the last transition came to, of each cluster (K,), live."""

    reward: NDArray[np.float64]  # after sharing
    own_reward: NDArray[np.float64]  # before it
    reached: NDArray[np.bool_]
    effective: NDArray[np.int64]
    illegal: NDArray[np.bool_]


class Game:
    """One course of episodes: episode `number` of a seed begins at a row drawn from the two."""

    def __init__(
        self,
        scenario: str | Path | Mapping[str, Any] | Scenario,
        *,
        window: str = "train",
        seed: int = 0,
        mask_in: MaskIn = "obs",
        actions: str = "slots",
        render_mode: str | None = None,
        **fields: Any,
    ) -> None:
        """`window`: the rows of the trace that episodes may touch; `fields`: of the scenario.

        `actions`: what agents choose among: all `slots` of their cluster, or with `top-8` the 8
        best candidates (see `Candidates`).
        """
        check_mask_in(mask_in)
        if render_mode is not None and render_mode not in RENDER_MODES:
            raise ScenarioError(
                f"render_mode: {render_mode!r} is unknown: {nearest(render_mode, RENDER_MODES)}"
            )
        self.scenario = as_scenario(scenario, **fields)
        self.simulator: Simulator = self.scenario.simulator()
        self.view = view_of(self.simulator, actions)
        self.window = window
        rows_of(self.simulator.trace, window)  # an unknown window is refused here, not at reset
        self.mask_in = mask_in
        self.render_mode = render_mode
        self._seed, self._number = seed, -1
        self._look()

    def _look(self) -> None:
        """Views of the only environment's arrays, which numpy would look up anew at every step."""
        view, state = self.view, self.simulator.state
        counted = view if isinstance(view, Candidates) else state
        self.seen = list(zip(view.observation[0], view.mask[0], strict=True))
        self.joint = view.observation[0], view.mask[0]
        self.last = Last(
            reward=state.reward[0],
            own_reward=state.own_reward[0],
            reached=state.reached[0],
            effective=counted.effective[0],
            illegal=counted.illegal[0],
        )
        self._plans = np.zeros((1, self.layout.clusters), np.int64)
        self._answers = self._plans.data
        self._clock, self._outcome = state.clock.data, state.outcome.data
        self._team_reward = state.team_reward.data
        self._screen: Screen | None = None

    def __getstate__(self) -> dict[str, Any]:
        """All but the views and what is open, which a copy has to make anew."""
        return {name: value for name, value in self.__dict__.items() if name not in VIEWS | OPEN}

    def __setstate__(self, values: dict[str, Any]) -> None:
        self.__dict__.update(values)
        self._look()

    @property
    def layout(self) -> Layout:
        """Order of an observation."""
        return self.view.layout

    def begin(self, seed: int | None = None, options: Mapping[str, Any] | None = None) -> Episode:
        """Start the seed's next episode, or the first one of a new seed.

        `options`: `number` of the episode, and its `start` and `stop` rows, where not drawn. Other
        keys are not ours: PettingZoo's tests hand some in.
        """
        chosen, now, following = options or {}, self._seed, self._number + 1
        if seed is not None:
            now, following = int(seed), 0
        number = int(chosen.get("number", following))
        if "start" in chosen:
            stop = chosen.get("stop", rows_of(self.simulator.trace, self.window)[1])
            episode = Episode(int(chosen["start"]), int(stop), number, now)
        else:
            episode = episode_of(
                self.scenario, self.simulator.trace, self.window, seed=now, number=number
            )
        self.view.reset({0: episode})  # what it refuses has changed nothing
        self._seed, self._number = now, number
        if self.render_mode == "human":
            self._show()
        return episode

    def step(self, plans: Iterable[SupportsIndex]) -> None:
        """Decide the request by the plans of all clusters, whole numbers.

        Raises `ActionError` where no episode runs, or a plan is none.
        """
        if self._clock[0, STATUS] != RUNNING:
            raise ActionError("the episode is over, or none has begun: call reset() first")
        try:
            for k, plan in enumerate(plans):
                self._answers[0, k] = plan  # type: ignore[call-overload]  # takes what has an index
        except (TypeError, ValueError):
            raise ActionError(f"{plan!r} is no action: give a whole number") from None
        except IndexError:
            raise ActionError(f"more plans than {k}: give one for each cluster") from None
        self.view.advance(self._plans)
        if self.render_mode == "human":
            self._show()

    @property
    def ends(self) -> tuple[bool, bool]:
        """Whether the episode has terminated, and whether it was truncated."""
        status = self._clock[0, STATUS]
        return status == TERMINATED, status == TRUNCATED

    @property
    def home(self) -> int:
        """Cluster that the request is offered to first."""
        home: int = self._clock[0, HOME]
        return home

    @property
    def seconds(self) -> int:
        """Simulated seconds of the last transition."""
        seconds: int = self._outcome[0, SECONDS]
        return seconds

    @property
    def team_reward(self) -> float:
        """Mean over the clusters of the last transition's rewards."""
        reward: float = self._team_reward[0]
        return reward

    def snapshot(self) -> tuple[Any, int, int]:
        """Everything that changes: the simulator's arrays, the seed and the episode's number."""
        return self.view.snapshot(), self._seed, self._number

    def restore(self, snapshot: tuple[Any, int, int]) -> None:
        """Go on from a snapshot."""
        arrays, self._seed, self._number = snapshot
        self.view.restore(arrays)

    def render(self) -> Any:
        """The servers as a heat map: (H, W, 3) uint8, or text; `human` shows, at each step too."""
        from vmagent_marl.envs.frames import occupancy_image, occupancy_text

        if self.render_mode == "rgb_array":
            return occupancy_image(self.simulator)
        if self.render_mode == "ansi":
            return occupancy_text(self.simulator)
        if self.render_mode == "human":
            self._show()
        return None

    def close(self) -> None:
        """Give the terminal back."""
        if self._screen is not None:
            self._screen.close()
            self._screen = None

    def _show(self) -> None:
        """To whoever watches the terminal."""
        from vmagent_marl.envs.frames import occupancy_text
        from vmagent_marl.envs.terminal import Screen

        if self._screen is None:
            self._screen = Screen(FRAMES_PER_SECOND)
        self._screen.show(occupancy_text(self.simulator))
