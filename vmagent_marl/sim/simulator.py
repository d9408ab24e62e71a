"""A batch of environments that play the offer chain: the one simulator under every interface."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from vmagent_marl.errors import ActionError, ScenarioError
from vmagent_marl.sim.handle import World, pack
from vmagent_marl.sim.layout import layout_of
from vmagent_marl.sim.metrics import Metrics, measure
from vmagent_marl.sim.reach import first_fit_reach
from vmagent_marl.sim.rules import NODES, Rules, feed
from vmagent_marl.sim.state import (
    FIRST,
    ROW,
    RUNNING,
    STATUS,
    TERMINATED,
    TRUNCATED,
    State,
    allocate,
    with_buffers,
    with_room,
)
from vmagent_marl.sim.step import answer_of, draw_keys
from vmagent_marl.sim.step import begin as begin_episodes
from vmagent_marl.sim.step import step as step_environments
from vmagent_marl.sim.threads import side_by_side
from vmagent_marl.trace import NEVER, Trace

INT64 = np.dtype(np.int64)
FIRST_ROOM = 1024  # numbers of VMs that an episode has room for at first; doubled when needed


def as_kernels_take(actions: NDArray[Any]) -> NDArray[np.int64]:
    """Whole numbers in memory as kernels were compiled for; any other would compile them anew."""
    return np.require(actions, np.int64, ["C_CONTIGUOUS", "ALIGNED", "WRITEABLE"])


@dataclass(frozen=True)
class Episode:
    """What an environment plays: rows of the trace, where they end, and the keys of its draws."""

    first: int  # row of the first request
    stop: int | None = None  # row before which it ends; None: the trace's end
    number: int = 0  # of the episode, a key of every draw
    seed: int = 0  # a key of every draw, 0 to 2**64 - 1


class Simulator:
    """B environments with K clusters of up to S servers each, stepped by one call.

    Arrays (first axis: the environment; live, read-only for callers, rewritten by the next step):

    observation  (B, K, F) float32, in the order of `layout`
    mask         (B, K, A) int8, 1 = legal; the last action is pass
    reward       (B, K) float64 after sharing; own_reward before it
    terminated, truncated  (B,) bool

    An environment that has ended stays as it is, with reward 0 and 0 seconds, until it is reset.
    """

    def __init__(
        self,
        rules: Rules,
        trace: Trace,
        *,
        batch: int = 1,
        length: int | None = None,
        seconds: int | None = None,
        reach_plus: int | None = None,
        privileged: bool = False,
        threads: int = 1,
        buffers: Mapping[str, NDArray[Any]] | None = None,
    ) -> None:
        """`length`, `seconds`: truncation; `reach_plus`: length = first fit's reach + this.

        `threads` share the environments of a step; what comes out is the same. It pays for batches
        that take longer than some fifty microseconds. `buffers`: arrays of the caller that are to
        be `observation`, `mask` or `reward`, written in place with no copy.
        """
        if len(trace) == 0:
            raise ScenarioError(f"trace {trace.name!r} holds no request: give one with rows")
        self.rules = rules
        self.trace = trace
        self.feed = feed(trace, rules)
        self.layout = layout_of(rules)
        self.batch = batch
        self._length, self._seconds, self._reach_plus = length, seconds, reach_plus
        self.privileged = privileged
        room = min(FIRST_ROOM if length is None else length, len(trace)) + 1
        self.threads = max(1, min(threads, batch))
        self._shape = batch, self.layout.clusters
        self.state: State
        self.world: World  # of rules, feed and state, for kernels
        self._hold(with_buffers(allocate(rules, self.layout, batch, room), buffers or {}))

    @property
    def clusters(self) -> int:
        """K."""
        return self.layout.clusters

    @property
    def servers(self) -> int:
        """S, of the largest cluster after every expansion."""
        return self.layout.servers

    @property
    def actions(self) -> int:
        """A = 2 S + 1."""
        return self.layout.actions

    @property
    def observation(self) -> NDArray[np.float32]:
        """(B, K, F), live."""
        return self.state.observation

    @property
    def mask(self) -> NDArray[np.int8]:
        """(B, K, A), live."""
        return self.state.mask

    @property
    def free(self) -> NDArray[np.int32]:
        """(B, K, resource, 2 S) milli-vCPU and MiB free on each slot, live; 0 out of service."""
        return self.state.free[..., : NODES * self.servers]

    @property
    def reward(self) -> NDArray[np.float64]:
        """(B, K) of the last transition, after sharing, live."""
        return self.state.reward

    @property
    def own_reward(self) -> NDArray[np.float64]:
        """(B, K) of the last transition, before sharing, live."""
        return self.state.own_reward

    @property
    def team_reward(self) -> NDArray[np.float64]:
        """(B,) mean over the clusters of the last transition's rewards, live."""
        return self.state.team_reward

    @property
    def terminated(self) -> NDArray[np.bool_]:
        """(B,)"""
        return self.state.clock[:, STATUS] == TERMINATED

    @property
    def truncated(self) -> NDArray[np.bool_]:
        """(B,)"""
        return self.state.clock[:, STATUS] == TRUNCATED

    @property
    def running(self) -> NDArray[np.bool_]:
        """(B,)"""
        return self.state.clock[:, STATUS] == RUNNING

    def length_from(self, first: int) -> int:
        """Requests after which an episode from this row is truncated."""
        if self._reach_plus is not None:
            return first_fit_reach(self.rules, self.feed, first) + self._reach_plus
        return NEVER if self._length is None else self._length

    def reset(self, episodes: dict[int, Episode]) -> None:
        """Begin these episodes in these environments; the others go on."""
        for b in episodes:
            self._check_environment(b)
        table = np.empty((len(episodes), 6), np.int64)
        for i, episode in enumerate(episodes.values()):
            stop = len(self.trace) if episode.stop is None else episode.stop
            if not 0 <= episode.first < stop <= len(self.trace):
                raise ScenarioError(
                    f"an episode cannot begin at row {episode.first} and end before row {stop}: "
                    f"trace {self.trace.name!r} has rows 0 to {len(self.trace) - 1}"
                )
            length = self.length_from(episode.first)
            seconds = NEVER if self._seconds is None else self._seconds
            seed = episode.seed - (episode.seed >> 63 << 64)  # the same 64 bits as an int64
            table[i] = episode.first, stop, length, seconds, seed, episode.number
        which = np.fromiter(episodes, np.int64, len(episodes))
        begin_episodes(self.world, which, table)

    def step(self, actions: ArrayLike) -> None:
        """Decide every running environment's request by these plans, (B, K) of `Discrete(A)`.

        Raises `ActionError` for an action outside of the space; one outside of the mask counts as
        pass where that is legal, else as the lowest legal slot.
        """
        self.advance(self._plans(actions))

    def advance(self, plans: NDArray[np.int64]) -> None:
        """`step`, for plans that are known to be int64 of shape (B, K), a `carray`."""
        if self.threads == 1:
            highest = step_environments(self.world, plans, 0, self.batch)
        else:
            world = self.world
            ends = side_by_side(
                lambda first, stop: step_environments(world, plans, first, stop),
                self.batch,
                self.threads,
            )
            highest = min(ends) if min(ends) < 0 else max(ends)
        if highest < 0:
            b, k = divmod(-1 - highest, self.clusters)
            raise ActionError(_outside(int(plans[b, k]), b, k, self.actions))
        if highest >= self._room:
            self.grow()

    def has_room(self) -> bool:
        """Whether every request that is to be decided has a number that there is room for."""
        clock = self.state.clock
        return bool((clock[:, ROW] - clock[:, FIRST]).max() < self._room)

    def grow(self) -> None:
        """Make room for twice as many VMs in an episode."""
        self._hold(with_room(self.state, 2 * self._room))

    def _plans(self, actions: ArrayLike) -> NDArray[np.int64]:
        """The actions as kernels take them."""
        if (
            isinstance(actions, np.ndarray)
            and actions.dtype is INT64
            and actions.shape == self._shape
            and actions.flags.carray
        ):
            return actions  # what is right already is not looked at again: it takes a microsecond
        given = np.asarray(actions)
        if given.dtype.kind not in "iu":
            raise ActionError(f"actions are of type {given.dtype}: give whole numbers")
        plans = as_kernels_take(given)
        if plans.shape != self._shape:
            raise ActionError(
                f"actions have shape {plans.shape}: give ({self.batch}, {self.clusters}), "
                "one for each environment and cluster"
            )
        return plans

    def answer(self, b: int, k: int, action: int) -> int:
        """How an action of cluster k would count: itself, or what stands for an illegal one."""
        self._check_environment(b)
        if not 0 <= k < self.clusters:
            raise ActionError(f"there is no cluster {k}: give 0 to {self.clusters - 1}")
        if not 0 <= action < self.actions:
            raise ActionError(_outside(action, b, k, self.actions))
        if self.state.clock[b, STATUS] != RUNNING:
            raise ActionError(f"environment {b} has ended or not begun: call reset() first")
        return int(answer_of(self.world, b, k, action))

    def keys(self) -> NDArray[np.uint64]:
        """(B, K) random bits, a function of (seed, episode, request, agent)."""
        keys = np.empty((self.batch, self.clusters), np.uint64)
        draw_keys(self.world, keys)
        return keys

    def number(self, b: int) -> int:
        """Number of the request that is to be decided, in its episode."""
        return int(self.state.clock[b, ROW] - self.state.clock[b, FIRST])

    def metrics(self, b: int = 0) -> Metrics:
        """Metrics of environment b's episode up to now."""
        return measure(self.rules, self.feed, self.state, b)

    def __getstate__(self) -> dict[str, Any]:
        """All but the table of addresses, which a copy has to write anew."""
        return {name: value for name, value in self.__dict__.items() if name != "world"}

    def __setstate__(self, values: dict[str, Any]) -> None:
        self.__dict__.update(values)
        self._hold(self.state)

    def snapshot(self) -> State:
        """A copy of everything that changes; `restore` brings it back."""
        return _copy(self.state)

    def restore(self, snapshot: State) -> None:
        """Go on from a snapshot of this simulator; its arrays stay the same ones."""
        fitting = with_room(self.state, snapshot.placed_at.shape[1])
        if [array.shape for array in fitting] != [array.shape for array in snapshot]:
            raise ScenarioError("the snapshot is of another simulator: take one of this")
        if snapshot.placed_at.shape != self.state.placed_at.shape:
            self._hold(fitting)
        for name, theirs in snapshot._asdict().items():
            np.copyto(getattr(self.state, name), theirs)

    def _check_environment(self, b: int) -> None:
        """Kernels do not look where they write."""
        if not 0 <= b < self.batch:
            raise ScenarioError(f"there is no environment {b}: give 0 to {self.batch - 1}")

    def _hold(self, state: State) -> None:
        """Go on with these arrays."""
        self.state = state
        self._room = state.placed_at.shape[1]
        self.world = pack(self.rules, self.feed, state)


def _copy(state: State) -> State:
    return State._make(array.copy() for array in state)


def _outside(action: int, b: int, k: int, actions: int) -> str:
    return (
        f"action {action} of cluster_{k} (environment {b}) is outside of Discrete({actions}): "
        f"give 0 to {actions - 1}"
    )
