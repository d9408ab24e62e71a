"""An episode played again (or for the first time) with everything noted that may be shown of it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from vmagent_marl.errors import SettingError
from vmagent_marl.policies import Policy, check_policy
from vmagent_marl.scenario import Scenario
from vmagent_marl.sim import Episode, Metrics, Simulator
from vmagent_marl.sim.rules import CPU, MEMORY, NODES, WAIT, Feed, Rules
from vmagent_marl.sim.state import ACTIVE, DOWN, FIRST, LENGTH, NOW, ROW, SERVING, START, STOP
from vmagent_marl.trace import Trace
from vmagent_marl.view.changes import ChangeLog
from vmagent_marl.view.recording import Recording, check_trace, told_of

Floats = NDArray[np.float64]
Whole = NDArray[np.int64]
Answers = Callable[[int], NDArray[np.int64]]  # plans (1, K) at a step
HOUR = 3600.0
MOST_BYTES = 512 << 20  # that the rows of one replay may take


@dataclass(frozen=True, eq=False)
class Replay:
    """T decisions of K clusters. Row t, up to T, is how things stood when request t was shown."""

    recording: Recording
    rules: Rules
    feed: Feed
    metrics: Metrics
    clock: Whole  # (T+1, columns) see `sim.state`
    level: Whole  # (T+1, K, columns)
    counts: Whole  # (T+1, K, columns)
    outcome: Whole  # (T, columns) of the decision
    reached: NDArray[np.bool_]  # (T, K)
    reward: Floats  # (T,) the team's mean
    profit: Floats  # (T+1, K) since the beginning
    free: ChangeLog  # of slots, flat (K, resource, room)
    room: int  # slots a cluster has in `free`, padding included
    vms: ChangeLog  # VMs on servers, flat (K, S)

    def __len__(self) -> int:
        return len(self.reward)

    @property
    def clusters(self) -> int:
        """K."""
        return int(self.level.shape[1])

    @cached_property
    def second(self) -> Whole:
        """(T+1,) s since the episode began."""
        seconds: Whole = self.clock[:, NOW] - self.clock[0, START]
        return seconds

    @cached_property
    def queue(self) -> Whole:
        """(T+1,) VMs that came before this second and wait, where VMs wait; else zeros."""
        if self.rules.turned_away != WAIT:
            return np.zeros(len(self.clock), np.int64)
        head = self.clock[:, ROW]
        last = np.minimum(self.clock[:, STOP], self.clock[:, FIRST] + self.clock[:, LENGTH])
        come = np.searchsorted(self.feed.arrival, self.clock[:, NOW], side="left")
        waiting: Whole = np.maximum(np.minimum(come, last) - head, 0)
        return waiting

    @property
    def servers(self) -> int:
        """S, of the largest cluster."""
        return self.vms.size // self.clusters

    def free_on(self, t: int) -> NDArray[np.int32]:
        """(K, resource, S, node) milli-vCPU and MiB free at step t, of padding too."""
        slots = self.free.at(t).reshape(self.clusters, 2, self.room)
        return slots[:, :, : NODES * self.servers].reshape(self.clusters, 2, self.servers, NODES)

    def used(self, t: int) -> Floats:
        """(K, resource, S, node) used share of each node at step t, of padding too."""
        shares: Floats = 1.0 - self.free_on(t) / self.rules.node[:, :, None, None]
        return shares

    def used_where_in_service(self, t: int) -> Floats:
        """The same, NaN on servers that neither take VMs nor run any."""
        here = self.taking(t) | (self.vms_on(t) > 0)
        return np.where(here[:, None, :, None], self.used(t), np.nan)

    def taking(self, t: int) -> NDArray[np.bool_]:
        """(K, S) servers that take VMs at step t, as `envs.frames.taking` has them."""
        in_service = np.arange(self.servers) < self.level[t, :, SERVING, None]
        takes: NDArray[np.bool_] = in_service & (self.counts[t, :, DOWN, None] == 0)
        return takes

    def vms_on(self, t: int) -> NDArray[np.int32]:
        """(K, S) VMs on each server at step t."""
        return self.vms.at(t).reshape(self.clusters, -1)

    def server(self, k: int, server: int) -> tuple[Whole, Floats]:
        """Steps at which a server changed, the first is 0, and (n, resource, node) used shares."""
        slots = [
            (k * 2 + resource) * self.room + NODES * server + node
            for resource in (CPU, MEMORY)
            for node in range(NODES)
        ]
        steps, free = self.free.course(slots)
        shares = 1.0 - free.reshape(-1, 2, NODES) / self.rules.node[k][None, :, None]
        return steps, shares


def replayed(recording: Recording, trace: Trace | None = None) -> Replay:
    """Play a recording again; raises `DatasetError` where the trace is another one."""
    simulator = recording.scenario.simulator(batch=1, trace=trace)
    check_trace(recording, simulator.trace)
    plans = np.array(recording.actions, np.int64)[:, None]  # writeable: kernels know no other kind
    film = _film(simulator, recording.played, lambda t: plans[t], len(plans))
    return film(recording)


def played(
    scenario: Scenario, policy: Policy, episode: Episode, trace: Trace | None = None
) -> Replay:
    """Play an episode for the first time; what comes out is a recording too."""
    check_policy(policy, scenario)
    simulator = scenario.simulator(batch=1, trace=trace)
    given: list[NDArray[np.int64]] = []

    def answers(_: int) -> NDArray[np.int64]:
        actions, _logp = policy.act(simulator, simulator.keys())
        given.append(actions[0].copy())
        return actions

    most = most_steps(simulator.clusters)
    film = _film(simulator, episode, answers, most)
    if simulator.running[0]:
        raise SettingError(
            f"an episode of scenario {scenario.name!r} is too long to watch: give a horizon of at "
            f"most {most:,} (--set horizon={most})"
        )
    actions = np.stack(given) if given else np.zeros((0, simulator.clusters), np.int64)
    return film(
        Recording(
            scenario=scenario,
            trace=told_of(simulator.trace),
            played=episode,
            policy=policy.name,
            actions=actions,
            metrics=simulator.metrics(),
        )
    )


def most_steps(clusters: int) -> int:
    """Steps of an episode that are held in memory: a million of one cluster, 70,000 of 32."""
    return MOST_BYTES // (256 + 224 * clusters)  # bytes a row


class _Rows:
    """A copy of some arrays at each step, in columns that grow."""

    def __init__(self, **arrays: NDArray[Any]) -> None:
        self._live = list(arrays.values())
        self._names = list(arrays)
        self._kept = [np.empty((1024, *a.shape), a.dtype) for a in self._live]

    def note(self, t: int) -> None:
        if t == len(self._kept[0]):
            self._kept = [np.concatenate([kept, np.empty_like(kept)]) for kept in self._kept]
        for kept, live in zip(self._kept, self._live, strict=True):
            kept[t] = live

    def cut(self, rows: int) -> dict[str, NDArray[Any]]:
        kept = zip(self._names, self._kept, strict=True)
        return {name: array[:rows].copy() for name, array in kept}


def _film(
    simulator: Simulator, episode: Episode, answers: Answers, most: int
) -> Callable[[Recording], Replay]:
    """Step to the episode's end, or as far as there are answers, and note what changes."""
    simulator.reset({0: episode})
    state, rules = simulator.state, simulator.rules
    rate = np.zeros((2, simulator.clusters))  # milli-vCPU that earn, and their moment
    stands = _Rows(
        clock=state.clock[0],
        level=state.level[0],
        counts=state.counts[0],
        active=state.moment[0, :, ACTIVE],
        rate=rate,
    )
    came = _Rows(outcome=state.outcome[0], reached=state.reached[0], reward=state.team_reward[0:1])
    free = ChangeLog.begin(state.free[0].reshape(-1))
    vms = ChangeLog.begin(state.vms_on[0].reshape(-1))
    running, moment, kept = state.running[0], state.running_moment[0], rules.kept
    t = 0
    while True:
        rate[0], rate[1] = running @ kept, moment @ kept
        stands.note(t)
        if t >= most or not simulator.running[0]:
            break
        simulator.step(answers(t))
        came.note(t)
        t += 1
        free.note()
        vms.note()
    rows, steps = stands.cut(t + 1), came.cut(t)
    profit = _profit(rules, rows)

    def film(recording: Recording) -> Replay:
        return Replay(
            recording=recording,
            rules=rules,
            feed=simulator.feed,
            metrics=simulator.metrics(),
            clock=rows["clock"],
            level=rows["level"],
            counts=rows["counts"],
            outcome=steps["outcome"],
            reached=steps["reached"],
            reward=steps["reward"][:, 0],
            profit=profit,
            free=free.closed(),
            room=state.free.shape[-1],
            vms=vms.closed(),
        )

    return film


def _profit(rules: Rules, rows: dict[str, NDArray[Any]]) -> Floats:
    """(T+1, K) as `sim.metrics.cluster_profit` has it, at every step."""
    elapsed = (rows["clock"][:, NOW] - rows["clock"][:, START])[:, None]
    revenue = (rows["rate"][:, 0] * elapsed - rows["rate"][:, 1]) * rules.price / (1000.0 * HOUR)
    server_cpu = NODES * rules.node[:, CPU].astype(np.float64) / 1000.0
    active = rows["level"][:, :, ACTIVE] * elapsed - rows["active"]
    profit: Floats = revenue - active / HOUR * server_cpu * rules.power
    return profit
